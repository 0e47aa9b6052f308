-- Report: demand
-- Title: Demand
-- Grain: one row per shop and variant that people wait for, as of the last build; the longest queues first.
-- Source: subscription, variant, variant_stock, order_line
-- Needs: activity
-- Columns:
--   shop_id          the shop
--   product_id       product, where people wait for any of its variants; else ''
--   variant_id       variant in whose queue they wait; '' for any variant of a product while none is open
--   title            what the catalog calls the variant now
--   waiting_count    people: wait
--   wanted_units     pieces: they want
--   oldest_at        time: the first of them asked
--   units            pieces: in stock and announceable
--   price            shop currency: of one piece; empty where the catalog names none
--   waiting_value    shop currency: wanted units at their price
--   buying_percent   percent: orders that credit an alert per person told, in the 90 days before today, 100 at most;
--                    of the whole shop; empty before an order credits an alert
--   lost_revenue     shop currency: waiting value that buying people would have paid; an estimate
--   reorder_units    pieces: suggested to order; what buying people want beyond the stock, everybody's where it is
--                    not known who buys
--   currency         the shop's currency

-- name: lock_table
-- One build at a time.
LOCK TABLE report_demand IN SHARE ROW EXCLUSIVE MODE;

-- name: build_present
-- Who waits for what now; rows that stay the same are not written. Specification: include/domain/demand.py.
WITH told AS (
    SELECT
        sum(notified_count) AS people,
        sum(order_count) AS orders
    FROM report_activity
    WHERE shop_id = :shop_id AND report_on >= CAST(:today AS date) - 90 AND report_on < :today
),

buying AS MATERIALIZED (
    SELECT CASE
        WHEN told.people > 0 AND told.orders > 0
            THEN least(100, round(100.0 * told.orders / told.people, 2))
    END AS percent
    FROM told
),

waiting AS (
    SELECT
        CASE WHEN variant_id IS NULL THEN product_id ELSE '' END AS product_id,
        coalesce(variant_id, '') AS variant_id,
        count(*) AS waiting_count,
        sum(wanted_quantity) AS wanted_units,
        min(subscribed_at) AS oldest_at
    FROM subscription
    WHERE shop_id = :shop_id AND state = 'waiting'
    GROUP BY 1, 2
),

demand AS (
    SELECT
        waiting.product_id,
        waiting.variant_id,
        waiting.waiting_count,
        waiting.wanted_units,
        waiting.oldest_at,
        coalesce(stock.units, 0) AS units,
        variant.price,
        waiting.wanted_units * variant.price AS waiting_value,
        buying.percent AS buying_percent,
        round(waiting.wanted_units * variant.price * buying.percent / 100, 2) AS lost_revenue,
        greatest(
            0, ceil(waiting.wanted_units * coalesce(buying.percent, 100) / 100) - coalesce(stock.units, 0)
        ) AS reorder_units
    FROM waiting
    CROSS JOIN buying
    LEFT JOIN variant ON variant.shop_id = :shop_id AND variant.variant_id = waiting.variant_id
    LEFT JOIN variant_stock AS stock
        ON stock.shop_id = :shop_id AND stock.variant_id = waiting.variant_id
),

gone AS (
    DELETE FROM report_demand
    WHERE
        shop_id = :shop_id
        AND NOT EXISTS (
            SELECT 1
            FROM waiting
            WHERE waiting.product_id = report_demand.product_id AND waiting.variant_id = report_demand.variant_id
        )
)

INSERT INTO report_demand AS known (
    shop_id, product_id, variant_id, waiting_count, wanted_units, oldest_at, units, price, waiting_value,
    buying_percent, lost_revenue, reorder_units
)
SELECT
    :shop_id,
    product_id,
    variant_id,
    waiting_count,
    wanted_units,
    oldest_at,
    units,
    price,
    waiting_value,
    buying_percent,
    lost_revenue,
    reorder_units
FROM demand
ORDER BY product_id, variant_id
ON CONFLICT (shop_id, product_id, variant_id) DO UPDATE
    SET
        waiting_count = excluded.waiting_count,
        wanted_units = excluded.wanted_units,
        oldest_at = excluded.oldest_at,
        units = excluded.units,
        price = excluded.price,
        waiting_value = excluded.waiting_value,
        buying_percent = excluded.buying_percent,
        lost_revenue = excluded.lost_revenue,
        reorder_units = excluded.reorder_units
    WHERE known.* IS DISTINCT FROM excluded.*;

-- name: check_present
-- Everybody who waits is counted once.
SELECT
    'waiting people' AS figure,
    (
        SELECT coalesce(sum(waiting_count), 0)
        FROM report_demand
        WHERE shop_id = :shop_id
    ) AS observed,
    (
        SELECT count(*)
        FROM subscription
        WHERE shop_id = :shop_id AND state = 'waiting'
    ) AS expected;

-- name: select_days
-- The demand, the longest queues first; it is of the present, whatever days are asked for.
SELECT
    demand.shop_id,
    demand.product_id,
    demand.variant_id,
    variant.title,
    demand.waiting_count,
    demand.wanted_units,
    demand.oldest_at,
    demand.units,
    demand.price,
    demand.waiting_value,
    demand.buying_percent,
    demand.lost_revenue,
    demand.reorder_units,
    shop.currency
FROM report_demand AS demand
JOIN shop ON shop.shop_id = demand.shop_id
LEFT JOIN variant ON variant.shop_id = demand.shop_id AND variant.variant_id = demand.variant_id
WHERE demand.shop_id = :shop_id
ORDER BY demand.waiting_count DESC, demand.product_id, demand.variant_id;
