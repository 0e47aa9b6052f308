-- name: shop
-- The shop.
INSERT INTO shop (shop_id, name, currency, time_zone, locale, url, max_stock_age, registered_at)
VALUES ('bench', 'Bench', 'EUR', 'Europe/Berlin', 'en', 'https://shop.example', INTERVAL '1 hour', :now);

-- name: snapshot
-- Its one pull.
INSERT INTO snapshot
    (shop_id, window_key, kind, state, source, observed_at, loaded_at, detected_at)
VALUES ('bench', 'bench-0', 'full', 'complete', 'bench', :now, :now, :now);

-- name: variants
-- What it sells.
INSERT INTO variant
    (shop_id, variant_id, product_id, title, url, image_url, price, first_seen_at, changed_at)
SELECT
    'bench', 'v' || n, 'p' || n / 4, 'Linen shirt ' || n || ' / M',
    'https://shop.example/products/linen-shirt-' || n || '?variant=' || n,
    'https://cdn.shop.example/files/linen-shirt-' || n || '.jpg?v=1700000000', 49.90, :now, :now
FROM generate_series(1, :variants) AS n;

-- name: stock
-- All of it is in stock.
INSERT INTO variant_stock
    (shop_id, variant_id, available, units, is_open, last_below, cycle, observed_at, opened_at, restocked_at)
SELECT 'bench', 'v' || n, :units, :units, true, 0, 1, :now, :now, :now
FROM generate_series(1, :variants) AS n;

-- name: people
-- Who may wait.
INSERT INTO profile (shop_id, email, email_key, first_name, created_at)
SELECT 'bench', address, address, 'Robin', CAST(:now AS timestamptz) - INTERVAL '90 days'
FROM (SELECT 'person' || n || '@example.org' AS address FROM generate_series(1, :people) AS n) AS person;

-- name: requests
-- One request after the other, each for another variant, as they come in: a variant's lie far from each other.
INSERT INTO subscription
    (shop_id, variant_id, profile_id, channels, source, subscribed_at, created_at, state)
SELECT
    'bench', 'v' || 1 + n % :variants, 1 + (n + n / :variants) % :people, '{EMAIL}', 'bench', moment, moment, 'waiting'
FROM (
    SELECT n, CAST(:now AS timestamptz) - INTERVAL '80 days' + n * INTERVAL '0.5 seconds' AS moment
    FROM generate_series(0, :requests - 1) AS n
) AS asked;

-- name: make_nobody_due
-- Release looks at nothing until a benchmark says so.
UPDATE variant_stock SET next_check_at = NULL;
