-- name: introduce_shop
-- Many rows of a shop were written.
SELECT analyze_if_unknown(:table_name, 'shop_id = ' || quote_literal(:shop_id), :row_count);

-- name: introduce_batches
-- A release made batches, many of them for some shops.
SELECT analyze_if_unknown('batch', 'shop_id = ' || quote_literal(shop_id), count(*))
FROM release_decision
WHERE batch_id IS NOT NULL
GROUP BY shop_id
HAVING count(*) >= :few_rows;

-- name: introduce_released
-- Many requests were released.
SELECT analyze_if_unknown('subscription', 'state = ''released''', :row_count);

-- name: introduce_queued
-- Many messages were queued.
SELECT analyze_if_unknown('message', 'state = ''queued''', :row_count);

-- name: analyze_release
-- The work tables of a large release; no other one is under way.
ANALYZE release_decision, release_choice;
