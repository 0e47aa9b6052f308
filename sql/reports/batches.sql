-- Report: batches
-- Title: Batches
-- Grain: one row per batch that was released.
-- Source: batch, message
-- Columns:
--   shop_id             the shop
--   report_on           day of the decision in the shop's time zone
--   batch_id            the batch, as `restock why --batch` takes it
--   decided_at          time: decided
--   variant_id          variant
--   title               what the catalog calls the variant now
--   units               pieces: announceable at the decision
--   observed_at         time: these were seen
--   min_inventory       pieces: from which on people are told
--   customers_per_unit  people per piece; all: everybody
--   wait_minutes        minutes: until the next batch
--   waiting_count       people: waited
--   in_flight_count     people: released before and not told yet
--   allowed_count       people: allowed by the rule; empty: everybody
--   released_count      people: released
--   passed_count        people: newly passed over
--   notified_count      messages: sent to them
--   skipped_count       people not reached, and messages that were skipped or failed
--   first_sent_at       time: first message sent
--   last_sent_at        time: last message sent
--   next_release_at     time: earliest next batch

-- name: select_days
-- The batches in the order in which they are exported.
SELECT
    batches.shop_id,
    batches.report_on,
    batches.batch_id,
    batches.decided_at,
    batches.variant_id,
    variant.title,
    batches.units,
    batches.observed_at,
    batches.min_inventory,
    batches.customers_per_unit,
    batches.wait_minutes,
    batches.waiting_count,
    batches.in_flight_count,
    batches.allowed_count,
    batches.released_count,
    batches.passed_count,
    batches.notified_count,
    batches.skipped_count,
    batches.first_sent_at,
    batches.last_sent_at,
    batches.next_release_at
FROM report_batches AS batches
LEFT JOIN variant ON variant.shop_id = batches.shop_id AND variant.variant_id = batches.variant_id
WHERE
    batches.shop_id = :shop_id
    AND batches.decided_at >= :start_at
    AND batches.decided_at < :end_at
    AND batches.report_on BETWEEN :first_on AND :last_on
ORDER BY batches.report_on, batches.batch_id;
