-- name: assume_stock
-- What a simulation assumes of a variant; its transaction is rolled back.
UPDATE variant_stock
SET
    available = CAST(:units AS bigint),
    units = CAST(:units AS bigint),
    is_open = :is_open,
    is_absent = false,
    observed_at = :now,
    opened_at = CASE WHEN CAST(:is_restock AS boolean) THEN CAST(:now AS timestamptz) ELSE opened_at END,
    restocked_at = CASE WHEN CAST(:is_restock AS boolean) THEN CAST(:now AS timestamptz) ELSE restocked_at END,
    cycle = cycle + CAST(CAST(:is_restock AS boolean) AS integer)
WHERE shop_id = :shop_id AND variant_id = :variant_id
RETURNING next_release_at;

-- name: assume_told
-- Who was released has been told at once, so that nobody is in flight; only for a simulation.
UPDATE subscription
SET
    state = 'notified',
    notified_at = :now,
    ended_at = :now
WHERE shop_id = :shop_id AND variant_id = :variant_id AND state = 'released';

-- name: list_chosen
-- Whom the last look would tell, in order; ids, no addresses.
SELECT subscription_id
FROM release_choice
WHERE verdict = 'released'
ORDER BY place;

-- name: find_outcome
-- What the last look says of the one variant.
SELECT
    decision.released_count,
    decision.skipped_count,
    decision.waiting_count,
    decision.allowed_count,
    decision.is_proposed,
    decision.hold_reason,
    stock.next_release_at
FROM release_decision AS decision
JOIN variant_stock AS stock USING (shop_id, variant_id);
