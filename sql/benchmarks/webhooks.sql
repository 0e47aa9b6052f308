-- name: shop
-- The shop.
INSERT INTO shop (shop_id, name, currency, time_zone, locale, max_stock_age, registered_at)
VALUES ('bench', 'Bench', 'EUR', 'UTC', 'en', '1 hour', now());

-- name: variants
-- What it sells.
INSERT INTO variant (shop_id, variant_id, inventory_item_id, first_seen_at, changed_at)
SELECT 'bench', 'v' || n, CAST(n AS text), now(), now()
FROM generate_series(1, :items) AS n;

-- name: levels
-- None of it is in stock.
INSERT INTO stock_level (shop_id, variant_id, location_id, quantity, observed_at)
SELECT 'bench', 'v' || n, '7', 0, now() - interval '1 day'
FROM generate_series(1, :items) AS n;

-- name: stock
-- Nor can any be sold.
INSERT INTO variant_stock (shop_id, variant_id, available, units, is_open, observed_at)
SELECT 'bench', 'v' || n, 0, 0, false, now() - interval '1 day'
FROM generate_series(1, :items) AS n;

-- name: sell_out
-- Back to where a round begins.
UPDATE stock_level SET quantity = 0, observed_at = now() - interval '1 day';

-- name: count_deliveries
-- What was kept, and what of it was applied.
SELECT count(*), count(applied_at) FROM webhook_delivery;

-- name: read_levels
-- What is in stock.
SELECT variant_id, quantity FROM stock_level;
