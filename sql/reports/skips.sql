-- Report: skips
-- Title: Skipped, by reason
-- Grain: one row per shop, day of the shop, subject, outcome, reason, channel, purpose and variant.
-- Source: subscription, message
-- Columns:
--   shop_id        the shop
--   report_on      day in the shop's time zone
--   subject        request: somebody's request ended untold, as `restock why` says; message: one did not leave
--   outcome        skipped: a check said no; failed: the provider did
--   reason         the reason (SEMANTICS 5)
--   channel        EMAIL or SMS; '' for requests
--   purpose        what the message was for; '' for requests
--   variant_id     variant; '' where none is meant
--   title          what the catalog calls the variant now
--   skipped_count  people (request) or messages (message)

-- name: lock_table
-- One build at a time.
LOCK TABLE report_skips IN SHARE ROW EXCLUSIVE MODE;

-- name: delete_days
-- Make room for the days that are built again.
DELETE FROM report_skips
WHERE shop_id = :shop_id AND report_on BETWEEN :first_on AND :last_on;

-- name: build_days
-- Who and what was not told in the days, by reason.
WITH stopped AS (
    SELECT
        'request' AS subject,
        'skipped' AS outcome,
        reason,
        '' AS channel,
        '' AS purpose,
        coalesce(variant_id, '') AS variant_id,
        ended_at
    FROM subscription
    WHERE shop_id = :shop_id AND state = 'skipped' AND ended_at >= :start_at AND ended_at < :end_at
    UNION ALL
    SELECT
        'message',
        state,
        reason,
        channel,
        purpose,
        coalesce(variant_id, ''),
        ended_at
    FROM message
    WHERE
        shop_id = :shop_id
        AND state IN ('skipped', 'failed')
        AND ended_at >= :start_at
        AND ended_at < :end_at
),

on_day AS (
    SELECT
        stopped.*,
        CAST(stopped.ended_at AT TIME ZONE :time_zone AS date) AS report_on
    FROM stopped
)

INSERT INTO report_skips (
    shop_id, report_on, subject, outcome, reason, channel, purpose, variant_id, skipped_count
)
SELECT
    :shop_id,
    report_on,
    subject,
    outcome,
    reason,
    channel,
    purpose,
    variant_id,
    count(*)
FROM on_day
WHERE report_on BETWEEN :first_on AND :last_on
GROUP BY report_on, subject, outcome, reason, channel, purpose, variant_id
ORDER BY report_on, subject, outcome, reason, channel, purpose, variant_id;

-- name: check_days
-- Everybody and everything that was stopped in the days is counted once.
SELECT
    'requests and messages' AS figure,
    (
        SELECT coalesce(sum(skipped_count), 0)
        FROM report_skips
        WHERE shop_id = :shop_id AND report_on BETWEEN :first_on AND :last_on
    ) AS observed,
    (
        SELECT count(*)
        FROM subscription
        WHERE
            shop_id = :shop_id
            AND state = 'skipped'
            AND ended_at >= :start_at
            AND ended_at < :end_at
            AND CAST(ended_at AT TIME ZONE :time_zone AS date) BETWEEN :first_on AND :last_on
    ) + (
        SELECT count(*)
        FROM message
        WHERE
            shop_id = :shop_id
            AND state IN ('skipped', 'failed')
            AND ended_at >= :start_at
            AND ended_at < :end_at
            AND CAST(ended_at AT TIME ZONE :time_zone AS date) BETWEEN :first_on AND :last_on
    ) AS expected;

-- name: select_days
-- The reasons in the order in which they are exported.
SELECT
    skips.shop_id,
    skips.report_on,
    skips.subject,
    skips.outcome,
    skips.reason,
    skips.channel,
    skips.purpose,
    skips.variant_id,
    variant.title,
    skips.skipped_count
FROM report_skips AS skips
LEFT JOIN variant ON variant.shop_id = skips.shop_id AND variant.variant_id = skips.variant_id
WHERE skips.shop_id = :shop_id AND skips.report_on BETWEEN :first_on AND :last_on
ORDER BY
    skips.report_on, skips.subject, skips.outcome, skips.reason, skips.channel, skips.purpose, skips.variant_id;
