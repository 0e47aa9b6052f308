-- Report: queue
-- Title: Queue
-- Grain: one row per request that waits now, in the order of its queue; no addresses.
-- Source: subscription, variant, variant_stock
-- Columns:
--   shop_id          the shop
--   variant_id       variant in whose queue it stands; empty: for any variant of the product, and none is open
--   product_id       product, where any of its variants would do; else empty
--   title            what the catalog calls the variant now
--   place            place in the queue, 1 is the oldest
--   subscription_id  the request, as `restock why` takes it
--   subscribed_at    time: asked
--   wanted_quantity  pieces: wanted
--   channels         channels asked for, by comma
--   units            pieces: in stock and announceable

-- name: select_days
-- The queue in the order in which it is exported; it is of the present, whatever days are asked for.
SELECT
    queue.shop_id,
    queue.variant_id,
    queue.product_id,
    variant.title,
    queue.place,
    queue.subscription_id,
    queue.subscribed_at,
    queue.wanted_quantity,
    queue.channels,
    stock.units
FROM report_queue AS queue
LEFT JOIN variant ON variant.shop_id = queue.shop_id AND variant.variant_id = queue.variant_id
LEFT JOIN variant_stock AS stock ON stock.shop_id = queue.shop_id AND stock.variant_id = queue.variant_id
WHERE queue.shop_id = :shop_id
ORDER BY queue.variant_id, queue.subscribed_at, queue.subscription_id;
