-- name: lock_release
-- One release decides at a time.
SELECT pg_advisory_xact_lock(hashtextextended('restock.release', 0));

-- name: summarize_run
-- What a Dag run has released already: a repeated task returns this (SEMANTICS 4.8).
SELECT
    count(*) AS batch_count,
    coalesce(sum(released_count), 0) AS released_count,
    coalesce(sum(skipped_count), 0) AS skipped_count
FROM batch
WHERE run_id = :run_id;

-- name: release_due
-- Decide for every due variant at once and carry it out (SEMANTICS 4.1); specification: include/domain/release.py.
WITH telling_flow AS (
    SELECT
        flow_name,
        first_step_id
    FROM flow
    WHERE metric = 'Subscribed to Back in Stock' AND is_telling AND is_registered
),

due AS MATERIALIZED (
    SELECT
        shop_id,
        variant_id,
        available,
        units,
        is_open,
        is_absent,
        cycle,
        observed_at,
        restocked_at,
        next_release_at
    FROM variant_stock
    WHERE next_check_at <= :now
    ORDER BY shop_id, variant_id
    FOR UPDATE
),

freshness AS (
    SELECT
        shop.shop_id,
        shop.max_stock_age,
        newest.observed_at AS full_at,
        refused.observed_at AS refused_at
    FROM shop
    LEFT JOIN LATERAL (
        SELECT max(snapshot.observed_at) AS observed_at
        FROM snapshot
        WHERE
            snapshot.shop_id = shop.shop_id
            AND snapshot.kind = 'full'
            AND snapshot.detected_at IS NOT NULL
    ) AS newest ON true
    LEFT JOIN LATERAL (
        SELECT max(snapshot.observed_at) AS observed_at
        FROM snapshot
        WHERE snapshot.shop_id = shop.shop_id AND snapshot.state = 'rejected'
    ) AS refused ON true
),

considered AS (
    SELECT
        due.shop_id,
        due.variant_id,
        due.available,
        due.units,
        due.is_open,
        due.is_absent,
        due.cycle,
        due.restocked_at,
        due.next_release_at,
        greatest(due.observed_at, freshness.full_at) AS observed_at,
        greatest(due.observed_at, freshness.full_at) < CAST(:now AS timestamptz) - freshness.max_stock_age
        OR coalesce(freshness.refused_at > greatest(due.observed_at, freshness.full_at), false) AS is_stale,
        queue.waiting_count,
        flight.in_flight_count
    FROM due
    JOIN freshness ON freshness.shop_id = due.shop_id
    CROSS JOIN LATERAL (
        SELECT count(*) AS waiting_count
        FROM subscription
        WHERE
            subscription.shop_id = due.shop_id
            AND subscription.variant_id = due.variant_id
            AND subscription.state = 'waiting'
    ) AS queue
    CROSS JOIN LATERAL (
        SELECT count(*) AS in_flight_count
        FROM subscription
        WHERE
            subscription.shop_id = due.shop_id
            AND subscription.variant_id = due.variant_id
            AND subscription.state = 'released'
    ) AS flight
),

held AS (
    SELECT
        considered.*,
        CASE
            WHEN NOT is_open OR units < :min_inventory THEN 'closed'
            WHEN is_absent THEN 'absent'
            WHEN is_stale THEN 'stale_stock'
            WHEN NOT EXISTS (SELECT 1 FROM telling_flow) THEN 'no_live_message'
            WHEN CAST(:customers_per_unit AS bigint) IS NOT NULL AND next_release_at > :now THEN 'waiting_time'
            WHEN units * CAST(:customers_per_unit AS bigint) <= in_flight_count THEN 'in_flight'
        END AS hold_reason,
        units * CAST(:customers_per_unit AS bigint) - in_flight_count AS allowed_count
    FROM considered
),

picked AS MATERIALIZED (
    SELECT
        held.shop_id,
        held.variant_id,
        choice.subscription_id,
        choice.profile_id,
        choice.subscribed_at
    FROM held
    CROSS JOIN LATERAL (
        SELECT
            subscription.subscription_id,
            subscription.profile_id,
            subscription.subscribed_at
        FROM subscription
        JOIN profile
            ON profile.shop_id = subscription.shop_id AND profile.profile_id = subscription.profile_id
        LEFT JOIN suppression
            ON
                suppression.shop_id = profile.shop_id
                AND suppression.channel = 'EMAIL'
                AND suppression.address_key = profile.email_key
        WHERE
            subscription.shop_id = held.shop_id
            AND subscription.variant_id = held.variant_id
            AND subscription.state = 'waiting'
            AND (subscription.restock_after IS NULL OR subscription.restock_after < held.restocked_at)
            AND (subscription.not_before IS NULL OR subscription.not_before <= :now)
            AND 'EMAIL' = ANY (subscription.channels)
            AND profile.email IS NOT NULL
            AND suppression.address_key IS NULL
        ORDER BY subscription.subscribed_at, subscription.subscription_id
        LIMIT held.allowed_count
    ) AS choice
    WHERE held.hold_reason IS NULL
),

picked_total AS (
    SELECT
        shop_id,
        variant_id,
        count(*) AS released_count,
        max(subscribed_at) AS last_at
    FROM picked
    GROUP BY shop_id, variant_id
),

unreachable AS MATERIALIZED (
    SELECT
        held.shop_id,
        held.variant_id,
        choice.subscription_id,
        choice.reason
    FROM held
    LEFT JOIN picked_total USING (shop_id, variant_id)
    CROSS JOIN LATERAL (
        SELECT
            subscription.subscription_id,
            CASE
                WHEN NOT 'EMAIL' = ANY (subscription.channels) THEN 'undeliverable'
                WHEN profile.email IS NULL THEN 'missing_email'
                WHEN suppression.reason = 'invalid_address' THEN 'invalid_address'
                ELSE 'suppressed'
            END AS reason
        FROM subscription
        JOIN profile
            ON profile.shop_id = subscription.shop_id AND profile.profile_id = subscription.profile_id
        LEFT JOIN suppression
            ON
                suppression.shop_id = profile.shop_id
                AND suppression.channel = 'EMAIL'
                AND suppression.address_key = profile.email_key
        WHERE
            subscription.shop_id = held.shop_id
            AND subscription.variant_id = held.variant_id
            AND subscription.state = 'waiting'
            AND (subscription.restock_after IS NULL OR subscription.restock_after < held.restocked_at)
            AND (subscription.not_before IS NULL OR subscription.not_before <= :now)
            AND (
                picked_total.released_count IS NULL
                OR picked_total.released_count < held.allowed_count
                OR held.allowed_count IS NULL
                OR subscription.subscribed_at <= picked_total.last_at
            )
            AND (
                NOT 'EMAIL' = ANY (subscription.channels)
                OR profile.email IS NULL
                OR suppression.address_key IS NOT NULL
            )
    ) AS choice
    WHERE held.hold_reason IS NULL
),

unreachable_total AS (
    SELECT
        shop_id,
        variant_id,
        count(*) AS skipped_count
    FROM unreachable
    GROUP BY shop_id, variant_id
),

decided AS (
    SELECT
        held.*,
        coalesce(picked_total.released_count, 0) AS released_count,
        coalesce(unreachable_total.skipped_count, 0) AS skipped_count,
        CASE
            WHEN picked_total.released_count > 0 AND CAST(:customers_per_unit AS bigint) IS NOT NULL
                THEN CAST(:now AS timestamptz) + make_interval(secs => :wait_minutes * 60)
        END AS batch_next_release_at
    FROM held
    LEFT JOIN picked_total USING (shop_id, variant_id)
    LEFT JOIN unreachable_total USING (shop_id, variant_id)
),

new_batch AS (
    INSERT INTO batch (
        shop_id, variant_id, run_id, state, decided_at, cycle, rule_set_id, available, units, observed_at,
        min_inventory, customers_per_unit, wait_minutes, waiting_count, in_flight_count, allowed_count,
        released_count, skipped_count, next_release_at
    )
    SELECT
        shop_id,
        variant_id,
        :run_id,
        'released',
        :now,
        cycle,
        :rule_set_id,
        available,
        units,
        observed_at,
        :min_inventory,
        :customers_per_unit,
        :wait_minutes,
        waiting_count,
        in_flight_count,
        allowed_count,
        released_count,
        skipped_count,
        batch_next_release_at
    FROM decided
    WHERE released_count > 0
    ORDER BY shop_id, variant_id
    RETURNING
        shop_id,
        variant_id,
        batch_id
),

released AS (
    UPDATE subscription
    SET
        state = 'released',
        released_at = :now,
        batch_id = new_batch.batch_id,
        reason = NULL
    FROM picked
    JOIN new_batch USING (shop_id, variant_id)
    WHERE subscription.shop_id = picked.shop_id AND subscription.subscription_id = picked.subscription_id
),

skipped AS (
    UPDATE subscription
    SET
        state = 'skipped',
        reason = unreachable.reason,
        ended_at = :now
    FROM unreachable
    WHERE
        subscription.shop_id = unreachable.shop_id
        AND subscription.subscription_id = unreachable.subscription_id
),

enrolled AS (
    INSERT INTO enrolment (
        shop_id, flow_name, profile_id, subscription_id, batch_id, step_id, due_at, state, entered_at
    )
    SELECT
        picked.shop_id,
        telling_flow.flow_name,
        picked.profile_id,
        picked.subscription_id,
        new_batch.batch_id,
        telling_flow.first_step_id,
        :now,
        'active',
        :now
    FROM picked
    JOIN new_batch USING (shop_id, variant_id)
    CROSS JOIN telling_flow
    ORDER BY picked.shop_id, picked.subscribed_at, picked.subscription_id, telling_flow.flow_name
),

rescheduled AS (
    UPDATE variant_stock AS stock
    SET
        decided_at = :now,
        hold_reason = decided.hold_reason,
        next_release_at = coalesce(decided.batch_next_release_at, stock.next_release_at),
        added_units = CASE WHEN decided.released_count > 0 THEN 0 ELSE stock.added_units END,
        next_check_at = CASE
            WHEN decided.hold_reason = 'waiting_time' THEN decided.next_release_at
            WHEN decided.hold_reason = 'in_flight'
                THEN CAST(:now AS timestamptz) + make_interval(secs => least(:wait_minutes * 60, 60))
            WHEN decided.hold_reason IS NOT NULL THEN NULL
            WHEN decided.batch_next_release_at IS NOT NULL
                AND decided.waiting_count > decided.released_count + decided.skipped_count
                THEN decided.batch_next_release_at
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
    WHERE stock.shop_id = decided.shop_id AND stock.variant_id = decided.variant_id
)

SELECT
    count(*) AS considered_count,
    count(*) FILTER (WHERE released_count > 0) AS batch_count,
    coalesce(sum(released_count), 0) AS released_count,
    coalesce(sum(skipped_count), 0) AS skipped_count
FROM decided;

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
