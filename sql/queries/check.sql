-- name: read_facts
-- What is known of each claimed message: what include/domain/checks.py judges (SEMANTICS 5), and what its template needs.
WITH claimed AS MATERIALIZED (
    SELECT mine.*
    FROM unnest(CAST(:shop_ids AS text[]), CAST(:message_ids AS bigint[])) AS given (shop_id, message_id)
    CROSS JOIN LATERAL (
        SELECT
            message.shop_id,
            message.message_id,
            message.message_key,
            message.channel,
            message.purpose,
            message.priority,
            message.profile_id,
            message.subscription_id,
            message.batch_id,
            message.variant_id,
            message.flow_name,
            message.step_id,
            message.template,
            message.state,
            message.lane,
            message.due_at,
            message.attempt_count,
            message.approved_at,
            message.report_run_id,
            message.recipient_id
        FROM message
        WHERE message.shop_id = given.shop_id AND message.message_id = given.message_id
        LIMIT 1
    ) AS mine
    WHERE mine.state = 'sending' AND mine.lane = :lane
),

freshness AS MATERIALIZED (
    SELECT
        shop.shop_id,
        shop.max_stock_age,
        (
            SELECT max(snapshot.observed_at)
            FROM snapshot
            WHERE
                snapshot.shop_id = shop.shop_id
                AND NOT snapshot.is_delivery
                AND snapshot.state = 'complete'
                AND snapshot.detected_at IS NOT NULL
        ) AS full_at,
        (
            SELECT max(snapshot.observed_at)
            FROM snapshot
            WHERE snapshot.shop_id = shop.shop_id AND snapshot.state = 'rejected'
        ) AS refused_at
    FROM shop
    WHERE shop.shop_id IN (SELECT claimed.shop_id FROM claimed)
),

-- Batches sized for more stock than there is now; what leaves of them ends before `first_beyond_id`.
shrunk AS MATERIALIZED (
    SELECT
        batch.shop_id,
        batch.batch_id,
        beyond.first_beyond_id
    FROM batch
    JOIN variant_stock AS stock ON stock.shop_id = batch.shop_id AND stock.variant_id = batch.variant_id
    CROSS JOIN LATERAL (
        SELECT message.message_id AS first_beyond_id
        FROM message
        JOIN subscription USING (shop_id, subscription_id)
        WHERE
            message.shop_id = batch.shop_id
            AND message.batch_id = batch.batch_id
            AND message.state <> 'skipped'
            AND subscription.state <> 'cancelled'
        ORDER BY message.message_id
        OFFSET greatest(0, stock.units * batch.customers_per_unit - batch.in_flight_count)
        LIMIT 1
    ) AS beyond
    WHERE
        (batch.shop_id, batch.batch_id) IN (SELECT claimed.shop_id, claimed.batch_id FROM claimed)
        AND batch.customers_per_unit IS NOT NULL
        AND stock.units < batch.units
        AND stock.units * batch.customers_per_unit - batch.in_flight_count < batch.released_count
)

SELECT
    claimed.shop_id,
    claimed.message_id,
    claimed.message_key,
    claimed.channel,
    claimed.purpose,
    claimed.template,
    claimed.variant_id,
    claimed.profile_id,
    claimed.subscription_id,
    claimed.report_run_id,
    claimed.recipient_id,
    claimed.attempt_count,
    subscription.state AS request_state,
    subscription.batch_id IS NOT DISTINCT FROM claimed.batch_id AS is_of_last_batch,
    coalesce(step.is_deleted, false) AS is_step_deleted,
    CASE WHEN flow.is_registered THEN step.status WHEN NOT flow.is_registered THEN 'draft' END AS step_status,
    claimed.approved_at IS NOT NULL AS is_approved,
    claimed.profile_id IS NOT NULL AND profile.profile_id IS NULL AS is_profile_deleted,
    CASE
        WHEN claimed.channel = 'SMS' THEN profile.phone
        WHEN claimed.recipient_id IS NULL THEN profile.email
        ELSE recipient.address
    END AS address,
    coalesce(suppression.reason, recipient.end_reason) AS suppressed_for,
    (
        SELECT consent.state
        FROM consent
        WHERE
            consent.shop_id = claimed.shop_id
            AND consent.profile_id = claimed.profile_id
            AND consent.channel = claimed.channel
            AND consent.purpose = 'alert'
    ) AS alert_consent,
    (
        SELECT consent.state
        FROM consent
        WHERE
            consent.shop_id = claimed.shop_id
            AND consent.profile_id = claimed.profile_id
            AND consent.channel = claimed.channel
            AND consent.purpose = 'marketing'
    ) AS marketing_consent,
    claimed.purpose = 'back_in_stock' OR coalesce(step.requires_stock, false) AS needs_stock,
    coalesce(stock.is_open AND stock.units >= coalesce(batch.min_inventory, 1), false) AS is_in_stock,
    coalesce(
        stock.is_absent
        OR greatest(stock.observed_at, freshness.full_at) < CAST(:now AS timestamptz) - freshness.max_stock_age
        OR freshness.refused_at > greatest(stock.observed_at, freshness.full_at),
        false
    ) AS is_stale,
    coalesce(claimed.message_id >= shrunk.first_beyond_id, false) AS is_beyond_stock,
    coalesce(step.without_stock, 'hold') AS without_stock,
    claimed.variant_id IS NULL OR coalesce(variant.is_published, false) AS is_item_known,
    profile.time_zone,
    shop.time_zone AS shop_time_zone,
    smart.channel_ahead,
    smart.smart_until,
    alerts.alerts_ahead,
    alerts.alerts_free_at,
    cap.cap_ahead,
    cap.cap_free_at,
    profile.first_name,
    profile.last_name,
    coalesce(subscription.locale, profile.locale, shop.locale) AS locale,
    shop.name AS shop_name,
    shop.url AS shop_url,
    shop.currency,
    variant.title,
    variant.url,
    variant.image_url,
    variant.price
FROM claimed
JOIN shop ON shop.shop_id = claimed.shop_id
JOIN freshness ON freshness.shop_id = claimed.shop_id
LEFT JOIN profile ON profile.shop_id = claimed.shop_id AND profile.profile_id = claimed.profile_id
LEFT JOIN suppression
    ON
        suppression.shop_id = profile.shop_id
        AND suppression.channel = claimed.channel
        AND suppression.address_key = CASE claimed.channel WHEN 'SMS' THEN profile.phone ELSE profile.email_key END
LEFT JOIN report_recipient AS recipient
    ON recipient.shop_id = claimed.shop_id AND recipient.recipient_id = claimed.recipient_id
LEFT JOIN subscription
    ON subscription.shop_id = claimed.shop_id AND subscription.subscription_id = claimed.subscription_id
LEFT JOIN batch ON batch.shop_id = claimed.shop_id AND batch.batch_id = claimed.batch_id
LEFT JOIN shrunk ON shrunk.shop_id = claimed.shop_id AND shrunk.batch_id = claimed.batch_id
LEFT JOIN flow ON flow.flow_name = claimed.flow_name
LEFT JOIN flow_step AS step ON step.flow_name = claimed.flow_name AND step.step_id = claimed.step_id
LEFT JOIN variant_stock AS stock ON stock.shop_id = claimed.shop_id AND stock.variant_id = claimed.variant_id
LEFT JOIN variant ON variant.shop_id = claimed.shop_id AND variant.variant_id = claimed.variant_id
-- A subquery per message, and no join with a list of them: the planner takes such a list for one row.
LEFT JOIN LATERAL (
    SELECT
        leaving.alerts_ahead,
        (
            SELECT earlier.ended_at + INTERVAL '24 hours'
            FROM message AS earlier
            WHERE
                earlier.shop_id = claimed.shop_id
                AND earlier.profile_id = claimed.profile_id
                AND earlier.channel = claimed.channel
                AND earlier.state = 'sent'
                AND earlier.purpose = 'back_in_stock'
                -- coalesce, or the index of all that ended today looks as good as the person's
                AND coalesce(earlier.ended_at, '-infinity') > CAST(:now AS timestamptz) - INTERVAL '24 hours'
            ORDER BY earlier.ended_at DESC
            OFFSET greatest(0, CAST(:max_alerts_per_day AS bigint) - leaving.alerts_ahead - 1)
            LIMIT 1
        ) AS alerts_free_at
    FROM (
        SELECT count(*) AS alerts_ahead
        FROM message AS ahead
        WHERE
            ahead.shop_id = claimed.shop_id
            AND ahead.profile_id = claimed.profile_id
            AND ahead.channel = claimed.channel
            AND ahead.state = 'sending'
            AND ahead.purpose = 'back_in_stock'
            AND ahead.message_id < claimed.message_id
    ) AS leaving
    WHERE claimed.purpose = 'back_in_stock'
) AS alerts ON true
-- The timer of Smart Sending: the last attempt, and the window that held at that moment. CASE, since the subqueries of a
-- join are computed before its condition is looked at.
LEFT JOIN LATERAL (
    SELECT
        CASE WHEN step.uses_smart_sending AND claimed.purpose <> 'transactional' THEN (
            SELECT count(*)
            FROM message AS ahead
            WHERE
                ahead.shop_id = claimed.shop_id
                AND ahead.profile_id = claimed.profile_id
                AND ahead.channel = claimed.channel
                AND ahead.state = 'sending'
                AND ahead.message_id < claimed.message_id
        ) END AS channel_ahead,
        CASE WHEN step.uses_smart_sending AND claimed.purpose <> 'transactional' THEN (
            SELECT last_one.ended_at + make_interval(secs => 3600 * coalesce(
                (
                    SELECT CAST(
                        rule_set.rules ->> ('smart_sending_hours_' || lower(claimed.channel)) AS double precision
                    )
                    FROM rule_set
                    WHERE rule_set.created_at <= last_one.ended_at
                    ORDER BY rule_set.rule_set_id DESC
                    LIMIT 1
                ),
                CAST(:smart_sending_hours AS double precision)
            ))
            FROM message AS last_one
            WHERE
                last_one.shop_id = claimed.shop_id
                AND last_one.profile_id = claimed.profile_id
                AND last_one.channel = claimed.channel
                AND last_one.state IN ('sent', 'failed')
                AND coalesce(last_one.ended_at, '-infinity') > CAST(:now AS timestamptz) - INTERVAL '1 year'
            ORDER BY last_one.ended_at DESC
            LIMIT 1
        ) END AS smart_until
) AS smart ON true
LEFT JOIN LATERAL (
    SELECT
        leaving.cap_ahead,
        (
            SELECT earlier.ended_at + make_interval(secs => 86400 * CAST(:frequency_cap_days AS double precision))
            FROM message AS earlier
            WHERE
                earlier.shop_id = claimed.shop_id
                AND earlier.profile_id = claimed.profile_id
                AND earlier.state = 'sent'
                AND earlier.purpose IN ('back_in_stock', 'marketing')
                AND coalesce(earlier.ended_at, '-infinity')
                > CAST(:now AS timestamptz) - make_interval(
                    secs => 86400 * CAST(:frequency_cap_days AS double precision)
                )
            ORDER BY earlier.ended_at DESC
            OFFSET greatest(0, CAST(:frequency_cap AS bigint) - leaving.cap_ahead - 1)
            LIMIT 1
        ) AS cap_free_at
    FROM (
        SELECT count(*) AS cap_ahead
        FROM message AS ahead
        WHERE
            ahead.shop_id = claimed.shop_id
            AND ahead.profile_id = claimed.profile_id
            AND ahead.state = 'sending'
            AND ahead.message_id < claimed.message_id
    ) AS leaving
    WHERE CAST(:frequency_cap AS bigint) IS NOT NULL
) AS cap ON true
ORDER BY claimed.priority, claimed.due_at, claimed.message_id;
