-- name: read_stock_history
-- How a shop's stock rose and fell, per variant that somebody asked for, all locations together.
SELECT
    change.variant_id,
    change.observed_at,
    sum(change.quantity - coalesce(change.previous_quantity, 0)) AS difference
FROM stock_change AS change
WHERE
    change.shop_id = :shop_id
    AND EXISTS (
        SELECT
        FROM subscription
        WHERE subscription.shop_id = change.shop_id AND subscription.variant_id = change.variant_id
    )
GROUP BY change.variant_id, change.observed_at
ORDER BY change.variant_id, change.observed_at;

-- name: read_request_history
-- Who ever asked a shop for what, without saying who they are.
SELECT
    variant_id,
    subscribed_at,
    profile_id,
    wanted_quantity
FROM subscription
WHERE shop_id = :shop_id
ORDER BY variant_id, subscribed_at, subscription_id;
