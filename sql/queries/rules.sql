-- name: lock_rules
-- Two writers of rule sets wait for each other.
SELECT pg_advisory_xact_lock(hashtextextended('restock.rules', 0));

-- name: find_newest
-- The rule set in force.
SELECT
    rule_set_id,
    rules
FROM rule_set
ORDER BY rule_set_id DESC
LIMIT 1;

-- name: find_rule_set
-- One rule set as it was stored.
SELECT
    rule_set_id,
    rules
FROM rule_set
WHERE rule_set_id = :rule_set_id;

-- name: insert_rule_set
-- A validated rule set, from now on the one in force.
INSERT INTO rule_set (min_inventory, customers_per_unit, wait_minutes, rules, created_at)
VALUES (:min_inventory, :customers_per_unit, :wait_minutes, CAST(:rules AS jsonb), :now)
RETURNING rule_set_id;

-- name: list_shops
-- Shops that have stock to judge again under other rules.
SELECT shop_id
FROM shop
ORDER BY shop_id;

-- name: recall_last_below
-- The last units below another minimum, out of the history, for touched variants that it may open; NULL: never below.
WITH ruled AS (
    SELECT
        touched.variant_id,
        coalesce(CAST(own.changed ->> 'min_inventory' AS bigint), :min_inventory) AS minimum,
        included_locations(own.changed, shop.included_locations, CAST(:included_locations AS text[]))
            AS included_locations,
        excluded_locations(own.changed, shop.excluded_locations, CAST(:excluded_locations AS text[]))
            AS excluded_locations
    FROM (SELECT DISTINCT variant_id FROM touched_variant WHERE snapshot_id = :snapshot_id) AS touched
    JOIN shop ON shop.shop_id = :shop_id
    JOIN variant ON variant.shop_id = :shop_id AND variant.variant_id = touched.variant_id
    LEFT JOIN LATERAL (
        SELECT effective.changed
        FROM effective_rules(
            :rule_set_id, :shop_id, variant.variant_id, variant.product_id, variant.collections
        ) AS effective
        WHERE CAST(:has_overrides AS boolean)
    ) AS own ON true
),

opening AS (
    SELECT ruled.*
    FROM ruled
    JOIN variant_stock AS stock ON stock.shop_id = :shop_id AND stock.variant_id = ruled.variant_id
    WHERE NOT stock.is_open AND stock.units >= ruled.minimum
),

running AS (
    SELECT
        change.variant_id,
        change.observed_at,
        opening.minimum,
        sum(change.quantity - coalesce(change.previous_quantity, 0)) OVER (
            PARTITION BY change.variant_id ORDER BY change.observed_at
        ) AS total
    FROM opening
    JOIN stock_change AS change
        ON change.shop_id = :shop_id AND change.variant_id = opening.variant_id
    WHERE is_counted(change.location_id, opening.included_locations, opening.excluded_locations)
),

recalled AS (
    SELECT DISTINCT ON (running.variant_id)
        running.variant_id,
        CAST(floor(greatest(running.total, 0)) AS bigint) AS units
    FROM running
    WHERE running.total < running.minimum
    ORDER BY running.variant_id, running.observed_at DESC
)

UPDATE variant_stock AS stock
SET last_below = recalled.units
FROM opening
LEFT JOIN recalled ON recalled.variant_id = opening.variant_id
WHERE stock.shop_id = :shop_id AND stock.variant_id = opening.variant_id;

-- name: insert_overrides
-- The overrides of a rule set, in the order of its Variable.
INSERT INTO rule_override (rule_set_id, entry_number, scope, target, shop_id, priority, rules)
VALUES (:rule_set_id, :entry_number, :scope, :target, :shop_id, :priority, CAST(:rules AS jsonb));
