-- Late observations, bundles, and why enough units are no restock (SEMANTICS 1.5, 2.4, 2.5, 2.9).

CREATE TABLE presence_change (
    shop_id text COLLATE "C" NOT NULL,
    variant_id text COLLATE "C" NOT NULL,
    location_id text COLLATE "C" NOT NULL,
    observed_at timestamptz NOT NULL,
    is_missing boolean NOT NULL,
    PRIMARY KEY (shop_id, variant_id, location_id, observed_at)
);
CREATE INDEX presence_change_by_time ON presence_change (shop_id, observed_at);
COMMENT ON TABLE presence_change IS
'History: a row where a full snapshot first lacked what the one before it had, or had it again (SEMANTICS 2.4). With
stock_change it tells what every snapshot said, so that a late one can take its place among them (2.9).';

CREATE TABLE variant_change (
    shop_id text COLLATE "C" NOT NULL,
    variant_id text COLLATE "C" NOT NULL,
    observed_at timestamptz NOT NULL,
    is_published boolean NOT NULL,
    is_tracked boolean NOT NULL,
    continue_selling boolean NOT NULL,
    PRIMARY KEY (shop_id, variant_id, observed_at)
);
CREATE INDEX variant_change_by_time ON variant_change (shop_id, observed_at);
COMMENT ON TABLE variant_change IS
'History: a row where it changed whether a variant may be announced; without one it is published, tracked and not sold
when out of stock (SEMANTICS 1.3, 1.4).';

INSERT INTO presence_change (shop_id, variant_id, location_id, observed_at, is_missing)
SELECT
    level.shop_id,
    level.variant_id,
    level.location_id,
    coalesce(first_missed.observed_at, level.observed_at),
    true
FROM stock_level AS level
LEFT JOIN LATERAL (
    SELECT snapshot.observed_at
    FROM snapshot
    WHERE
        snapshot.shop_id = level.shop_id
        AND snapshot.kind = 'full'
        AND snapshot.detected_at IS NOT NULL
        AND snapshot.observed_at <= level.observed_at
    ORDER BY snapshot.observed_at DESC
    LIMIT 1 OFFSET level.missed_count - 1
) AS first_missed ON true
WHERE level.missed_count > 0;

INSERT INTO variant_change (shop_id, variant_id, observed_at, is_published, is_tracked, continue_selling)
SELECT
    shop_id,
    variant_id,
    first_seen_at,
    is_published,
    is_tracked,
    continue_selling
FROM variant
WHERE NOT is_published OR NOT is_tracked OR continue_selling;

CREATE FUNCTION level_at(of_shop text, at_time timestamptz)
RETURNS TABLE (variant_id text, location_id text, quantity numeric, is_missing boolean)
LANGUAGE sql STABLE AS $$
    WITH later AS MATERIALIZED (
        SELECT change.variant_id, change.location_id
        FROM stock_change AS change
        WHERE change.shop_id = of_shop AND change.observed_at > at_time
        UNION
        SELECT presence.variant_id, presence.location_id
        FROM presence_change AS presence
        WHERE presence.shop_id = of_shop AND presence.observed_at > at_time
    )
    SELECT level.variant_id, level.location_id, level.quantity, level.missed_count > 0
    FROM stock_level AS level
    LEFT JOIN later USING (variant_id, location_id)
    WHERE level.shop_id = of_shop AND later.variant_id IS NULL
    UNION ALL
    SELECT later.variant_id, later.location_id, known.quantity, coalesce(presence.is_missing, false)
    FROM later
    CROSS JOIN LATERAL (
        SELECT change.quantity
        FROM stock_change AS change
        WHERE
            change.shop_id = of_shop
            AND change.variant_id = later.variant_id
            AND change.location_id = later.location_id
            AND change.observed_at <= at_time
        ORDER BY change.observed_at DESC
        LIMIT 1
    ) AS known
    LEFT JOIN LATERAL (
        SELECT earlier.is_missing
        FROM presence_change AS earlier
        WHERE
            earlier.shop_id = of_shop
            AND earlier.variant_id = later.variant_id
            AND earlier.location_id = later.location_id
            AND earlier.observed_at <= at_time
        ORDER BY earlier.observed_at DESC
        LIMIT 1
    ) AS presence ON true
$$;
COMMENT ON FUNCTION level_at IS 'What was known of a shop''s stock at a moment; its cost follows what changed since.';

CREATE FUNCTION announceable_units(
    available numeric, is_published boolean, is_tracked boolean, continue_selling boolean, oversell text
) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN is_published AND is_tracked AND NOT (continue_selling AND oversell = 'always_in_stock')
            THEN CAST(least(floor(greatest(available, 0)), 1e15) AS bigint)
        ELSE 0
    END
$$;
COMMENT ON FUNCTION announceable_units IS 'q (SEMANTICS 1.2-1.4); specification: include/domain/stock.py.';

CREATE TABLE bundle_component (
    shop_id text COLLATE "C" NOT NULL REFERENCES shop,
    bundle_variant_id text COLLATE "C" NOT NULL,
    component_variant_id text COLLATE "C" NOT NULL,
    units_per_bundle integer NOT NULL CHECK (units_per_bundle >= 1),
    PRIMARY KEY (shop_id, bundle_variant_id, component_variant_id),
    CONSTRAINT a_bundle_does_not_hold_itself CHECK (bundle_variant_id <> component_variant_id)
);
CREATE INDEX bundle_component_by_component ON bundle_component (shop_id, component_variant_id);
COMMENT ON TABLE bundle_component IS
'What a bundle is made of, from shops.yaml. A bundle''s own stock_level is kept and ignored (SEMANTICS 1.5).';

ALTER TABLE shop ADD COLUMN needs_recount boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN shop.needs_recount IS
'Its locations or bundles changed: the next detect judges every variant whose available units differ.';

ALTER TABLE variant_stock ADD COLUMN guard_reason text;
COMMENT ON COLUMN variant_stock.guard_reason IS
'Which guard keeps enough units from being a restock, with the figures (SEMANTICS 2.4, 2.5); NULL: none.';
CREATE INDEX variant_stock_guarded ON variant_stock (shop_id, observed_at) WHERE guard_reason IS NOT NULL;

ALTER TABLE stock_difference ADD COLUMN previous_missed_count smallint NOT NULL DEFAULT 0;

ALTER TABLE snapshot
    ADD COLUMN dated_at timestamptz,
    ADD COLUMN held_count integer;
COMMENT ON COLUMN snapshot.dated_at IS 'What the feed says of its own age; an older one than before is refused (SEMANTICS 2.3).';
COMMENT ON COLUMN snapshot.held_count IS 'Variants with enough units that a guard kept from being a restock.';

ALTER TABLE restock_event
    DROP CONSTRAINT one_event_per_opening,
    ADD CONSTRAINT one_event_per_opening UNIQUE (shop_id, variant_id, cycle) DEFERRABLE INITIALLY IMMEDIATE;
COMMENT ON CONSTRAINT one_event_per_opening ON restock_event IS
'Judged at the end of a statement: a late observation may put an event before others (SEMANTICS 2.9).';

CREATE TABLE backfill_summary (
    shop_id text COLLATE "C" NOT NULL,
    snapshot_id bigint NOT NULL,
    variant_count integer NOT NULL,
    changes_added integer NOT NULL,
    changes_moved integer NOT NULL,
    changes_removed integer NOT NULL,
    events_added integer NOT NULL,
    events_moved integer NOT NULL,
    events_removed integer NOT NULL,
    PRIMARY KEY (shop_id, snapshot_id),
    FOREIGN KEY (shop_id, snapshot_id) REFERENCES snapshot ON DELETE CASCADE
);
COMMENT ON TABLE backfill_summary IS 'What a late snapshot changed in the history (SEMANTICS 2.9).';
COMMENT ON COLUMN backfill_summary.changes_moved IS 'Changes of a variant that stand at another time, or with other quantities.';

CREATE FUNCTION locations_of(changed jsonb, rule_name text) RETURNS text[]
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN jsonb_typeof(changed -> rule_name) = 'array'
            THEN ARRAY(SELECT jsonb_array_elements_text(changed -> rule_name))
    END
$$;
COMMENT ON FUNCTION locations_of IS 'Locations that an override names; NULL: it names none (SEMANTICS 1.1).';

CREATE FUNCTION minimum_of(of_rule_set bigint, of_shop text, of_variant text, otherwise bigint) RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT coalesce(
        (
            SELECT CAST(effective.changed ->> 'min_inventory' AS bigint)
            FROM variant
            CROSS JOIN LATERAL effective_rules(
                of_rule_set, of_shop, of_variant, variant.product_id, variant.collections
            ) AS effective
            WHERE variant.shop_id = of_shop AND variant.variant_id = of_variant
        ),
        otherwise
    )
$$;
COMMENT ON FUNCTION minimum_of IS 'The minimum inventory of one variant; call it only where the set has overrides.';
