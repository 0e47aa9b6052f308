-- name: lock_shop
-- Load and detect of one shop wait for each other (SEMANTICS 2.2).
SELECT pg_advisory_xact_lock(hashtextextended('restock.stock.' || :shop_id, 0));

-- name: open_snapshot
-- The snapshot of a window, made when missing; a settled one is left as it is.
INSERT INTO snapshot (
    shop_id, window_key, window_start, window_end, kind, state, source, observed_at, is_delivery
)
VALUES (
    :shop_id, :window_key, :window_start, :window_end, :kind, 'loading', :source, :observed_at, :is_delivery
)
ON CONFLICT (shop_id, window_key) DO UPDATE
    SET window_key = excluded.window_key
RETURNING
    snapshot_id,
    kind,
    state,
    row_count,
    reject_count,
    reason,
    accepted_reason;

-- name: create_stage
-- An empty stage for a snapshot.
CALL create_stage(:snapshot_id);

-- name: open_stage
-- From here to close_stage or drop_stage `staged_row` means the stage of this snapshot; empty if it was lost.
CALL open_stage(:snapshot_id);

-- name: close_stage
-- The stage stays for a later transaction.
CALL close_stage();

-- name: drop_stage
-- The stage has served.
CALL drop_stage(:snapshot_id);

-- name: analyze_stage
-- Give the planner the size of what was staged, and what it needs of the columns that are joined.
CALL analyze_stage(:snapshot_id);

-- name: is_staged
-- Whether a snapshot stands in its stage: wholly, or not at all after a crash, since stages are not logged.
SELECT EXISTS (SELECT 1 FROM staged_row WHERE snapshot_id = :snapshot_id);

-- name: complete_unsaid
-- Rows of a partial snapshot that say nothing of stock or collections repeat what is known; unknown variants wait for
-- a full one.
WITH unsaid AS (
    DELETE FROM staged_row
    WHERE snapshot_id = :snapshot_id AND (quantity IS NULL OR collections IS NULL)
    RETURNING
        line_number, variant_id, location_id, quantity, product_id, title, url, image_url, price, compare_at_price,
        collections, is_published, is_tracked, continue_selling, inventory_item_id, reported_at
),

completed AS (
    SELECT
        unsaid.*,
        level.location_id AS known_location_id,
        level.quantity AS known_quantity,
        known.collections AS known_collections
    FROM unsaid
    LEFT JOIN variant AS known
        ON known.shop_id = :shop_id AND known.variant_id = unsaid.variant_id
    LEFT JOIN stock_level AS level
        ON
            unsaid.quantity IS NULL
            AND level.shop_id = :shop_id
            AND level.variant_id = unsaid.variant_id
            AND NOT EXISTS (
                SELECT 1
                FROM staged_row AS told
                WHERE
                    told.snapshot_id = :snapshot_id
                    AND told.variant_id = level.variant_id
                    AND told.location_id = level.location_id
                    AND told.quantity IS NOT NULL
            )
)

INSERT INTO staged_row (
    snapshot_id, line_number, variant_id, location_id, quantity, product_id, title, url, image_url, price,
    compare_at_price, collections, is_published, is_tracked, continue_selling, inventory_item_id, reported_at
)
SELECT
    :snapshot_id,
    line_number,
    variant_id,
    coalesce(known_location_id, location_id),
    coalesce(quantity, known_quantity),
    product_id,
    title,
    url,
    image_url,
    price,
    compare_at_price,
    coalesce(collections, known_collections, '{}'),
    is_published,
    is_tracked,
    continue_selling,
    inventory_item_id,
    reported_at
FROM completed
WHERE coalesce(quantity, known_quantity) IS NOT NULL
ORDER BY line_number;

-- name: clear_rejects
-- A repeated load starts its rejects afresh.
DELETE FROM rejected_row WHERE shop_id = :shop_id AND snapshot_id = :snapshot_id;

-- name: find_conflict
-- A variant and location that stands twice with different quantities, the first one by line.
SELECT
    variant_id,
    location_id,
    min(line_number) AS first_line,
    max(line_number) AS last_line
FROM staged_row
WHERE snapshot_id = :snapshot_id
GROUP BY variant_id, location_id
HAVING count(*) > 1 AND min(quantity) <> max(quantity)
ORDER BY first_line
LIMIT 1;

-- name: drop_repeated_rows
-- Keep the first of rows that say the same twice.
DELETE FROM staged_row AS repeated
USING (
    SELECT
        variant_id,
        location_id,
        min(line_number) AS first_line
    FROM staged_row
    WHERE snapshot_id = :snapshot_id
    GROUP BY variant_id, location_id
    HAVING count(*) > 1
) AS kept
WHERE
    repeated.snapshot_id = :snapshot_id
    AND repeated.variant_id = kept.variant_id
    AND repeated.location_id = kept.location_id
    AND repeated.line_number > kept.first_line;

-- name: measure_rows
-- The figures of measure_stage where each variant has one row, as in most shops; else has fewer variants than rows.
-- A sort that finds its input in order, and a join with nothing but the variants that stand at zero: grouping a
-- million variants takes three times as long.
SELECT
    count(*) AS row_count,
    count(DISTINCT staged_row.variant_id) AS variant_count,
    count(*) FILTER (WHERE counted.available < 1) AS zero_count,
    count(level.variant_id) FILTER (WHERE counted.available >= 1) AS risen_count
FROM staged_row
JOIN shop ON shop.shop_id = :shop_id
CROSS JOIN LATERAL (
    SELECT greatest(CASE
        WHEN is_counted(staged_row.location_id, shop.included_locations, shop.excluded_locations)
            THEN staged_row.quantity
    END, 0) AS available
) AS counted
LEFT JOIN variant_stock AS level
    ON level.shop_id = :shop_id AND level.variant_id = staged_row.variant_id AND level.available < 1
WHERE staged_row.snapshot_id = :snapshot_id;

-- name: measure_stage
-- The figures that the gates judge; units as in SEMANTICS 1.2.
WITH staged AS (
    SELECT
        variant_id,
        greatest(sum(quantity) FILTER (
            WHERE is_counted(location_id, shop.included_locations, shop.excluded_locations)
        ), 0) AS available
    FROM staged_row
    JOIN shop ON shop.shop_id = :shop_id
    WHERE snapshot_id = :snapshot_id
    GROUP BY variant_id
)
SELECT
    count(*) AS variant_count,
    count(*) FILTER (WHERE staged.available < 1) AS zero_count,
    count(*) FILTER (WHERE staged.available >= 1 AND level.available < 1) AS risen_count
FROM staged
LEFT JOIN variant_stock AS level
    ON level.shop_id = :shop_id AND level.variant_id = staged.variant_id;

-- name: is_late
-- Whether a newer full snapshot has been detected (SEMANTICS 2.9). Beside newer partial ones each level is judged
-- by itself: older words of it are no news.
SELECT EXISTS (
    SELECT 1
    FROM snapshot
    WHERE shop_id = :shop_id AND kind = 'full' AND detected_at IS NOT NULL AND observed_at > :observed_at
);

-- name: measure_late_stage
-- The figures that the gates judge, compared with what was known at the late snapshot's time.
WITH staged AS (
    SELECT
        variant_id,
        greatest(sum(quantity) FILTER (
            WHERE is_counted(location_id, shop.included_locations, shop.excluded_locations)
        ), 0) AS available
    FROM staged_row
    JOIN shop ON shop.shop_id = :shop_id
    WHERE snapshot_id = :snapshot_id
    GROUP BY variant_id
),

level AS (
    SELECT
        known.variant_id,
        coalesce(sum(known.quantity) FILTER (
            WHERE is_counted(known.location_id, shop.included_locations, shop.excluded_locations)
        ), 0) AS available
    FROM level_at(:shop_id, :observed_at) AS known
    JOIN shop ON shop.shop_id = :shop_id
    GROUP BY known.variant_id
)

SELECT
    count(*) AS variant_count,
    count(*) FILTER (WHERE staged.available < 1) AS zero_count,
    count(*) FILTER (WHERE staged.available >= 1 AND level.available < 1) AS risen_count
FROM staged
LEFT JOIN level ON level.variant_id = staged.variant_id;

-- name: find_baseline
-- The complete full snapshot before a moment: what the gates compare with.
SELECT
    row_count,
    reject_count,
    variant_count,
    zero_count,
    dated_at
FROM snapshot
WHERE shop_id = :shop_id AND kind = 'full' AND state = 'complete' AND observed_at < :observed_at
ORDER BY observed_at DESC
LIMIT 1;

-- name: complete_snapshot
-- The snapshot may be believed.
UPDATE snapshot
SET
    state = 'complete',
    reason = NULL,
    row_count = :row_count,
    reject_count = :reject_count,
    variant_count = :variant_count,
    zero_count = :zero_count,
    observed_at = :observed_at,
    source = :source,
    dated_at = :dated_at,
    loaded_at = :now
WHERE shop_id = :shop_id AND snapshot_id = :snapshot_id;

-- name: reject_snapshot
-- The snapshot is refused with its reason; nothing of it is used.
UPDATE snapshot
SET
    state = 'rejected',
    reason = :reason,
    row_count = :row_count,
    reject_count = :reject_count,
    observed_at = :observed_at,
    source = :source,
    dated_at = :dated_at,
    loaded_at = :now
WHERE shop_id = :shop_id AND snapshot_id = :snapshot_id;

-- name: accept_snapshot
-- A person who knows better lets a rejected snapshot pass once, with the next load of its window.
UPDATE snapshot
SET
    state = 'loading',
    accepted_reason = :accepted_reason
WHERE shop_id = :shop_id AND snapshot_id = :snapshot_id AND state = 'rejected'
RETURNING snapshot_id;

-- name: lock_snapshot
-- The snapshot to detect, held against a second detect.
SELECT
    snapshot.snapshot_id,
    snapshot.state,
    snapshot.kind,
    snapshot.observed_at,
    snapshot.row_count,
    snapshot.detected_at,
    snapshot.changed_count,
    snapshot.opened_count,
    snapshot.closed_count,
    snapshot.event_count,
    snapshot.held_count,
    EXISTS (
        SELECT 1
        FROM snapshot AS newer
        WHERE
            newer.shop_id = snapshot.shop_id
            AND newer.kind = 'full'
            AND newer.detected_at IS NOT NULL
            AND newer.observed_at > snapshot.observed_at
    ) AS is_late
FROM snapshot
WHERE snapshot.shop_id = :shop_id AND snapshot.snapshot_id = :snapshot_id
FOR UPDATE OF snapshot;

-- name: mark_detected
-- Record what a detect changed, so that a repeated one returns the same.
UPDATE snapshot
SET
    detected_at = :now,
    changed_count = :changed_count,
    opened_count = :opened_count,
    closed_count = :closed_count,
    event_count = :event_count,
    held_count = :held_count
WHERE shop_id = :shop_id AND snapshot_id = :snapshot_id;

-- name: list_snapshots
-- Snapshots of a shop, newest first.
SELECT
    snapshot_id,
    window_key,
    kind,
    state,
    source,
    observed_at,
    row_count,
    reject_count,
    changed_count,
    event_count,
    coalesce(reason, accepted_reason) AS reason
FROM snapshot
WHERE shop_id = :shop_id
ORDER BY observed_at DESC, snapshot_id DESC
LIMIT :row_limit;

-- name: find_snapshot
-- One snapshot with all that is known of it.
SELECT
    snapshot_id,
    window_key,
    window_start,
    window_end,
    kind,
    state,
    source,
    observed_at,
    loaded_at,
    detected_at,
    dated_at,
    row_count,
    reject_count,
    variant_count,
    zero_count,
    changed_count,
    opened_count,
    closed_count,
    event_count,
    held_count,
    reason,
    accepted_reason
FROM snapshot
WHERE shop_id = :shop_id AND snapshot_id = :snapshot_id;

-- name: list_rejected_rows
-- Rows of a snapshot that could not be read, in the order of the feed.
SELECT
    line_number,
    reason,
    excerpt
FROM rejected_row
WHERE shop_id = :shop_id AND snapshot_id = :snapshot_id
ORDER BY line_number
LIMIT :row_limit;

-- name: list_held
-- Variants that a guard kept from being a restock in the snapshot, and still does (SEMANTICS 2.4, 2.5).
SELECT
    stock.variant_id,
    stock.units,
    stock.guard_reason
FROM snapshot
JOIN variant_stock AS stock
    ON stock.shop_id = snapshot.shop_id AND stock.observed_at = snapshot.observed_at
WHERE
    snapshot.shop_id = :shop_id
    AND snapshot.snapshot_id = :snapshot_id
    AND stock.guard_reason IS NOT NULL
ORDER BY stock.variant_id
LIMIT :row_limit;

-- name: find_pulls
-- When the shop's newest full pull and its newest pull of any kind were, of those before a moment that came through.
SELECT
    max(observed_at) FILTER (WHERE kind = 'full') AS full_at,
    max(observed_at) AS pulled_at
FROM snapshot
WHERE shop_id = :shop_id AND detected_at IS NOT NULL AND NOT is_delivery AND observed_at < :now;
