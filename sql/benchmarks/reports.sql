-- name: people
-- Who wait and buy.
INSERT INTO profile (shop_id, email, email_key, created_at)
SELECT 'bench', address, address, CAST(:now AS timestamptz) - INTERVAL '400 days'
FROM (SELECT 'person' || n || '@example.org' AS address FROM generate_series(1, 500000) AS n) AS person;

-- name: asked
-- Requests; the first message of every second one told somebody.
INSERT INTO subscription
    (shop_id, variant_id, profile_id, channels, source, subscribed_at, created_at, state, batch_id, released_at,
    notified_at, ended_at)
SELECT 'bench', 'v' || 1 + n % 2000, 1 + (n + n / 2000) % 500000, '{EMAIL}', 'bench', asked_at, asked_at,
    CASE WHEN n % 2 = 0 AND n % 20 <> 0 THEN 'notified' ELSE 'waiting' END,
    CASE WHEN n % 2 = 0 AND n % 20 <> 0 THEN 1 END,
    CASE WHEN n % 2 = 0 AND n % 20 <> 0 THEN told_at END,
    CASE WHEN n % 2 = 0 AND n % 20 <> 0 THEN told_at END,
    CASE WHEN n % 2 = 0 AND n % 20 <> 0 THEN told_at END
FROM (
    SELECT
        n,
        CAST(:since AS timestamptz) + CAST(:span AS interval) * (CAST(n AS float8) / :requests) AS asked_at,
        CAST(:since AS timestamptz) + CAST(:span AS interval) * (CAST(n AS float8) / :count) AS told_at
    FROM generate_series(0, :requests - 1) AS n
) AS asked;

-- name: batches
-- Batches of 250 messages.
INSERT INTO batch
    (shop_id, variant_id, run_id, state, decided_at, cycle, rule_set_id, available, units, observed_at, min_inventory,
    wait_minutes, waiting_count, in_flight_count, released_count, skipped_count)
SELECT 'bench', 'v' || 1 + n % 2000, 'bench ' || CAST(:since AS text) || ' ' || n, 'released', moment, 1,
    (SELECT max(rule_set_id) FROM rule_set), 9, 9, moment, 1, 60, 250, 0, 250, 0
FROM (
    SELECT n, CAST(:since AS timestamptz) + CAST(:span AS interval) * (CAST(n AS float8) * 250 / :count) AS moment
    FROM generate_series(0, :count / 250 - 1) AS n
) AS decided;

-- name: sent
-- Messages, some failed, some skipped.
INSERT INTO message
    (shop_id, message_key, channel, purpose, profile_id, subscription_id, batch_id, variant_id, template, state, reason,
    due_at, created_at, ended_at)
SELECT 'bench', 'bench:' || :first + n, 'EMAIL', 'back_in_stock', 1 + n % 500000, 1 + n % :requests, 1 + n / 250,
    'v' || 1 + n % 2000, 'back_in_stock',
    CASE WHEN n % 20 = 0 THEN 'failed' WHEN n % 10 = 1 THEN 'skipped' ELSE 'sent' END,
    CASE WHEN n % 20 = 0 THEN 'refused' WHEN n % 10 = 1 THEN 'out_of_stock_again' END, moment, moment, moment
FROM (
    SELECT n, CAST(:since AS timestamptz) + CAST(:span AS interval) * (CAST(n AS float8) / :count) AS moment
    FROM generate_series(0, :count - 1) AS n
) AS sent;

-- name: orders
-- An order for every twentieth message.
INSERT INTO order_line
    (shop_id, order_id, line_number, variant_id, profile_id, quantity, amount, currency, ordered_at, recorded_at)
SELECT 'bench', 'o' || :first + n, 1, 'v' || 1 + n % 2000, 1 + n % 500000, 1, 49.90, 'EUR',
    moment + INTERVAL '1 hour', moment + INTERVAL '1 hour'
FROM (
    SELECT n, CAST(:since AS timestamptz) + CAST(:span AS interval) * (CAST(n AS float8) / :count) AS moment
    FROM generate_series(2, :count - 1, 20) AS n
) AS bought;

-- name: indexes
-- The indexes of messages that no constraint needs.
SELECT indexname, indexdef FROM pg_indexes
WHERE tablename = 'message' AND indexname NOT IN (SELECT conname FROM pg_constraint);
