-- name: list_shops
-- Shops in the order in which their reports are built.
SELECT
    shop_id,
    time_zone,
    currency
FROM shop
WHERE CAST(:shop_id AS text) IS NULL OR shop_id = :shop_id
ORDER BY shop_id;

-- name: find_bounds
-- Between which moments some days of a shop lie, with a few hours more: where clocks are put, the date decides.
SELECT
    CAST(CAST(:first_on AS date) AS timestamp) AT TIME ZONE time_zone - INTERVAL '3 hours' AS start_at,
    CAST(CAST(:last_on AS date) + 1 AS timestamp) AT TIME ZONE time_zone + INTERVAL '3 hours' AS end_at
FROM shop
WHERE shop_id = :shop_id;

-- name: find_first_day
-- The day of the oldest thing that any report by day counts; NULL: there is nothing yet.
SELECT CAST(least(
    (SELECT min(subscribed_at) FROM subscription WHERE shop_id = :shop_id),
    (SELECT min(ended_at) FROM message WHERE shop_id = :shop_id AND ended_at IS NOT NULL),
    (SELECT min(decided_at) FROM batch WHERE shop_id = :shop_id),
    (SELECT min(opened_at) FROM restock_event WHERE shop_id = :shop_id),
    (SELECT min(observed_at) FROM snapshot WHERE shop_id = :shop_id),
    (SELECT min(ordered_at) FROM order_line WHERE shop_id = :shop_id),
    (SELECT min(suppressed_at) FROM suppression WHERE shop_id = :shop_id),
    (SELECT min(attempted_at) FROM delivery_attempt WHERE shop_id = :shop_id)
) AT TIME ZONE time_zone AS date) AS first_on
FROM shop
WHERE shop_id = :shop_id;

-- name: lock_plan
-- Who finds the days of a shop that are due waits for who does.
SELECT pg_advisory_xact_lock(hashtextextended('restock.reports.' || CAST(:shop_id AS text), 0));

-- name: find_progress
-- How far a shop is built; `has_passed`: every transaction that may not have known log_from has ended.
SELECT
    basis,
    read_from,
    log_from,
    read_after_request,
    log_after_request,
    fence IS NOT NULL AS is_fenced,
    coalesce(pg_snapshot_xmin(pg_current_snapshot()) >= fence, false) AS has_passed
FROM report_progress
WHERE shop_id = :shop_id;

-- name: publish_log
-- From now on, who writes what happened before `log_from` also logs it; the fence is set after this is committed.
INSERT INTO report_progress AS known (
    shop_id, basis, read_from, log_from, read_after_request, log_after_request, fence
)
SELECT
    :shop_id,
    '{}',
    :long_ago,
    :log_from,
    0,
    coalesce((SELECT max(subscription_id) FROM subscription WHERE shop_id = :shop_id), 0),
    NULL
ON CONFLICT (shop_id) DO UPDATE
    SET
        log_from = greatest(known.log_from, excluded.log_from),
        log_after_request = excluded.log_after_request,
        fence = NULL;

-- name: set_fence
-- Transactions from here on know what was published.
UPDATE report_progress
SET fence = pg_snapshot_xmax(pg_current_snapshot())
WHERE shop_id = :shop_id AND fence IS NULL;

-- name: take_late_days
-- Days that were built before something was known of them; the log is emptied.
WITH taken AS (
    DELETE FROM report_late
    WHERE shop_id = :shop_id
    RETURNING happened_at
)

SELECT DISTINCT CAST(taken.happened_at AT TIME ZONE shop.time_zone AS date) AS report_on
FROM taken
JOIN shop ON shop.shop_id = :shop_id
UNION
SELECT CAST(subscription.subscribed_at AT TIME ZONE shop.time_zone AS date)
FROM subscription
JOIN shop USING (shop_id)
WHERE
    subscription.shop_id = :shop_id
    AND subscription.subscription_id > :read_after_request
    AND subscription.subscribed_at < :read_from
ORDER BY report_on;

-- name: save_progress
-- What the next build need not read again.
UPDATE report_progress
SET
    basis = CAST(:basis AS jsonb),
    read_from = greatest(read_from, :read_from),
    read_after_request = greatest(read_after_request, :read_after_request)
WHERE shop_id = :shop_id;

-- name: note_due
-- Days that some reports have to build.
INSERT INTO report_due (report, shop_id, report_on)
SELECT
    report.name,
    :shop_id,
    day.report_on
FROM unnest(CAST(:reports AS text[])) AS report (name)
CROSS JOIN unnest(CAST(:days AS date[])) AS day (report_on)
ORDER BY report.name, day.report_on
ON CONFLICT DO NOTHING;

-- name: take_due
-- The days of a shop that a report has to build; they are noted no more once its transaction is committed.
DELETE FROM report_due
WHERE report = :report AND shop_id = :shop_id
RETURNING report_on;

-- name: record_build
-- When a report was built last, and how much.
INSERT INTO report_build (report, shop_id, built_at, day_count, row_count)
VALUES (:report, :shop_id, :now, :day_count, :row_count)
ON CONFLICT (report, shop_id) DO UPDATE
    SET
        built_at = excluded.built_at,
        day_count = excluded.day_count,
        row_count = excluded.row_count;

-- name: list_builds
-- When each report of each shop was built last.
SELECT
    report,
    shop_id,
    built_at,
    day_count,
    row_count
FROM report_build
ORDER BY report, shop_id;
