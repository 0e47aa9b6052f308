-- Grain: one row per batch. Source: batch, subscription, message. Units: counts; units are pieces; wait in minutes.

-- name: delete_days
-- Make room for the days that are built again.
DELETE FROM report_batches
WHERE report_on BETWEEN :first_on AND :last_on;

-- name: build_days
-- The batches of the days, with what became of their people.
INSERT INTO report_batches (
    shop_id, batch_id, report_on, decided_at, variant_id, title, units, observed_at, min_inventory,
    customers_per_unit, wait_minutes, waiting_count, in_flight_count, allowed_count, released_count,
    notified_count, skipped_count, next_release_at
)
SELECT
    batch.shop_id,
    batch.batch_id,
    CAST(batch.decided_at AT TIME ZONE shop.time_zone AS date),
    batch.decided_at,
    batch.variant_id,
    variant.title,
    batch.units,
    batch.observed_at,
    batch.min_inventory,
    coalesce(CAST(batch.customers_per_unit AS text), 'all'),
    batch.wait_minutes,
    batch.waiting_count,
    batch.in_flight_count,
    batch.allowed_count,
    batch.released_count,
    count(message.message_id) FILTER (WHERE message.state = 'sent'),
    batch.skipped_count + count(message.message_id) FILTER (WHERE message.state IN ('skipped', 'failed')),
    batch.next_release_at
FROM batch
JOIN shop USING (shop_id)
LEFT JOIN variant ON variant.shop_id = batch.shop_id AND variant.variant_id = batch.variant_id
LEFT JOIN message ON message.shop_id = batch.shop_id AND message.batch_id = batch.batch_id
WHERE
    batch.state = 'released'
    AND CAST(batch.decided_at AT TIME ZONE shop.time_zone AS date) BETWEEN :first_on AND :last_on
GROUP BY batch.shop_id, batch.batch_id, shop.time_zone, variant.title
ORDER BY batch.shop_id, batch.batch_id;

-- name: select_days
-- The batches in the order in which they are exported.
SELECT
    shop_id,
    batch_id,
    report_on,
    decided_at,
    variant_id,
    title,
    units,
    observed_at,
    min_inventory,
    customers_per_unit,
    wait_minutes,
    waiting_count,
    in_flight_count,
    allowed_count,
    released_count,
    notified_count,
    skipped_count,
    next_release_at
FROM report_batches
WHERE report_on BETWEEN :first_on AND :last_on
ORDER BY shop_id, batch_id;
