-- name: demand
-- Who is waited for most, now: the first ones by name, all others as one row.
WITH waiting AS (
    SELECT
        subscription.variant_id,
        subscription.product_id,
        count(*) AS waiting_count
    FROM subscription
    WHERE subscription.shop_id = :shop_id AND subscription.state = 'waiting'
    GROUP BY
        subscription.variant_id,
        subscription.product_id
),

wanted AS (
    SELECT
        coalesce(variant_id, product_id) AS item_id,
        bool_and(variant_id IS NULL) AS is_any,
        sum(waiting_count) AS waiting_count
    FROM waiting
    GROUP BY coalesce(variant_id, product_id)
),

ranked AS (
    SELECT
        wanted.item_id,
        wanted.is_any,
        wanted.waiting_count,
        row_number() OVER (ORDER BY wanted.waiting_count DESC, wanted.item_id) AS place
    FROM wanted
)

SELECT
    least(ranked.place, :most + 1) AS place,
    CASE
        WHEN least(ranked.place, :most + 1) <= :most THEN max(
            coalesce(variant.title, ranked.item_id) || CASE WHEN ranked.is_any THEN ' (any variant)' ELSE '' END
        )
    END AS title,
    CAST(sum(ranked.waiting_count) AS bigint) AS waiting_count,
    count(*) AS variant_count
FROM ranked
LEFT JOIN variant ON variant.shop_id = :shop_id AND variant.variant_id = ranked.item_id
GROUP BY least(ranked.place, :most + 1)
ORDER BY 1;

-- name: outcomes
-- Messages that left, and who was not told by reason, per day of the shop.
SELECT
    report_on,
    outcome,
    CAST(sum(message_count) AS bigint) AS message_count
FROM (
    SELECT
        report_on,
        'sent' AS outcome,
        sent_count AS message_count
    FROM report_deliverability
    WHERE shop_id = :shop_id AND report_on BETWEEN :first_on AND :last_on AND sent_count > 0
    UNION ALL
    SELECT
        report_on,
        reason,
        skipped_count
    FROM report_skips
    WHERE shop_id = :shop_id AND report_on BETWEEN :first_on AND :last_on AND subject = 'request'
) AS told
GROUP BY
    report_on,
    outcome
ORDER BY
    report_on,
    outcome;

-- name: first_message
-- Restocks of some days by how soon somebody was told; those that told nobody are left out.
SELECT
    CASE
        WHEN minutes_to_first_message * 60 < 10 THEN 'under 10 s'
        WHEN minutes_to_first_message * 60 < 30 THEN '10-30 s'
        WHEN minutes_to_first_message < 1 THEN '30-60 s'
        WHEN minutes_to_first_message < 5 THEN '1-5 min'
        WHEN minutes_to_first_message < 15 THEN '5-15 min'
        WHEN minutes_to_first_message < 60 THEN '15-60 min'
        ELSE 'over 1 h'
    END AS bucket,
    count(*) AS restock_count
FROM report_restocks
WHERE
    shop_id = :shop_id
    AND report_on BETWEEN :first_on AND :last_on
    AND minutes_to_first_message IS NOT NULL
GROUP BY 1
ORDER BY 1;

-- name: queue_age
-- Who waits now, by how long.
SELECT
    CASE
        WHEN CAST(:now AS timestamptz) - subscribed_at < INTERVAL '1 day' THEN 'under 1 day'
        WHEN CAST(:now AS timestamptz) - subscribed_at < INTERVAL '7 days' THEN '1-7 days'
        WHEN CAST(:now AS timestamptz) - subscribed_at < INTERVAL '30 days' THEN '7-30 days'
        WHEN CAST(:now AS timestamptz) - subscribed_at < INTERVAL '90 days' THEN '30-90 days'
        WHEN CAST(:now AS timestamptz) - subscribed_at < INTERVAL '365 days' THEN '90-365 days'
        ELSE 'over 1 year'
    END AS bucket,
    count(*) AS waiting_count
FROM subscription
WHERE shop_id = :shop_id AND state = 'waiting'
GROUP BY 1
ORDER BY 1;

-- name: find_told_variant
-- The variant that told most people in some days.
SELECT batch.variant_id
FROM batch
WHERE
    batch.shop_id = :shop_id
    AND batch.state = 'released'
    AND batch.decided_at >= :start_at
    AND batch.decided_at < :end_at
GROUP BY batch.variant_id
ORDER BY
    sum(batch.released_count) DESC,
    batch.variant_id
LIMIT 1;

-- name: find_first_change
-- Since when the stock of a variant is known.
SELECT min(observed_at)
FROM stock_change
WHERE shop_id = :shop_id AND variant_id = :variant_id;

-- name: variant_title
-- What a variant is called.
SELECT coalesce(title, variant_id) AS title
FROM variant
WHERE shop_id = :shop_id AND variant_id = :variant_id;

-- name: stock
-- Stock, people waiting and batches of one variant on the shop's clock, at most :steps moments of each.
WITH step AS (
    SELECT
        number,
        CAST(:start_at AS timestamptz)
        + number * (CAST(:end_at AS timestamptz) - CAST(:start_at AS timestamptz)) / CAST(:steps AS integer) AS at
    FROM generate_series(0, CAST(:steps AS integer)) AS number
),

change AS (
    SELECT
        observed_at,
        sum(quantity - coalesce(previous_quantity, 0)) AS added
    FROM stock_change
    WHERE shop_id = :shop_id AND variant_id = :variant_id AND observed_at <= :end_at
    GROUP BY observed_at
),

level AS (
    SELECT
        observed_at,
        greatest(0, floor(sum(added) OVER (ORDER BY observed_at))) AS units
    FROM change
),

coming AS (
    SELECT
        subscribed_at AS at,
        1 AS people
    FROM subscription
    WHERE shop_id = :shop_id AND variant_id = :variant_id AND state <> 'unconfirmed'
    UNION ALL
    SELECT
        coalesce(released_at, ended_at),
        -1
    FROM subscription
    WHERE
        shop_id = :shop_id
        AND variant_id = :variant_id
        AND state NOT IN ('unconfirmed', 'waiting')
        AND coalesce(released_at, ended_at) IS NOT NULL
),

moved AS (
    SELECT
        greatest(0, ceil(
            extract(EPOCH FROM at - CAST(:start_at AS timestamptz))
            / extract(EPOCH FROM CAST(:end_at AS timestamptz) - CAST(:start_at AS timestamptz))
            * CAST(:steps AS integer)
        )) AS number,
        sum(people) AS people
    FROM coming
    GROUP BY 1
),

crowd AS (
    SELECT
        step.at,
        greatest(0, sum(coalesce(moved.people, 0)) OVER (ORDER BY step.at)) AS people
    FROM step
    LEFT JOIN moved ON moved.number = step.number
)

SELECT
    'stock' AS kind,
    step.at AT TIME ZONE :time_zone AS at,
    CAST(known.units AS bigint) AS amount
FROM step
CROSS JOIN LATERAL (
    SELECT level.units
    FROM level
    WHERE level.observed_at <= step.at
    ORDER BY level.observed_at DESC
    LIMIT 1
) AS known
UNION ALL
SELECT
    'waiting',
    crowd.at AT TIME ZONE :time_zone,
    CAST(crowd.people AS bigint)
FROM crowd
UNION ALL
SELECT
    'batch',
    batch.decided_at AT TIME ZONE :time_zone,
    batch.released_count
FROM batch
WHERE
    batch.shop_id = :shop_id
    AND batch.variant_id = :variant_id
    AND batch.state = 'released'
    AND batch.decided_at >= :start_at
    AND batch.decided_at <= :end_at
ORDER BY
    1,
    2;
