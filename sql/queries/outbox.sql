-- name: find_delivery
-- How this database may deliver, and which database it is (SEMANTICS 6.6).
SELECT
    installation.delivery,
    installation.allow_list,
    installation.bound_to,
    installation.link_secret,
    control.system_identifier || '/' || pg_database.oid AS identity
FROM installation
CROSS JOIN pg_control_system() AS control
JOIN pg_database ON pg_database.datname = current_database();

-- name: set_delivery
-- Bind a way of delivery to this very database (SEMANTICS 6.6).
UPDATE installation
SET
    delivery = :delivery,
    allow_list = CAST(:allow_list AS text[]),
    bound_to = (
        SELECT control.system_identifier || '/' || pg_database.oid
        FROM pg_control_system() AS control
        JOIN pg_database ON pg_database.datname = current_database()
    );

-- name: requeue_expired
-- Messages whose lease ran out are in doubt: they go again under the same Message-ID (SEMANTICS 6.3).
UPDATE message
SET
    state = 'queued',
    lease_until = NULL,
    lane = NULL,
    reason = 'in_doubt',
    due_at = :now
WHERE state = 'sending' AND lease_until < :now
RETURNING message_id;

-- name: lock_claims
-- Claims of a channel wait for each other, so that each takes an unbroken run of the queue and keeps its order.
SELECT pg_advisory_xact_lock(hashtextextended('restock.claim.' || CAST(:channel AS text), 0));

-- name: claim_messages
-- Take the next messages of a channel under a lease.
WITH next AS MATERIALIZED (
    SELECT
        shop_id,
        message_id
    FROM message
    WHERE channel = :channel AND state = 'queued' AND due_at <= :now
    ORDER BY priority, due_at, message_id
    LIMIT :claim_size
    FOR UPDATE SKIP LOCKED
)

UPDATE message
SET
    state = 'sending',
    lane = :lane,
    lease_until = :lease_until
FROM next
WHERE message.shop_id = next.shop_id AND message.message_id = next.message_id
RETURNING message.message_id;

-- name: renew_lease
-- A lane that is still at work keeps what it holds.
UPDATE message
SET lease_until = :lease_until
WHERE state = 'sending' AND lane = :lane AND message_id = ANY (CAST(:message_ids AS bigint[]));

-- name: check_claimed
-- What stands against each claimed message, in the order of SEMANTICS 5, and what its template needs.
WITH claimed AS (
    SELECT *
    FROM message
    WHERE message_id = ANY (CAST(:message_ids AS bigint[])) AND state = 'sending' AND lane = :lane
),

freshness AS (
    SELECT
        shop.shop_id,
        shop.max_stock_age,
        (
            SELECT max(snapshot.observed_at)
            FROM snapshot
            WHERE
                snapshot.shop_id = shop.shop_id
                AND snapshot.kind = 'full'
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

sent_lately AS (
    SELECT
        claimed.message_id,
        row_number() OVER (PARTITION BY claimed.shop_id, claimed.profile_id ORDER BY claimed.message_id) - 1
        + (
            SELECT count(*)
            FROM message AS earlier
            WHERE
                earlier.shop_id = claimed.shop_id
                AND earlier.profile_id = claimed.profile_id
                AND earlier.channel = claimed.channel
                AND earlier.state = 'sent'
                AND earlier.purpose = 'back_in_stock'
                AND earlier.ended_at > CAST(:now AS timestamptz) - INTERVAL '24 hours'
        ) AS sent_count
    FROM claimed
    WHERE claimed.purpose = 'back_in_stock'
)

SELECT
    claimed.shop_id,
    claimed.message_id,
    claimed.message_key,
    claimed.purpose,
    claimed.template,
    claimed.variant_id,
    claimed.profile_id,
    claimed.subscription_id,
    claimed.attempt_count,
    CASE
        WHEN claimed.purpose = 'back_in_stock' AND subscription.state = 'cancelled' THEN 'cancelled'
        WHEN claimed.purpose = 'back_in_stock' AND subscription.batch_id IS DISTINCT FROM claimed.batch_id
            THEN 'covered'
        WHEN profile.email IS NULL THEN 'missing_email'
        WHEN suppression.reason = 'invalid_address' THEN 'invalid_address'
        WHEN suppression.reason IS NOT NULL THEN 'suppressed'
        WHEN claimed.purpose = 'back_in_stock'
            AND (NOT stock.is_open OR stock.units < batch.min_inventory OR stock.variant_id IS NULL)
            THEN 'out_of_stock_again'
    END AS skip_reason,
    CASE
        WHEN claimed.purpose <> 'back_in_stock' THEN NULL
        WHEN stock.is_absent
            OR greatest(stock.observed_at, freshness.full_at) < CAST(:now AS timestamptz) - freshness.max_stock_age
            OR freshness.refused_at > greatest(stock.observed_at, freshness.full_at)
            THEN 'stale_stock'
        WHEN sent_lately.sent_count >= :max_alerts_per_day THEN 'frequency_cap'
    END AS wait_reason,
    profile.email,
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
        AND suppression.address_key = profile.email_key
LEFT JOIN subscription
    ON subscription.shop_id = claimed.shop_id AND subscription.subscription_id = claimed.subscription_id
LEFT JOIN batch ON batch.shop_id = claimed.shop_id AND batch.batch_id = claimed.batch_id
LEFT JOIN variant_stock AS stock ON stock.shop_id = claimed.shop_id AND stock.variant_id = claimed.variant_id
LEFT JOIN variant ON variant.shop_id = claimed.shop_id AND variant.variant_id = claimed.variant_id
LEFT JOIN sent_lately ON sent_lately.message_id = claimed.message_id
ORDER BY claimed.priority, claimed.due_at, claimed.message_id;

-- name: mark_sent
-- Sent, and the request that it answers is notified in the same transaction (SEMANTICS 3.9).
WITH sent AS (
    UPDATE message
    SET
        state = 'sent',
        reason = NULL,
        lane = NULL,
        lease_until = NULL,
        attempt_count = attempt_count + 1,
        is_recorded_only = :is_recorded_only,
        ended_at = delivered.sent_at
    FROM unnest(CAST(:message_ids AS bigint[]), CAST(:sent_at AS timestamptz[])) AS delivered (message_id, sent_at)
    WHERE message.message_id = delivered.message_id AND message.state IN ('sending', 'queued')
    RETURNING
        message.shop_id,
        message.subscription_id,
        message.purpose,
        delivered.sent_at
)

UPDATE subscription
SET
    state = 'notified',
    reason = NULL,
    notified_at = sent.sent_at,
    ended_at = sent.sent_at
FROM sent
WHERE
    subscription.shop_id = sent.shop_id
    AND subscription.subscription_id = sent.subscription_id
    AND sent.purpose = 'back_in_stock'
    AND subscription.state = 'released';

-- name: mark_skipped
-- Not sent, each with its reason.
UPDATE message
SET
    state = 'skipped',
    reason = stopped.reason,
    lane = NULL,
    lease_until = NULL,
    ended_at = :now
FROM unnest(CAST(:message_ids AS bigint[]), CAST(:reasons AS text[])) AS stopped (message_id, reason)
WHERE message.message_id = stopped.message_id AND message.state = 'sending' AND message.lane = :lane;

-- name: mark_failed
-- Given up, each with its reason.
UPDATE message
SET
    state = 'failed',
    reason = stopped.reason,
    lane = NULL,
    lease_until = NULL,
    attempt_count = attempt_count + 1,
    ended_at = :now
FROM unnest(CAST(:message_ids AS bigint[]), CAST(:reasons AS text[])) AS stopped (message_id, reason)
WHERE message.message_id = stopped.message_id AND message.state = 'sending' AND message.lane = :lane;

-- name: requeue
-- Wait and look again later, each with its reason; `attempts` counts tries that reached the provider.
UPDATE message
SET
    state = 'queued',
    reason = later.reason,
    lane = NULL,
    lease_until = NULL,
    attempt_count = attempt_count + later.attempts,
    due_at = later.due_at
FROM unnest(
    CAST(:message_ids AS bigint[]), CAST(:reasons AS text[]), CAST(:due_at AS timestamptz[]),
    CAST(:attempts AS integer[])
) AS later (message_id, reason, due_at, attempts)
WHERE message.message_id = later.message_id AND message.state = 'sending' AND message.lane = :lane;

-- name: record_attempt
-- An attempt that did not end in a sent message; `detail` holds no address.
INSERT INTO delivery_attempt (shop_id, message_id, attempt_number, attempted_at, outcome, code, detail)
SELECT
    shop_id,
    message_id,
    coalesce((
        SELECT max(earlier.attempt_number)
        FROM delivery_attempt AS earlier
        WHERE earlier.shop_id = message.shop_id AND earlier.message_id = message.message_id
    ), 0) + 1,
    :now,
    :outcome,
    :code,
    :detail
FROM message
WHERE message_id = :message_id;

-- name: suppress_recipient
-- The address of a message is not written to any more.
INSERT INTO suppression (shop_id, channel, address_key, reason, suppressed_at)
SELECT
    message.shop_id,
    message.channel,
    profile.email_key,
    :reason,
    :now
FROM message
JOIN profile ON profile.shop_id = message.shop_id AND profile.profile_id = message.profile_id
WHERE message.message_id = :message_id AND profile.email_key IS NOT NULL
ON CONFLICT DO NOTHING;

-- name: settle_requests
-- Requests whose first messages all ended unsent: back in their old place if the stock went, else skipped (3.9).
WITH candidate AS (
    SELECT DISTINCT
        subscription.shop_id,
        subscription.subscription_id,
        subscription.batch_id,
        subscription.variant_id
    FROM message
    JOIN subscription
        ON subscription.shop_id = message.shop_id AND subscription.subscription_id = message.subscription_id
    WHERE
        message.message_id = ANY (CAST(:message_ids AS bigint[]))
        AND subscription.state = 'released'
        AND subscription.batch_id = message.batch_id
),

outcome AS (
    SELECT
        candidate.shop_id,
        candidate.subscription_id,
        candidate.batch_id,
        candidate.variant_id,
        bool_or(message.state IN ('queued', 'sending', 'sent')) AS is_under_way,
        bool_or(message.reason = 'out_of_stock_again') AS is_sold_out_again,
        min(message.reason) AS reason
    FROM candidate
    JOIN message
        ON
            message.shop_id = candidate.shop_id
            AND message.subscription_id = candidate.subscription_id
            AND message.batch_id = candidate.batch_id
    GROUP BY candidate.shop_id, candidate.subscription_id, candidate.batch_id, candidate.variant_id
),

settled AS (
    SELECT *
    FROM outcome
    WHERE NOT is_under_way AND NOT EXISTS (
        SELECT 1
        FROM enrolment
        JOIN flow_step USING (flow_name, step_id)
        WHERE
            enrolment.shop_id = outcome.shop_id
            AND enrolment.subscription_id = outcome.subscription_id
            AND enrolment.batch_id = outcome.batch_id
            AND enrolment.state = 'active'
            AND NOT outcome.is_sold_out_again
            AND flow_step.status = 'live'
    )
),

requests AS (
    UPDATE subscription
    SET
        state = CASE WHEN settled.is_sold_out_again THEN 'waiting' ELSE 'skipped' END,
        reason = CASE WHEN settled.is_sold_out_again THEN 'out_of_stock_again' ELSE settled.reason END,
        ended_at = CASE WHEN settled.is_sold_out_again THEN NULL ELSE CAST(:now AS timestamptz) END
    FROM settled
    WHERE subscription.shop_id = settled.shop_id AND subscription.subscription_id = settled.subscription_id
),

enrolments AS (
    UPDATE enrolment
    SET
        state = 'ended',
        reason = settled.reason,
        step_id = NULL,
        due_at = NULL,
        ended_at = :now
    FROM settled
    WHERE
        enrolment.shop_id = settled.shop_id
        AND enrolment.subscription_id = settled.subscription_id
        AND enrolment.batch_id = settled.batch_id
        AND settled.is_sold_out_again
),

variants AS (
    UPDATE variant_stock AS stock
    SET next_check_at = least(
        coalesce(stock.next_check_at, 'infinity'), greatest(:now, coalesce(stock.next_release_at, :now))
    )
    WHERE stock.is_open AND (stock.shop_id, stock.variant_id) IN (
        SELECT
            settled.shop_id,
            settled.variant_id
        FROM settled
        WHERE settled.is_sold_out_again
    )
)

SELECT
    count(*) FILTER (WHERE is_sold_out_again) AS returned_count,
    count(*) FILTER (WHERE NOT is_sold_out_again) AS skipped_count
FROM settled;

-- name: find_channel
-- Whether a channel may send.
SELECT
    consecutive_errors,
    paused_at,
    pause_reason,
    probe_at
FROM channel
WHERE channel = :channel;

-- name: note_channel_error
-- One more error of the channel itself; from the limit on it pauses and probes later (SEMANTICS 6.5).
UPDATE channel
SET
    consecutive_errors = consecutive_errors + 1,
    paused_at = CASE
        WHEN consecutive_errors + 1 >= :max_consecutive_errors THEN coalesce(paused_at, :now)
        ELSE paused_at
    END,
    pause_reason = CASE
        WHEN consecutive_errors + 1 >= :max_consecutive_errors THEN :detail
        ELSE pause_reason
    END,
    probe_at = CASE
        WHEN consecutive_errors + 1 >= :max_consecutive_errors THEN :probe_at
        ELSE probe_at
    END
WHERE channel = :channel
RETURNING paused_at;

-- name: note_channel_success
-- The channel works.
UPDATE channel
SET
    consecutive_errors = 0,
    paused_at = NULL,
    pause_reason = NULL,
    probe_at = NULL
WHERE channel = :channel AND (consecutive_errors > 0 OR paused_at IS NOT NULL);
