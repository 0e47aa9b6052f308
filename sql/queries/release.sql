-- name: lock_release
-- One release decides at a time.
SELECT pg_advisory_xact_lock(hashtextextended('restock.release', 0));

-- name: summarize_run
-- What a Dag run has decided already: a repeated task returns this (SEMANTICS 4.8).
SELECT
    count(*) FILTER (WHERE state = 'released') AS batch_count,
    count(*) FILTER (WHERE state <> 'released') AS proposal_count,
    coalesce(sum(released_count) FILTER (WHERE state = 'released'), 0) AS released_count,
    coalesce(sum(skipped_count) FILTER (WHERE state = 'released'), 0) AS skipped_count
FROM batch
WHERE run_id = :run_id;

-- name: insert_batches
-- A row per variant that releases people or proposes to, with everything that decided how many (SEMANTICS 4.8).
WITH written AS (
    INSERT INTO batch (
        shop_id, variant_id, run_id, state, decided_at, cycle, rule_set_id, available, units, observed_at,
        min_inventory, customers_per_unit, wait_minutes, ordering, rules, rule_origins, basis_units, waiting_count,
        in_flight_count, invited_count, allowed_count, released_count, skipped_count, passed_count, seed,
        proposal_id, next_release_at, answer_until
    )
    SELECT
        shop_id,
        variant_id,
        :run_id,
        CASE WHEN is_proposed THEN 'proposed' ELSE 'released' END,
        :now,
        cycle,
        :rule_set_id,
        available,
        units,
        observed_at,
        min_inventory,
        customers_per_unit,
        wait_minutes,
        ordering,
        rules,
        rule_origins,
        basis_units,
        waiting_count,
        in_flight_count,
        invited_count,
        allowed_count,
        released_count,
        skipped_count,
        passed_count,
        CASE WHEN ordering = 'lottery' THEN seed END,
        CAST(:proposal_id AS bigint),
        CASE
            WHEN NOT is_proposed AND customers_per_unit IS NOT NULL
                THEN CAST(:now AS timestamptz) + make_interval(secs => wait_minutes * 60)
        END,
        CASE WHEN is_proposed THEN CAST(:now AS timestamptz) + make_interval(secs => approval_hours * 3600) END
    FROM release_decision
    WHERE released_count > 0
    ORDER BY shop_id, variant_id
    RETURNING
        shop_id,
        variant_id,
        batch_id
)

UPDATE release_decision AS decision
SET batch_id = written.batch_id
FROM written
WHERE decision.shop_id = written.shop_id AND decision.variant_id = written.variant_id;

-- name: release_people
-- The chosen leave the queue and enter the flows; who was cancelled meanwhile does not.
WITH released AS (
    UPDATE subscription
    SET
        state = 'released',
        released_at = :now,
        batch_id = decision.batch_id,
        reason = NULL
    FROM release_choice AS choice
    JOIN release_decision AS decision USING (shop_id, variant_id)
    WHERE
        choice.verdict = 'released'
        AND NOT decision.is_proposed
        AND subscription.shop_id = choice.shop_id
        AND subscription.subscription_id = choice.subscription_id
        AND subscription.state = 'waiting'
    RETURNING
        subscription.shop_id,
        subscription.subscription_id,
        subscription.profile_id,
        subscription.subscribed_at,
        subscription.batch_id
),

telling_flow AS (
    SELECT
        flow_name,
        first_step_id
    FROM flow
    WHERE metric = :metric AND is_telling AND is_registered
),

enrolled AS (
    INSERT INTO enrolment (
        shop_id, flow_name, profile_id, subscription_id, batch_id, step_id, due_at, state, entered_at
    )
    SELECT
        released.shop_id,
        telling_flow.flow_name,
        released.profile_id,
        released.subscription_id,
        released.batch_id,
        telling_flow.first_step_id,
        :now,
        'active',
        :now
    FROM released
    CROSS JOIN telling_flow
    ORDER BY released.shop_id, released.subscribed_at, released.subscription_id, telling_flow.flow_name
)

SELECT count(*) AS released_count
FROM released;

-- name: correct_counts
-- A batch counts whom it has released; rare: somebody was cancelled between choice and release.
UPDATE batch
SET released_count = (
    SELECT count(*)
    FROM subscription
    WHERE subscription.shop_id = batch.shop_id AND subscription.batch_id = batch.batch_id
)
WHERE run_id = :run_id AND state = 'released';

-- name: skip_unreachable
-- Whom no telling message can reach, each with the reason (SEMANTICS 4.6).
UPDATE subscription
SET
    state = 'skipped',
    reason = choice.reason,
    ended_at = :now
FROM release_choice AS choice
JOIN release_decision AS decision USING (shop_id, variant_id)
WHERE
    choice.verdict = 'skipped'
    AND NOT decision.is_proposed
    AND subscription.shop_id = choice.shop_id
    AND subscription.subscription_id = choice.subscription_id
    AND subscription.state = 'waiting';

-- name: note_passed_over
-- Who was looked at and keeps waiting, each with the reason (SEMANTICS 4.8).
UPDATE subscription
SET
    reason = choice.reason,
    passed_batch_id = decision.batch_id
FROM release_choice AS choice
JOIN release_decision AS decision USING (shop_id, variant_id)
WHERE
    choice.verdict = 'passed'
    AND NOT decision.is_proposed
    AND subscription.shop_id = choice.shop_id
    AND subscription.subscription_id = choice.subscription_id
    AND subscription.state = 'waiting'
    AND subscription.reason IS DISTINCT FROM choice.reason;

-- name: reschedule
-- When release looks at each variant again, and what held it back; a timer starts with a batch (SEMANTICS 4.1).
WITH decided AS (
    SELECT
        decision.*,
        released_count > 0 AND NOT is_proposed AS is_released,
        CASE
            WHEN released_count > 0 AND NOT is_proposed AND customers_per_unit IS NOT NULL
                THEN CAST(:now AS timestamptz) + make_interval(secs => wait_minutes * 60)
        END AS batch_timer_at
    FROM release_decision AS decision
)

UPDATE variant_stock AS stock
SET
    decided_at = :now,
    hold_reason = CASE WHEN decided.is_proposed THEN 'awaiting_approval' ELSE decided.hold_reason END,
    next_release_at = coalesce(decided.batch_timer_at, stock.next_release_at),
    added_units = CASE WHEN decided.is_released THEN 0 ELSE stock.added_units END,
    batched_cycle = CASE WHEN decided.is_released THEN decided.cycle ELSE stock.batched_cycle END,
    next_check_at = CASE
        WHEN decided.is_proposed OR decided.hold_reason = 'awaiting_approval' THEN (
            SELECT CASE
                WHEN batch.asked_at IS NULL
                    THEN least(batch.answer_until, CAST(:now AS timestamptz) + INTERVAL '15 minutes')
                ELSE batch.answer_until
            END
            FROM batch
            WHERE batch.shop_id = stock.shop_id AND batch.variant_id = stock.variant_id AND batch.state = 'proposed'
        )
        WHEN decided.hold_reason = 'waiting_time' THEN stock.next_release_at
        WHEN decided.hold_reason = 'declined' THEN stock.declined_until
        WHEN decided.hold_reason IN ('in_flight', 'does_not_fit')
            THEN CAST(:now AS timestamptz) + make_interval(secs => least(decided.wait_minutes * 60, 60))
        WHEN decided.hold_reason = 'invited'
            THEN CAST(:now AS timestamptz) + make_interval(secs => least(decided.wait_minutes * 60, 3600))
        WHEN decided.hold_reason IS NOT NULL THEN NULL
        WHEN decided.batch_timer_at IS NOT NULL
            AND decided.waiting_count > decided.released_count + decided.skipped_count
            THEN decided.batch_timer_at
        ELSE (
            SELECT min(subscription.not_before)
            FROM subscription
            WHERE
                subscription.shop_id = decided.shop_id
                AND subscription.variant_id = decided.variant_id
                AND subscription.state = 'waiting'
                AND subscription.not_before > :now
        )
    END
FROM decided
WHERE stock.shop_id = decided.shop_id AND stock.variant_id = decided.variant_id;

-- name: summarize_decisions
-- What this look has decided, in all.
SELECT
    count(*) AS considered_count,
    count(*) FILTER (WHERE released_count > 0 AND NOT is_proposed) AS batch_count,
    count(*) FILTER (WHERE is_proposed) AS proposal_count,
    coalesce(sum(released_count) FILTER (WHERE NOT is_proposed), 0) AS released_count,
    coalesce(sum(skipped_count) FILTER (WHERE NOT is_proposed), 0) AS skipped_count
FROM release_decision;

-- name: preview_decisions
-- What this look would do, the largest batches first; no person is named (SEMANTICS 4.10).
SELECT
    shop_id,
    variant_id,
    units,
    waiting_count,
    allowed_count,
    released_count,
    skipped_count,
    passed_count,
    is_proposed,
    hold_reason
FROM release_decision
ORDER BY released_count DESC, shop_id, variant_id
LIMIT :most;

-- name: wake_held
-- A changed rule set or flow gives every open variant that someone waits for a new look.
UPDATE variant_stock AS stock
SET next_check_at = :now
WHERE
    stock.is_open
    AND (stock.next_check_at IS NULL OR stock.next_check_at > :now)
    AND EXISTS (
        SELECT 1
        FROM subscription
        WHERE
            subscription.shop_id = stock.shop_id
            AND subscription.variant_id = stock.variant_id
            AND subscription.state = 'waiting'
    );
