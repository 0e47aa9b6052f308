-- Report: deliverability
-- Title: Deliverability
-- Grain: one row per shop, day of the shop and channel on which messages ended, were tried or led to a suppression.
-- Source: message, delivery_attempt, suppression
-- Columns:
--   shop_id             the shop
--   report_on           day in the shop's time zone
--   channel             EMAIL or SMS
--   sent_count          messages: accepted by the provider
--   recorded_count      messages: rendered and recorded only, handed to no provider (SEMANTICS 6.6)
--   failed_count        messages: given up
--   skipped_count       messages: stopped by a check; by reason in the report skips
--   error_count         attempts: did not end in a sent message; a message may have several
--   invalid_count       addresses: found invalid and suppressed
--   unsubscribed_count  people: unsubscribed
--   complaint_count     people: complained
--   failed_percent      percent: of the messages accepted or given up, those given up

-- name: lock_table
-- One build at a time.
LOCK TABLE report_deliverability IN SHARE ROW EXCLUSIVE MODE;

-- name: delete_days
-- Make room for the days that are built again.
DELETE FROM report_deliverability
WHERE shop_id = :shop_id AND report_on BETWEEN :first_on AND :last_on;

-- name: build_days
-- What became of the messages of the days, by channel.
WITH occurrence AS (
    SELECT
        channel,
        ended_at AS happened_at,
        CASE WHEN state = 'sent' AND is_recorded_only THEN 'recorded' ELSE state END AS kind
    FROM message
    WHERE shop_id = :shop_id AND ended_at >= :start_at AND ended_at < :end_at
    UNION ALL
    SELECT
        message.channel,
        attempt.attempted_at,
        'error'
    FROM delivery_attempt AS attempt
    JOIN message ON message.shop_id = attempt.shop_id AND message.message_id = attempt.message_id
    WHERE
        attempt.shop_id = :shop_id
        AND attempt.attempted_at >= :start_at
        AND attempt.attempted_at < :end_at
    UNION ALL
    SELECT
        channel,
        suppressed_at,
        reason
    FROM suppression
    WHERE shop_id = :shop_id AND suppressed_at >= :start_at AND suppressed_at < :end_at
),

on_day AS (
    SELECT
        channel,
        kind,
        CAST(happened_at AT TIME ZONE :time_zone AS date) AS report_on
    FROM occurrence
)

INSERT INTO report_deliverability (
    shop_id, report_on, channel, sent_count, recorded_count, failed_count, skipped_count, error_count,
    invalid_count, unsubscribed_count, complaint_count
)
SELECT
    :shop_id,
    report_on,
    channel,
    count(*) FILTER (WHERE kind = 'sent'),
    count(*) FILTER (WHERE kind = 'recorded'),
    count(*) FILTER (WHERE kind = 'failed'),
    count(*) FILTER (WHERE kind = 'skipped'),
    count(*) FILTER (WHERE kind = 'error'),
    count(*) FILTER (WHERE kind = 'invalid_address'),
    count(*) FILTER (WHERE kind = 'unsubscribed'),
    count(*) FILTER (WHERE kind = 'complaint')
FROM on_day
WHERE report_on BETWEEN :first_on AND :last_on
GROUP BY report_on, channel
ORDER BY report_on, channel;

-- name: check_days
-- Every message that ended in the days is counted once.
SELECT
    'ended messages' AS figure,
    (
        SELECT coalesce(sum(sent_count + recorded_count + failed_count + skipped_count), 0)
        FROM report_deliverability
        WHERE shop_id = :shop_id AND report_on BETWEEN :first_on AND :last_on
    ) AS observed,
    (
        SELECT count(*)
        FROM message
        WHERE
            shop_id = :shop_id
            AND ended_at >= :start_at
            AND ended_at < :end_at
            AND CAST(ended_at AT TIME ZONE :time_zone AS date) BETWEEN :first_on AND :last_on
    ) AS expected;

-- name: select_days
-- The days in the order in which they are exported.
SELECT
    shop_id,
    report_on,
    channel,
    sent_count,
    recorded_count,
    failed_count,
    skipped_count,
    error_count,
    invalid_count,
    unsubscribed_count,
    complaint_count,
    round(100.0 * failed_count / nullif(sent_count + failed_count, 0), 2) AS failed_percent
FROM report_deliverability
WHERE shop_id = :shop_id AND report_on BETWEEN :first_on AND :last_on
ORDER BY report_on, channel;
