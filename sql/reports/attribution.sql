-- Report: attribution
-- Title: Orders after alerts
-- Grain: one row per order line that credits an alert: the last one about its variant that was sent to the buyer before
-- the order, if that was within attribution_days. Each line credits one alert; what came back is subtracted.
-- Source: order_line, message
-- Columns:
--   shop_id           the shop
--   report_on         day of the order in the shop's time zone
--   order_id          the order
--   line_number       its line
--   variant_id        variant
--   title             what the catalog calls the variant now
--   ordered_at        time: ordered
--   message_id        the alert that is credited
--   sent_at           time: that was sent
--   hours_to_order    hours: from the alert to the order
--   quantity          pieces: bought and kept
--   amount            currency of the line: paid for these
--   currency          currency of the line
--   attribution_days  days: the rule under which the line was credited (Variable restock_attribution_days)

-- name: lock_table
-- One build at a time.
LOCK TABLE report_attribution IN SHARE ROW EXCLUSIVE MODE;

-- name: delete_days
-- Make room for the days that are built again.
DELETE FROM report_attribution
WHERE shop_id = :shop_id AND report_on BETWEEN :first_on AND :last_on;

-- name: build_days
-- The credited lines of the days.
WITH credited AS (
    SELECT
        line.*,
        CAST(line.ordered_at AT TIME ZONE :time_zone AS date) AS report_on
    FROM credited_line(:shop_id, :start_at, :end_at, :attribution_days) AS line
)

INSERT INTO report_attribution (
    shop_id, report_on, order_id, line_number, variant_id, ordered_at, message_id, sent_at, hours_to_order, quantity,
    amount, currency, attribution_days
)
SELECT
    :shop_id,
    report_on,
    order_id,
    line_number,
    variant_id,
    ordered_at,
    message_id,
    sent_at,
    round(extract(EPOCH FROM ordered_at - sent_at) / 3600, 2),
    quantity,
    amount,
    currency,
    :attribution_days
FROM credited
WHERE report_on BETWEEN :first_on AND :last_on
ORDER BY report_on, order_id, line_number;

-- name: check_days
-- Each order line of the days that follows a message of its buyer about its variant in time is there.
SELECT
    'credited order lines' AS figure,
    (
        SELECT count(*)
        FROM report_attribution
        WHERE shop_id = :shop_id AND report_on BETWEEN :first_on AND :last_on
    ) AS observed,
    (
        SELECT count(*)
        FROM order_line AS line
        WHERE
            line.shop_id = :shop_id
            AND line.ordered_at >= :start_at
            AND line.ordered_at < :end_at
            AND CAST(line.ordered_at AT TIME ZONE :time_zone AS date) BETWEEN :first_on AND :last_on
            AND EXISTS (
                SELECT 1
                FROM message
                WHERE
                    message.shop_id = line.shop_id
                    AND message.profile_id = line.profile_id
                    AND message.variant_id = line.variant_id
                    AND message.purpose = 'back_in_stock'
                    AND message.state = 'sent'
                    AND NOT message.is_recorded_only
                    AND message.ended_at < line.ordered_at
                    AND extract(EPOCH FROM line.ordered_at - message.ended_at) <= 86400 * :attribution_days
            )
    ) AS expected;

-- name: select_days
-- The credited lines in the order in which they are exported.
SELECT
    attribution.shop_id,
    attribution.report_on,
    attribution.order_id,
    attribution.line_number,
    attribution.variant_id,
    variant.title,
    attribution.ordered_at,
    attribution.message_id,
    attribution.sent_at,
    attribution.hours_to_order,
    attribution.quantity,
    attribution.amount,
    attribution.currency,
    attribution.attribution_days
FROM report_attribution AS attribution
LEFT JOIN variant ON variant.shop_id = attribution.shop_id AND variant.variant_id = attribution.variant_id
WHERE attribution.shop_id = :shop_id AND attribution.report_on BETWEEN :first_on AND :last_on
ORDER BY attribution.report_on, attribution.order_id, attribution.line_number;
