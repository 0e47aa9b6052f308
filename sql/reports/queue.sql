-- Grain: one row per waiting request, as of the build. Source: subscription, variant, variant_stock.
-- Units: place counts from 1 (the oldest); units are pieces in stock. No addresses.

-- name: delete_days
-- The queue is rebuilt whole: it has no days.
DELETE FROM report_queue
WHERE CAST(:first_on AS date) <= CAST(:last_on AS date);

-- name: build_days
-- Everyone who waits now.
INSERT INTO report_queue (
    shop_id, subscription_id, variant_id, product_id, title, place, subscribed_at, wanted_quantity, channels, units,
    built_at
)
SELECT
    subscription.shop_id,
    subscription.subscription_id,
    subscription.variant_id,
    subscription.product_id,
    variant.title,
    row_number() OVER (
        PARTITION BY subscription.shop_id, subscription.variant_id,
        CASE WHEN subscription.variant_id IS NULL THEN subscription.product_id END
        ORDER BY subscription.subscribed_at, subscription.subscription_id
    ),
    subscription.subscribed_at,
    subscription.wanted_quantity,
    array_to_string(subscription.channels, ','),
    stock.units,
    :now
FROM subscription
LEFT JOIN variant
    ON variant.shop_id = subscription.shop_id AND variant.variant_id = subscription.variant_id
LEFT JOIN variant_stock AS stock
    ON stock.shop_id = subscription.shop_id AND stock.variant_id = subscription.variant_id
WHERE subscription.state = 'waiting' AND CAST(:first_on AS date) <= CAST(:last_on AS date)
ORDER BY subscription.shop_id, subscription.subscription_id;

-- name: select_days
-- The queue in the order in which it is exported.
SELECT
    shop_id,
    variant_id,
    product_id,
    title,
    place,
    subscription_id,
    subscribed_at,
    wanted_quantity,
    channels,
    units,
    built_at
FROM report_queue
WHERE CAST(:first_on AS date) <= CAST(:last_on AS date)
ORDER BY shop_id, variant_id, product_id, place;
