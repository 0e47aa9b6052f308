-- name: activity
-- The key figures of some days: what all reports are headed by that have none of their own.
SELECT
    CAST(coalesce(sum(request_count), 0) AS bigint) AS request_count,
    CAST(coalesce(sum(restock_count), 0) AS bigint) AS restock_count,
    CAST(coalesce(sum(restocked_units), 0) AS bigint) AS restocked_units,
    CAST(coalesce(sum(released_count), 0) AS bigint) AS released_count,
    CAST(coalesce(sum(notified_count), 0) AS bigint) AS notified_count,
    CAST(coalesce(sum(skipped_count), 0) AS bigint) AS skipped_count,
    -- Rows are of variants: an order of two of them stands in two.
    (
        SELECT count(DISTINCT report_attribution.order_id)
        FROM report_attribution
        WHERE
            report_attribution.shop_id = :shop_id
            AND report_attribution.report_on BETWEEN :first_on AND :last_on
    ) AS order_count,
    coalesce(sum(revenue), 0) AS revenue
FROM report_activity
WHERE shop_id = :shop_id AND report_on BETWEEN :first_on AND :last_on;

-- name: deliverability
-- The key figures of what became of messages.
SELECT
    CAST(coalesce(sum(sent_count), 0) AS bigint) AS sent_count,
    CAST(coalesce(sum(failed_count), 0) AS bigint) AS failed_count,
    CAST(coalesce(sum(skipped_count), 0) AS bigint) AS skipped_count,
    CAST(coalesce(sum(error_count), 0) AS bigint) AS error_count,
    CAST(coalesce(sum(invalid_count), 0) AS bigint) AS invalid_count,
    CAST(coalesce(sum(unsubscribed_count), 0) AS bigint) AS unsubscribed_count
FROM report_deliverability
WHERE shop_id = :shop_id AND report_on BETWEEN :first_on AND :last_on;

-- name: data_quality
-- The key figures of what was pulled.
SELECT
    CAST(coalesce(sum(snapshot_count), 0) AS bigint) AS snapshot_count,
    CAST(coalesce(sum(refused_count), 0) AS bigint) AS refused_count,
    CAST(coalesce(sum(row_count), 0) AS bigint) AS row_count,
    CAST(coalesce(sum(rejected_row_count), 0) AS bigint) AS rejected_row_count,
    CAST(coalesce(sum(changed_count), 0) AS bigint) AS changed_count
FROM report_data_quality
WHERE shop_id = :shop_id AND report_on BETWEEN :first_on AND :last_on;

-- name: watchdog
-- How much needs a person now, and how much of it was first found in some days.
SELECT
    count(*) AS finding_count,
    coalesce(sum(amount), 0) AS amount,
    count(*) FILTER (
        WHERE CAST(report_watchdog.found_at AT TIME ZONE shop.time_zone AS date) BETWEEN :first_on AND :last_on
    ) AS new_count
FROM report_watchdog
JOIN shop ON shop.shop_id = report_watchdog.shop_id
WHERE report_watchdog.shop_id = :shop_id;

-- name: demand
-- The key figures of who waits for what, as of the last build; no lost revenue where there is no estimate.
SELECT
    CAST(coalesce(sum(waiting_count), 0) AS bigint) AS waiting_count,
    count(*) AS item_count,
    CAST(coalesce(sum(wanted_units), 0) AS bigint) AS wanted_units,
    CAST(coalesce(sum(reorder_units), 0) AS bigint) AS reorder_units,
    sum(lost_revenue) AS lost_revenue
FROM report_demand
WHERE shop_id = :shop_id AND CAST(:first_on AS date) <= CAST(:last_on AS date);

-- name: queue
-- The key figures of who waits now.
SELECT
    count(*) AS waiting_count,
    CAST(coalesce(sum(wanted_quantity), 0) AS bigint) AS wanted_units,
    count(*) FILTER (
        WHERE CAST(subscription.subscribed_at AT TIME ZONE shop.time_zone AS date) BETWEEN :first_on AND :last_on
    ) AS new_count
FROM subscription
JOIN shop ON shop.shop_id = subscription.shop_id
WHERE subscription.shop_id = :shop_id AND subscription.state = 'waiting';
