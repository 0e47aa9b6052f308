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

recalled AS (
    SELECT
        opening.variant_id,
        below.units
    FROM opening
    LEFT JOIN LATERAL (
        SELECT CAST(floor(greatest(running.total, 0)) AS bigint) AS units
        FROM (
            SELECT
                change.observed_at,
                sum(change.quantity - coalesce(change.previous_quantity, 0)) OVER (ORDER BY change.observed_at)
                    AS total
            FROM stock_change AS change
            WHERE
                change.shop_id = :shop_id
                AND change.variant_id = opening.variant_id
                AND is_counted(change.location_id, opening.included_locations, opening.excluded_locations)
        ) AS running
        WHERE running.total < opening.minimum
        ORDER BY running.observed_at DESC
        LIMIT 1
    ) AS below ON true
)

UPDATE variant_stock AS stock
SET last_below = recalled.units
FROM recalled
WHERE stock.shop_id = :shop_id AND stock.variant_id = recalled.variant_id;

-- name: insert_overrides
-- The overrides of a rule set, in the order of its Variable.
INSERT INTO rule_override (rule_set_id, entry_number, scope, target, shop_id, priority, rules)
VALUES (:rule_set_id, :entry_number, :scope, :target, :shop_id, :priority, CAST(:rules AS jsonb));
