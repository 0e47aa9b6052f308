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
-- The last units below another minimum, out of the history, for variants that are closed but would be open.
UPDATE variant_stock AS stock
SET last_below = coalesce(recalled.units, stock.last_below)
FROM (
    SELECT DISTINCT ON (running.variant_id)
        running.variant_id,
        CAST(floor(greatest(running.total, 0)) AS bigint) AS units
    FROM (
        SELECT
            change.variant_id,
            change.observed_at,
            sum(change.quantity - coalesce(change.previous_quantity, 0)) OVER (
                PARTITION BY change.variant_id ORDER BY change.observed_at
            ) AS total
        FROM stock_change AS change
        JOIN shop ON shop.shop_id = change.shop_id
        JOIN variant_stock AS closed
            ON closed.shop_id = change.shop_id AND closed.variant_id = change.variant_id
        WHERE
            change.shop_id = :shop_id
            AND is_counted(change.location_id, shop.included_locations, shop.excluded_locations)
            AND NOT closed.is_open
            AND closed.units >= :min_inventory
    ) AS running
    WHERE running.total < :min_inventory
    ORDER BY running.variant_id, running.observed_at DESC
) AS recalled
WHERE stock.shop_id = :shop_id AND stock.variant_id = recalled.variant_id;

-- name: insert_overrides
-- The overrides of a rule set, in the order of its Variable.
INSERT INTO rule_override (rule_set_id, entry_number, scope, target, shop_id, priority, rules)
VALUES (:rule_set_id, :entry_number, :scope, :target, :shop_id, :priority, CAST(:rules AS jsonb));
