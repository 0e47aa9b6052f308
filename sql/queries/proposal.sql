-- name: expire_unanswered
-- Proposals that nobody answered in time release nobody until the wait has passed (SEMANTICS 4.7).
WITH expired AS (
    UPDATE batch
    SET
        state = 'expired',
        answered_at = :now
    WHERE state = 'proposed' AND answer_until <= :now
    RETURNING
        shop_id,
        variant_id,
        wait_minutes
)

UPDATE variant_stock AS stock
SET declined_until = CAST(:now AS timestamptz) + make_interval(secs => expired.wait_minutes * 60)
FROM expired
WHERE stock.shop_id = expired.shop_id AND stock.variant_id = expired.variant_id;

-- name: list_unasked
-- Proposals that no person was asked about yet, the oldest first.
SELECT
    shop_id,
    batch_id
FROM batch
WHERE state = 'proposed' AND asked_at IS NULL
ORDER BY batch_id
LIMIT :most;

-- name: mark_asked
-- A person is asked from now on; release looks at the variant again when the time to answer ends.
WITH asked AS (
    UPDATE batch
    SET asked_at = :now
    WHERE shop_id = :shop_id AND batch_id = :batch_id AND state = 'proposed' AND asked_at IS NULL
    RETURNING
        shop_id,
        variant_id,
        answer_until
)

UPDATE variant_stock AS stock
SET next_check_at = asked.answer_until
FROM asked
WHERE
    stock.shop_id = asked.shop_id
    AND stock.variant_id = asked.variant_id
    AND stock.hold_reason = 'awaiting_approval';

-- name: find_proposal
-- What a person needs to know to decide; no address.
SELECT
    batch.shop_id,
    batch.batch_id,
    batch.variant_id,
    variant.title,
    batch.state,
    batch.decided_at,
    batch.units,
    batch.customers_per_unit,
    batch.waiting_count,
    batch.released_count,
    batch.ordering,
    batch.rules,
    batch.rule_origins,
    batch.answer_until,
    batch.wait_minutes
FROM batch
LEFT JOIN variant ON variant.shop_id = batch.shop_id AND variant.variant_id = batch.variant_id
WHERE batch.shop_id = :shop_id AND batch.batch_id = :batch_id;

-- name: answer
-- A person has decided; a second answer changes nothing.
UPDATE batch
SET
    state = :state,
    answered_at = :now,
    answered_by = :answered_by
WHERE shop_id = :shop_id AND batch_id = :batch_id AND state = 'proposed'
RETURNING
    variant_id,
    run_id,
    wait_minutes;

-- name: hold_declined
-- Nobody is told of this variant until the wait has passed (SEMANTICS 4.7).
UPDATE variant_stock
SET
    declined_until = CAST(:now AS timestamptz) + make_interval(secs => :wait_minutes * 60),
    hold_reason = 'declined',
    next_check_at = CAST(:now AS timestamptz) + make_interval(secs => :wait_minutes * 60)
WHERE shop_id = :shop_id AND variant_id = :variant_id;
