-- Report: restocks
-- Title: From restock to first message
-- Grain: one row per restock.
-- Source: restock_event, batch, message
-- Columns:
--   shop_id                   the shop
--   report_on                 day of the restock in the shop's time zone
--   variant_id                variant
--   title                     what the catalog calls the variant now
--   opened_at                 time: seen to be back
--   units_before              pieces: the last level below the minimum; empty where it was never seen before
--   units_after               pieces: after
--   waiting_count             people: waited at the first batch; empty where nobody was released
--   batch_count               batches: released before the next restock
--   notified_count            messages: sent for these batches
--   first_batch_at            time: first batch decided
--   first_sent_at             time: first message sent
--   minutes_to_first_message  minutes: from the restock to the first message; empty where none was sent

-- name: select_days
-- The restocks in the order in which they are exported.
SELECT
    restocks.shop_id,
    restocks.report_on,
    restocks.variant_id,
    variant.title,
    restocks.opened_at,
    restocks.units_before,
    restocks.units_after,
    restocks.waiting_count,
    restocks.batch_count,
    restocks.notified_count,
    restocks.first_batch_at,
    restocks.first_sent_at,
    restocks.minutes_to_first_message
FROM report_restocks AS restocks
LEFT JOIN variant ON variant.shop_id = restocks.shop_id AND variant.variant_id = restocks.variant_id
WHERE
    restocks.shop_id = :shop_id
    AND restocks.opened_at >= :start_at
    AND restocks.opened_at < :end_at
    AND restocks.report_on BETWEEN :first_on AND :last_on
ORDER BY restocks.opened_at, restocks.variant_id;
