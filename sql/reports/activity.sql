-- Report: activity
-- Title: Back-in-stock activity
-- Grain: one row per shop, day of the shop and variant on which anything happened.
-- Source: subscription, message, batch, restock_event, order_line
-- Columns:
--   shop_id          the shop
--   report_on        day in the shop's time zone
--   variant_id       variant; '' stands for requests for any variant of a product
--   title            what the catalog calls the variant now
--   request_count    people: asked to be told
--   ended_count      people: stopped waiting (told, skipped, cancelled, expired), counted where they asked
--   waiting_count    people: still wait at the end of the day; unconfirmed and released ones too, unlike in the report queue
--   restock_count    times: came back in stock
--   restocked_units  pieces: came back with these restocks
--   batch_count      batches: decided and released
--   released_count   people: released by these batches
--   notified_count   people: told by their first message
--   skipped_count    people: their request ended untold; by reason in the report skips
--   order_count      orders: contain the variant and credit an alert (SEMANTICS 9.4)
--   ordered_units    pieces: bought in these orders, returns subtracted
--   revenue          shop currency: paid for these pieces; other currencies are in the report attribution
--   currency         the shop's currency

-- name: lock_table
-- One build at a time.
LOCK TABLE report_activity IN SHARE ROW EXCLUSIVE MODE;

-- name: delete_days
-- Make room for the days that are built again.
DELETE FROM report_activity
WHERE shop_id = :shop_id AND report_on BETWEEN :first_on AND :last_on;

-- name: build_days
-- The days as the raw tables tell them now; who still waits is counted on from each variant's day before.
WITH asked AS (
    SELECT
        CASE WHEN product_id IS NULL THEN variant_id ELSE '' END AS variant_id,
        subscribed_at AS happened_at
    FROM subscription
    WHERE shop_id = :shop_id AND subscribed_at >= :start_at AND subscribed_at < :end_at
),

told AS (
    SELECT DISTINCT
        subscription.subscription_id,
        subscription.variant_id,
        subscription.product_id,
        message.ended_at AS happened_at
    FROM message
    JOIN subscription
        ON
            subscription.shop_id = message.shop_id
            AND subscription.subscription_id = message.subscription_id
            AND subscription.notified_at = message.ended_at
    WHERE
        message.shop_id = :shop_id
        AND message.ended_at >= :start_at
        AND message.ended_at < :end_at
        AND message.state = 'sent'
        AND message.purpose = 'back_in_stock'
),

untold AS (
    SELECT
        variant_id,
        product_id,
        state,
        ended_at AS happened_at
    FROM subscription
    WHERE
        shop_id = :shop_id
        AND state IN ('skipped', 'cancelled', 'expired')
        AND ended_at >= :start_at
        AND ended_at < :end_at
),

occurrence AS (
    SELECT
        variant_id,
        happened_at,
        'request' AS kind,
        1 AS people,
        0 AS units
    FROM asked
    UNION ALL
    SELECT
        coalesce(variant_id, ''),
        happened_at,
        'notified',
        1,
        0
    FROM told
    UNION ALL
    SELECT
        CASE WHEN product_id IS NULL THEN variant_id ELSE '' END,
        happened_at,
        'ended',
        1,
        0
    FROM told
    UNION ALL
    SELECT
        coalesce(variant_id, ''),
        happened_at,
        'skipped',
        1,
        0
    FROM untold
    WHERE state = 'skipped'
    UNION ALL
    SELECT
        CASE WHEN product_id IS NULL THEN variant_id ELSE '' END,
        happened_at,
        'ended',
        1,
        0
    FROM untold
    UNION ALL
    SELECT
        variant_id,
        decided_at,
        'released',
        released_count,
        0
    FROM batch
    WHERE shop_id = :shop_id AND state = 'released' AND decided_at >= :start_at AND decided_at < :end_at
    UNION ALL
    SELECT
        variant_id,
        opened_at,
        'restock',
        0,
        units_after - coalesce(units_before, 0)
    FROM restock_event
    WHERE shop_id = :shop_id AND opened_at >= :start_at AND opened_at < :end_at
),

counted AS (
    SELECT
        variant_id,
        CAST(happened_at AT TIME ZONE :time_zone AS date) AS report_on,
        coalesce(sum(people) FILTER (WHERE kind = 'request'), 0) AS request_count,
        coalesce(sum(people) FILTER (WHERE kind = 'ended'), 0) AS ended_count,
        count(*) FILTER (WHERE kind = 'restock') AS restock_count,
        coalesce(sum(units), 0) AS restocked_units,
        count(*) FILTER (WHERE kind = 'released') AS batch_count,
        coalesce(sum(people) FILTER (WHERE kind = 'released'), 0) AS released_count,
        coalesce(sum(people) FILTER (WHERE kind = 'notified'), 0) AS notified_count,
        coalesce(sum(people) FILTER (WHERE kind = 'skipped'), 0) AS skipped_count
    FROM occurrence
    GROUP BY 1, 2
),

bought AS (
    SELECT
        line.variant_id,
        CAST(line.ordered_at AT TIME ZONE :time_zone AS date) AS report_on,
        count(DISTINCT line.order_id) AS order_count,
        sum(line.quantity) AS ordered_units,
        coalesce(sum(line.amount) FILTER (WHERE line.currency = :currency), 0) AS revenue
    FROM credited_line(:shop_id, :start_at, :end_at, :attribution_days) AS line
    GROUP BY 1, 2
),

day AS (
    SELECT
        report_on,
        variant_id,
        coalesce(counted.request_count, 0) AS request_count,
        coalesce(counted.ended_count, 0) AS ended_count,
        coalesce(counted.restock_count, 0) AS restock_count,
        coalesce(counted.restocked_units, 0) AS restocked_units,
        coalesce(counted.batch_count, 0) AS batch_count,
        coalesce(counted.released_count, 0) AS released_count,
        coalesce(counted.notified_count, 0) AS notified_count,
        coalesce(counted.skipped_count, 0) AS skipped_count,
        coalesce(bought.order_count, 0) AS order_count,
        coalesce(bought.ordered_units, 0) AS ordered_units,
        coalesce(bought.revenue, 0) AS revenue
    FROM counted
    FULL JOIN bought USING (report_on, variant_id)
    WHERE report_on BETWEEN :first_on AND :last_on
),

-- The day before stands in front of each variant's days, with who waited then: a join would be guessed to be small.
step AS (
    SELECT
        report_on,
        variant_id,
        request_count - ended_count AS change,
        request_count,
        ended_count,
        restock_count,
        restocked_units,
        batch_count,
        released_count,
        notified_count,
        skipped_count,
        order_count,
        ordered_units,
        revenue
    FROM day
    UNION ALL
    SELECT
        CAST(:first_on AS date) - 1,
        touched.variant_id,
        coalesce((
            SELECT earlier.waiting_count
            FROM report_activity AS earlier
            WHERE
                earlier.shop_id = :shop_id
                AND earlier.variant_id = touched.variant_id
                AND earlier.report_on < :first_on
            ORDER BY earlier.report_on DESC
            LIMIT 1
        ), 0),
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0
    FROM (SELECT DISTINCT day.variant_id FROM day) AS touched
),

counted_on AS (
    SELECT
        step.*,
        sum(change) OVER (PARTITION BY variant_id ORDER BY report_on) AS waiting_count
    FROM step
)

INSERT INTO report_activity (
    shop_id, report_on, variant_id, request_count, ended_count, waiting_count, restock_count, restocked_units,
    batch_count, released_count, notified_count, skipped_count, order_count, ordered_units, revenue
)
SELECT
    :shop_id,
    report_on,
    variant_id,
    request_count,
    ended_count,
    waiting_count,
    restock_count,
    restocked_units,
    batch_count,
    released_count,
    notified_count,
    skipped_count,
    order_count,
    ordered_units,
    revenue
FROM counted_on
WHERE report_on >= :first_on
ORDER BY report_on, variant_id;

-- name: carry_on
-- Who still waits on later days, where the days before them changed.
WITH running AS (
    SELECT
        later.report_on,
        later.variant_id,
        before.waiting_count + sum(later.request_count - later.ended_count) OVER (
            PARTITION BY later.variant_id ORDER BY later.report_on
        ) AS waiting_count
    FROM (
        SELECT DISTINCT ON (built.variant_id)
            built.variant_id,
            built.waiting_count
        FROM report_activity AS built
        WHERE built.shop_id = :shop_id AND built.report_on BETWEEN :first_on AND :last_on
        ORDER BY built.variant_id, built.report_on DESC
    ) AS before
    JOIN report_activity AS later
        ON
            later.shop_id = :shop_id
            AND later.variant_id = before.variant_id
            AND later.report_on > :last_on
)

UPDATE report_activity
SET waiting_count = running.waiting_count
FROM running
WHERE
    report_activity.shop_id = :shop_id
    AND report_activity.report_on = running.report_on
    AND report_activity.variant_id = running.variant_id
    AND report_activity.waiting_count <> running.waiting_count;

-- name: check_days
-- Each figure of the days against a count of its own over the raw tables.
WITH built AS (
    SELECT
        sum(request_count) AS requests,
        sum(released_count) AS released,
        sum(restock_count) AS restocks,
        sum(skipped_count) AS skipped
    FROM report_activity
    WHERE shop_id = :shop_id AND report_on BETWEEN :first_on AND :last_on
)

SELECT
    'requests' AS figure,
    coalesce(built.requests, 0) AS observed,
    (
        SELECT count(*)
        FROM subscription
        WHERE
            shop_id = :shop_id
            AND subscribed_at >= :start_at
            AND subscribed_at < :end_at
            AND CAST(subscribed_at AT TIME ZONE :time_zone AS date) BETWEEN :first_on AND :last_on
    ) AS expected
FROM built
UNION ALL
SELECT
    'released people',
    coalesce(built.released, 0),
    (
        SELECT coalesce(sum(released_count), 0)
        FROM batch
        WHERE
            shop_id = :shop_id
            AND state = 'released'
            AND decided_at >= :start_at
            AND decided_at < :end_at
            AND CAST(decided_at AT TIME ZONE :time_zone AS date) BETWEEN :first_on AND :last_on
    )
FROM built
UNION ALL
SELECT
    'restocks',
    coalesce(built.restocks, 0),
    (
        SELECT count(*)
        FROM restock_event
        WHERE
            shop_id = :shop_id
            AND opened_at >= :start_at
            AND opened_at < :end_at
            AND CAST(opened_at AT TIME ZONE :time_zone AS date) BETWEEN :first_on AND :last_on
    )
FROM built
UNION ALL
SELECT
    'skipped people',
    coalesce(built.skipped, 0),
    (
        SELECT count(*)
        FROM subscription
        WHERE
            shop_id = :shop_id
            AND state = 'skipped'
            AND ended_at >= :start_at
            AND ended_at < :end_at
            AND CAST(ended_at AT TIME ZONE :time_zone AS date) BETWEEN :first_on AND :last_on
    )
FROM built
ORDER BY 1;

-- name: select_days
-- The days in the order in which they are exported.
SELECT
    activity.shop_id,
    activity.report_on,
    activity.variant_id,
    variant.title,
    activity.request_count,
    activity.ended_count,
    activity.waiting_count,
    activity.restock_count,
    activity.restocked_units,
    activity.batch_count,
    activity.released_count,
    activity.notified_count,
    activity.skipped_count,
    activity.order_count,
    activity.ordered_units,
    activity.revenue,
    shop.currency
FROM report_activity AS activity
JOIN shop ON shop.shop_id = activity.shop_id
LEFT JOIN variant ON variant.shop_id = activity.shop_id AND variant.variant_id = activity.variant_id
WHERE activity.shop_id = :shop_id AND activity.report_on BETWEEN :first_on AND :last_on
ORDER BY activity.report_on, activity.variant_id;
