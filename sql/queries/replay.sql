-- name: list_requests
-- Every request, for a count outside of the reports.
SELECT
    variant_id,
    subscribed_at,
    state,
    reason,
    notified_at,
    ended_at
FROM subscription
WHERE shop_id = :shop_id
ORDER BY subscription_id;

-- name: list_messages
-- Every message, for a count outside of the reports.
SELECT
    message_id,
    profile_id,
    variant_id,
    channel,
    purpose,
    state,
    reason,
    ended_at
FROM message
WHERE shop_id = :shop_id
ORDER BY message_id;

-- name: list_batches
-- Every released batch, for a count outside of the reports.
SELECT
    variant_id,
    decided_at,
    released_count
FROM batch
WHERE shop_id = :shop_id AND state = 'released'
ORDER BY batch_id;

-- name: list_restocks
-- Every restock, for a count outside of the reports.
SELECT
    variant_id,
    opened_at,
    coalesce(units_before, 0) AS units_before,
    units_after
FROM restock_event
WHERE shop_id = :shop_id
ORDER BY restock_event_id;

-- name: list_order_lines
-- Every order line, for a count outside of the reports.
SELECT
    order_id,
    profile_id,
    variant_id,
    ordered_at,
    quantity - returned_quantity AS quantity,
    amount - returned_amount AS amount
FROM order_line
WHERE shop_id = :shop_id
ORDER BY order_id, line_number;
