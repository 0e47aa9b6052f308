-- A statement that writes is never planned for parallel workers, a query that a function returns is: the join of stage
-- and levels is the costliest part of a detect. The planner expects all of its rows to differ; handing over few is cheap.
CREATE FUNCTION staged_differences(
    snapshot bigint, of_shop text, seen_at timestamptz, is_full boolean, confirm_absent integer
) RETURNS SETOF stock_difference
LANGUAGE plpgsql STABLE ROWS 10000 SET parallel_tuple_cost = 0
AS $$
BEGIN
    RETURN QUERY
    WITH staged AS (
        SELECT
            staged_row.variant_id,
            staged_row.location_id,
            staged_row.quantity,
            staged_row.facts_checksum
        FROM staged_row
    ),

    level AS (
        SELECT
            stock_level.variant_id,
            stock_level.location_id,
            stock_level.quantity,
            stock_level.observed_at,
            stock_level.missed_count,
            stock_level.facts_checksum
        FROM stock_level
        WHERE stock_level.shop_id = of_shop
    )

    SELECT
        snapshot,
        coalesce(staged.variant_id, level.variant_id),
        coalesce(staged.location_id, level.location_id),
        CASE
            WHEN staged.variant_id IS NOT NULL THEN staged.quantity
            WHEN level.missed_count + 1 >= confirm_absent THEN 0
            ELSE level.quantity
        END,
        level.quantity,
        CAST(CASE WHEN staged.variant_id IS NULL THEN least(level.missed_count + 1, 32000) ELSE 0 END AS smallint),
        coalesce(level.missed_count, CAST(0 AS smallint)),
        staged.facts_checksum,
        level.variant_id IS NULL OR (
            level.observed_at < seen_at
            AND (staged.variant_id IS NULL OR staged.quantity <> level.quantity OR level.missed_count > 0)
        ),
        staged.variant_id IS NOT NULL AND staged.facts_checksum IS DISTINCT FROM level.facts_checksum
    FROM staged
    FULL JOIN level
        ON level.variant_id = staged.variant_id AND level.location_id = staged.location_id
    WHERE
        level.variant_id IS NULL
        OR (
            level.observed_at < seen_at
            AND (
                staged.quantity <> level.quantity
                OR (staged.variant_id IS NOT NULL AND level.missed_count > 0)
                OR (staged.variant_id IS NULL AND is_full AND level.missed_count < confirm_absent)
            )
        )
        OR (staged.variant_id IS NOT NULL AND staged.facts_checksum IS DISTINCT FROM level.facts_checksum);
END $$;

COMMENT ON FUNCTION staged_differences IS
'What the stage says otherwise than the level: changed, new, missing, or back after missing; or other facts of the
variant. An observation never overrides a newer one (SEMANTICS 2.2); absent rows read 0 once confirmed (2.4).';

-- Most variants have no rule of their own: nothing is called for them.
ALTER FUNCTION locations_of STRICT;

-- Work tables hold something else each time. What a vacuum once saw in them made the planner take ten thousand touched
-- variants for one and compare each with each: minutes instead of a second. Without figures of the columns it goes by
-- the size of the table, which it knows.
ALTER TABLE touched_variant
    ALTER COLUMN snapshot_id SET STATISTICS 0,
    ALTER COLUMN variant_id SET STATISTICS 0;
ALTER TABLE stock_difference
    ALTER COLUMN snapshot_id SET STATISTICS 0,
    ALTER COLUMN variant_id SET STATISTICS 0,
    ALTER COLUMN location_id SET STATISTICS 0,
    ALTER COLUMN has_other_stock SET STATISTICS 0,
    ALTER COLUMN has_other_facts SET STATISTICS 0;
ALTER TABLE release_decision
    ALTER COLUMN shop_id SET STATISTICS 0,
    ALTER COLUMN variant_id SET STATISTICS 0;
ALTER TABLE release_choice
    ALTER COLUMN shop_id SET STATISTICS 0,
    ALTER COLUMN variant_id SET STATISTICS 0,
    ALTER COLUMN subscription_id SET STATISTICS 0,
    ALTER COLUMN verdict SET STATISTICS 0;

-- A type that is set anew, even the same, forgets what was seen before.
ALTER TABLE stock_difference
    ALTER COLUMN snapshot_id TYPE bigint,
    ALTER COLUMN variant_id TYPE text COLLATE "C",
    ALTER COLUMN location_id TYPE text COLLATE "C",
    ALTER COLUMN has_other_stock TYPE boolean,
    ALTER COLUMN has_other_facts TYPE boolean;
ALTER TABLE touched_variant
    ALTER COLUMN snapshot_id TYPE bigint,
    ALTER COLUMN variant_id TYPE text COLLATE "C";
ALTER TABLE release_decision
    ALTER COLUMN shop_id TYPE text COLLATE "C",
    ALTER COLUMN variant_id TYPE text COLLATE "C";
ALTER TABLE release_choice
    ALTER COLUMN shop_id TYPE text COLLATE "C",
    ALTER COLUMN variant_id TYPE text COLLATE "C",
    ALTER COLUMN subscription_id TYPE bigint,
    ALTER COLUMN verdict TYPE text;
