-- name: list_snapshots_since
-- What was made of the pulls since a moment, the oldest first.
SELECT
    snapshot_id,
    state,
    reason,
    row_count,
    variant_count,
    zero_count,
    observed_at,
    detected_at,
    changed_count,
    event_count
FROM snapshot
WHERE shop_id = :shop_id AND observed_at >= :since AND state <> 'loading'
ORDER BY observed_at;

-- name: list_batches_since
-- The batches since a moment with how far their messages are.
SELECT
    batch.batch_id,
    batch.variant_id,
    batch.units,
    batch.customers_per_unit,
    batch.waiting_count,
    batch.in_flight_count,
    batch.released_count,
    batch.skipped_count,
    batch.decided_at,
    batch.next_release_at,
    outgoing.sent_count,
    outgoing.first_sent_at
FROM batch
CROSS JOIN LATERAL (
    SELECT
        count(*) FILTER (WHERE message.state = 'sent') AS sent_count,
        min(message.ended_at) FILTER (WHERE message.state = 'sent') AS first_sent_at
    FROM message
    WHERE message.shop_id = batch.shop_id AND message.batch_id = batch.batch_id
) AS outgoing
WHERE batch.shop_id = :shop_id AND batch.decided_at >= :since
ORDER BY batch.batch_id;

-- name: count_skips_since
-- Requests skipped since a moment, by variant and reason.
SELECT
    variant_id,
    reason,
    count(*) AS request_count
FROM subscription
WHERE shop_id = :shop_id AND state = 'skipped' AND ended_at >= :since
GROUP BY variant_id, reason
ORDER BY variant_id, reason;

-- name: count_waiting
-- Who waits for a variant: all, and those for whom it is closed.
SELECT
    count(*) AS waiting_count,
    count(*) FILTER (WHERE NOT stock.is_open) AS closed_count
FROM subscription
LEFT JOIN variant_stock AS stock USING (shop_id, variant_id)
WHERE
    subscription.shop_id = :shop_id
    AND subscription.state = 'waiting'
    AND (CAST(:variant_id AS text) IS NULL OR subscription.variant_id = :variant_id);

-- name: find_timer
-- When the next batch of a variant may follow.
SELECT next_release_at
FROM variant_stock
WHERE shop_id = :shop_id AND variant_id = :variant_id;

-- name: summarize
-- What the whole demo came to.
SELECT
    (SELECT count(*) FROM snapshot WHERE shop_id = :shop_id AND state <> 'loading') AS window_count,
    (SELECT count(*) FROM snapshot WHERE shop_id = :shop_id AND state = 'rejected') AS rejected_count,
    (SELECT coalesce(sum(row_count), 0) FROM snapshot WHERE shop_id = :shop_id AND state = 'complete') AS row_count,
    (SELECT count(*) FROM variant WHERE shop_id = :shop_id) AS variant_count,
    (SELECT count(*) FROM restock_event WHERE shop_id = :shop_id) AS event_count,
    (SELECT count(*) FROM batch WHERE shop_id = :shop_id) AS batch_count,
    (SELECT coalesce(sum(released_count), 0) FROM batch WHERE shop_id = :shop_id) AS released_count,
    (
        SELECT count(*)
        FROM message
        WHERE shop_id = :shop_id AND state = 'sent' AND NOT is_recorded_only AND purpose <> 'report'
    ) AS sent_count,
    (SELECT count(*) FROM message WHERE shop_id = :shop_id AND state IN ('queued', 'sending')) AS unsent_count,
    (SELECT count(*) FROM subscription WHERE shop_id = :shop_id AND state = 'waiting') AS waiting_count;
