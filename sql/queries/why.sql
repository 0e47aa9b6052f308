-- name: explain_request
-- Everything that says why a request stands where it stands (SEMANTICS 4.8).
SELECT
    subscription.shop_id,
    subscription.subscription_id,
    subscription.variant_id,
    subscription.product_id,
    subscription.state,
    subscription.reason,
    subscription.wanted_quantity,
    subscription.subscribed_at,
    subscription.restock_after,
    subscription.not_before,
    subscription.notified_at,
    subscription.ended_at,
    subscription.passed_batch_id,
    variant.variant_id IS NOT NULL AS is_known_variant,
    variant.is_published,
    variant.is_tracked,
    stock.available,
    stock.units,
    stock.is_open,
    stock.restocked_at,
    stock.next_release_at,
    stock.next_check_at,
    stock.hold_reason,
    stock.guard_reason,
    stock.declined_until,
    own_batch.batch_id,
    own_batch.decided_at,
    own_batch.units AS batch_units,
    own_batch.basis_units AS batch_basis_units,
    own_batch.customers_per_unit AS batch_customers_per_unit,
    own_batch.allowed_count AS batch_allowed_count,
    own_batch.released_count AS batch_released_count,
    own_batch.waiting_count AS batch_waiting_count,
    own_batch.in_flight_count AS batch_in_flight_count,
    own_batch.invited_count AS batch_invited_count,
    own_batch.ordering AS batch_ordering,
    own_batch.rule_origins AS batch_rule_origins,
    last_batch.batch_id AS last_batch_id,
    last_batch.decided_at AS last_batch_at,
    last_batch.units AS last_batch_units,
    last_batch.basis_units AS last_batch_basis_units,
    last_batch.customers_per_unit AS last_batch_customers_per_unit,
    last_batch.allowed_count AS last_batch_allowed_count,
    last_batch.in_flight_count AS last_batch_in_flight_count,
    last_batch.invited_count AS last_batch_invited_count,
    last_batch.released_count AS last_batch_released_count,
    last_batch.skipped_count AS last_batch_skipped_count,
    last_batch.waiting_count AS last_batch_waiting_count,
    outgoing.state AS message_state,
    outgoing.reason AS message_reason,
    outgoing.due_at AS message_due_at,
    rule.ordering,
    CASE rule.ordering
        WHEN 'oldest' THEN (
            SELECT count(*) + 1
            FROM subscription AS ahead
            WHERE
                ahead.shop_id = subscription.shop_id
                AND ahead.variant_id = subscription.variant_id
                AND ahead.state = 'waiting'
                AND (ahead.subscribed_at, ahead.subscription_id)
                < (subscription.subscribed_at, subscription.subscription_id)
        )
        WHEN 'newest' THEN (
            SELECT count(*) + 1
            FROM subscription AS ahead
            WHERE
                ahead.shop_id = subscription.shop_id
                AND ahead.variant_id = subscription.variant_id
                AND ahead.state = 'waiting'
                AND (ahead.subscribed_at, ahead.subscription_id)
                > (subscription.subscribed_at, subscription.subscription_id)
        )
        ELSE (
            SELECT count(*) + 1
            FROM subscription AS ahead
            JOIN profile AS other USING (shop_id, profile_id)
            WHERE
                ahead.shop_id = subscription.shop_id
                AND ahead.variant_id = subscription.variant_id
                AND ahead.state = 'waiting'
                AND (
                    queue_key(
                        rule.ordering, rule.seed, is_vip(other.properties, rule.vip_property),
                        ahead.subscribed_at, ahead.subscription_id
                    ) COLLATE "C",
                    ahead.subscribed_at,
                    ahead.subscription_id
                ) < (
                    queue_key(
                        rule.ordering, rule.seed, is_vip(profile.properties, rule.vip_property),
                        subscription.subscribed_at, subscription.subscription_id
                    ) COLLATE "C",
                    subscription.subscribed_at,
                    subscription.subscription_id
                )
        )
    END AS place,
    last_batch.decided_at >= subscription.created_at AS was_in_last_batch
FROM subscription
JOIN profile
    ON profile.shop_id = subscription.shop_id AND profile.profile_id = subscription.profile_id
LEFT JOIN variant
    ON variant.shop_id = subscription.shop_id AND variant.variant_id = subscription.variant_id
LEFT JOIN variant_stock AS stock
    ON stock.shop_id = subscription.shop_id AND stock.variant_id = subscription.variant_id
LEFT JOIN batch AS own_batch
    ON own_batch.shop_id = subscription.shop_id AND own_batch.batch_id = subscription.batch_id
LEFT JOIN LATERAL (
    SELECT
        batch.batch_id,
        batch.decided_at,
        batch.units,
        batch.basis_units,
        batch.customers_per_unit,
        batch.allowed_count,
        batch.in_flight_count,
        batch.invited_count,
        batch.released_count,
        batch.skipped_count,
        batch.waiting_count,
        batch.seed
    FROM batch
    WHERE
        batch.shop_id = subscription.shop_id
        AND batch.variant_id = subscription.variant_id
        AND batch.state = 'released'
    ORDER BY batch.decided_at DESC, batch.batch_id DESC
    LIMIT 1
) AS last_batch ON true
LEFT JOIN (
    SELECT
        rule_set_id,
        rules
    FROM rule_set
    ORDER BY rule_set_id DESC
    LIMIT 1
) AS in_force ON true
LEFT JOIN LATERAL effective_rules(
    in_force.rule_set_id, subscription.shop_id, subscription.variant_id, variant.product_id, variant.collections
) AS effective ON true
CROSS JOIN LATERAL (
    SELECT
        coalesce(effective.changed ->> 'ordering', in_force.rules ->> 'ordering', 'oldest') AS ordering,
        coalesce(effective.changed ->> 'vip_property', in_force.rules ->> 'vip_property', 'vip') AS vip_property,
        coalesce(last_batch.seed, '') AS seed
) AS rule
LEFT JOIN LATERAL (
    SELECT
        message.state,
        coalesce(
            message.reason,
            CASE WHEN message.state = 'queued' AND channel.paused_at IS NOT NULL THEN 'channel_paused' END
        ) AS reason,
        message.due_at
    FROM message
    JOIN channel ON channel.channel = message.channel
    WHERE
        message.shop_id = subscription.shop_id
        AND message.subscription_id = subscription.subscription_id
        AND message.batch_id = subscription.batch_id
    ORDER BY message.message_id
    LIMIT 1
) AS outgoing ON true
WHERE subscription.subscription_id = :subscription_id;

-- name: find_person
-- The profile behind an address or an id.
SELECT profile_id
FROM profile
WHERE
    shop_id = :shop_id
    AND (profile_id = CAST(:profile_id AS bigint) OR email_key = CAST(:email_key AS text));

-- name: list_requests
-- A person's requests, the newest first.
SELECT subscription_id
FROM subscription
WHERE shop_id = :shop_id AND profile_id = :profile_id
ORDER BY subscribed_at DESC, subscription_id DESC
LIMIT :most;

-- name: explain_variant
-- What release knows of a variant, and the rules that hold for it with where each came from (SEMANTICS 4.9).
SELECT
    stock.shop_id,
    stock.variant_id,
    variant.title,
    variant.is_published,
    variant.is_tracked,
    stock.available,
    stock.units,
    stock.is_open,
    stock.is_absent,
    stock.observed_at,
    stock.next_release_at,
    stock.next_check_at,
    stock.decided_at,
    stock.hold_reason,
    stock.guard_reason,
    stock.declined_until,
    in_force.rule_set_id,
    coalesce(in_force.rules, '{}') || coalesce(effective.changed, '{}') AS rules,
    coalesce(effective.origins, '{}') AS rule_origins,
    (
        SELECT count(*)
        FROM subscription
        WHERE
            subscription.shop_id = stock.shop_id
            AND subscription.variant_id = stock.variant_id
            AND subscription.state = 'waiting'
    ) AS waiting_count,
    (
        SELECT count(*)
        FROM subscription
        WHERE
            subscription.shop_id = stock.shop_id
            AND subscription.variant_id = stock.variant_id
            AND subscription.state = 'released'
    ) AS in_flight_count
FROM variant_stock AS stock
LEFT JOIN variant
    ON variant.shop_id = stock.shop_id AND variant.variant_id = stock.variant_id
LEFT JOIN (
    SELECT
        rule_set_id,
        rules
    FROM rule_set
    ORDER BY rule_set_id DESC
    LIMIT 1
) AS in_force ON true
LEFT JOIN LATERAL effective_rules(
    in_force.rule_set_id, stock.shop_id, stock.variant_id, variant.product_id, variant.collections
) AS effective ON true
WHERE stock.shop_id = :shop_id AND stock.variant_id = :variant_id;

-- name: count_waiting
-- Who waits for a variant, whether a catalog knows it or not.
SELECT count(*) AS waiting_count
FROM subscription
WHERE shop_id = :shop_id AND variant_id = :variant_id AND state = 'waiting';

-- name: explain_batch
-- Everything that decided a batch (SEMANTICS 4.8).
SELECT
    batch.shop_id,
    batch.batch_id,
    batch.variant_id,
    variant.title,
    batch.run_id,
    batch.state,
    batch.decided_at,
    batch.available,
    batch.units,
    batch.observed_at,
    batch.basis_units,
    batch.customers_per_unit,
    batch.wait_minutes,
    batch.ordering,
    batch.seed,
    batch.rule_set_id,
    batch.rules,
    batch.rule_origins,
    batch.waiting_count,
    batch.in_flight_count,
    batch.invited_count,
    batch.allowed_count,
    batch.released_count,
    batch.skipped_count,
    batch.passed_count,
    batch.next_release_at,
    batch.proposal_id,
    batch.answer_until,
    batch.answered_at,
    batch.answered_by
FROM batch
LEFT JOIN variant ON variant.shop_id = batch.shop_id AND variant.variant_id = batch.variant_id
WHERE batch.batch_id = :batch_id;

-- name: find_subject
-- What overrides can name of a variant.
SELECT
    product_id,
    collections
FROM variant
WHERE shop_id = :shop_id AND variant_id = :variant_id;
