-- Grain: one row per shop, day (in the shop's time zone) and variant on which anything happened; variant '' is any
-- variant of a product while none of them is open.
-- Source: subscription, restock_event, message. Units: counts; restocked_units are pieces.

-- name: delete_days
-- Make room for the days that are built again.
DELETE FROM report_activity
WHERE report_on BETWEEN :first_on AND :last_on;

-- name: build_days
-- The days as the raw tables tell them now.
WITH occurrence AS (
    SELECT
        subscription.shop_id,
        coalesce(subscription.variant_id, '') AS variant_id,
        subscription.subscribed_at AS happened_at,
        'request' AS kind,
        0 AS units
    FROM subscription
    UNION ALL
    SELECT
        shop_id,
        variant_id,
        opened_at,
        'restock',
        units_after - coalesce(units_before, 0)
    FROM restock_event
    UNION ALL
    SELECT
        shop_id,
        variant_id,
        released_at,
        'released',
        0
    FROM subscription
    WHERE released_at IS NOT NULL
    UNION ALL
    SELECT
        shop_id,
        variant_id,
        ended_at,
        'notified',
        0
    FROM message
    WHERE purpose = 'back_in_stock' AND state = 'sent'
    UNION ALL
    SELECT
        shop_id,
        coalesce(variant_id, ''),
        ended_at,
        'skipped',
        0
    FROM subscription
    WHERE state = 'skipped'
),

on_day AS (
    SELECT
        occurrence.*,
        CAST(occurrence.happened_at AT TIME ZONE shop.time_zone AS date) AS report_on
    FROM occurrence
    JOIN shop USING (shop_id)
    WHERE
        occurrence.happened_at >= CAST(:first_on AS date) - INTERVAL '1 day'
        AND occurrence.happened_at < CAST(:last_on AS date) + INTERVAL '2 days'
)

INSERT INTO report_activity (
    shop_id, report_on, variant_id, title, request_count, restock_count, restocked_units,
    released_count, notified_count, skipped_count
)
SELECT
    on_day.shop_id,
    on_day.report_on,
    on_day.variant_id,
    max(variant.title),
    count(*) FILTER (WHERE on_day.kind = 'request'),
    count(*) FILTER (WHERE on_day.kind = 'restock'),
    coalesce(sum(on_day.units) FILTER (WHERE on_day.kind = 'restock'), 0),
    count(*) FILTER (WHERE on_day.kind = 'released'),
    count(*) FILTER (WHERE on_day.kind = 'notified'),
    count(*) FILTER (WHERE on_day.kind = 'skipped')
FROM on_day
LEFT JOIN variant ON variant.shop_id = on_day.shop_id AND variant.variant_id = on_day.variant_id
WHERE on_day.report_on BETWEEN :first_on AND :last_on
GROUP BY on_day.shop_id, on_day.report_on, on_day.variant_id
ORDER BY on_day.shop_id, on_day.report_on, on_day.variant_id;

-- name: select_days
-- The days in the order in which they are exported.
SELECT
    shop_id,
    report_on,
    variant_id,
    title,
    request_count,
    restock_count,
    restocked_units,
    released_count,
    notified_count,
    skipped_count
FROM report_activity
WHERE report_on BETWEEN :first_on AND :last_on
ORDER BY shop_id, report_on, variant_id;
