-- name: sent
-- Sent, and the request that it answers is notified in the same transaction (SEMANTICS 3.9).
WITH sent AS (
    UPDATE message
    SET
        state = 'sent',
        reason = NULL,
        lane = NULL,
        lease_until = NULL,
        parked_domain = NULL,
        attempt_count = attempt_count + 1,
        is_recorded_only = :is_recorded_only,
        ended_at = delivered.sent_at
    FROM unnest(
        CAST(:shop_ids AS text[]), CAST(:message_ids AS bigint[]), CAST(:sent_at AS timestamptz[])
    ) AS delivered (shop_id, message_id, sent_at)
    WHERE
        message.shop_id = delivered.shop_id
        AND message.message_id = delivered.message_id
        AND message.state IN ('sending', 'queued', 'held')
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

-- name: note_late_sent
-- Messages found to have been sent on days that reports have built: these days are built again. A statement of its own,
-- since it must see what was published before its transaction wrote anything.
INSERT INTO report_late (shop_id, happened_at)
SELECT DISTINCT
    delivered.shop_id,
    date_bin('15 minutes', delivered.sent_at, 'epoch')
FROM unnest(CAST(:shop_ids AS text[]), CAST(:sent_at AS timestamptz[])) AS delivered (shop_id, sent_at)
JOIN report_progress AS progress ON progress.shop_id = delivered.shop_id
WHERE delivered.sent_at < progress.log_from;

-- name: skipped
-- Not sent, each with its reason.
UPDATE message
SET
    state = 'skipped',
    reason = stopped.reason,
    lane = NULL,
    lease_until = NULL,
    ended_at = :now
FROM unnest(
    CAST(:shop_ids AS text[]), CAST(:message_ids AS bigint[]), CAST(:reasons AS text[])
) AS stopped (shop_id, message_id, reason)
WHERE
    message.shop_id = stopped.shop_id
    AND message.message_id = stopped.message_id
    AND message.state = 'sending'
    AND message.lane = :lane;

-- name: failed
-- Given up, each with its reason.
UPDATE message
SET
    state = 'failed',
    reason = stopped.reason,
    lane = NULL,
    lease_until = NULL,
    attempt_count = attempt_count + 1,
    ended_at = :now
FROM unnest(
    CAST(:shop_ids AS text[]), CAST(:message_ids AS bigint[]), CAST(:reasons AS text[])
) AS stopped (shop_id, message_id, reason)
WHERE
    message.shop_id = stopped.shop_id
    AND message.message_id = stopped.message_id
    AND message.state = 'sending'
    AND message.lane = :lane;

-- name: held
-- A person decides, each with its reason.
UPDATE message
SET
    state = 'held',
    reason = stopped.reason,
    lane = NULL,
    lease_until = NULL,
    due_at = :now
FROM unnest(
    CAST(:shop_ids AS text[]), CAST(:message_ids AS bigint[]), CAST(:reasons AS text[])
) AS stopped (shop_id, message_id, reason)
WHERE
    message.shop_id = stopped.shop_id
    AND message.message_id = stopped.message_id
    AND message.state = 'sending'
    AND message.lane = :lane;

-- name: cancel_held
-- A person decided that it does not leave.
UPDATE message
SET
    state = 'skipped',
    reason = 'cancelled',
    ended_at = :now
WHERE state = 'held' AND shop_id = :shop_id AND message_id = :message_id;

-- name: requeue
-- Wait and look again later, each with its reason; `attempts` counts tries that reached the provider. A parked one keeps its place.
UPDATE message
SET
    state = 'queued',
    reason = later.reason,
    lane = NULL,
    lease_until = NULL,
    attempt_count = attempt_count + later.attempts,
    due_at = coalesce(later.due_at, message.due_at),
    parked_domain = later.parked_domain
FROM unnest(
    CAST(:shop_ids AS text[]), CAST(:message_ids AS bigint[]), CAST(:reasons AS text[]),
    CAST(:due_at AS timestamptz[]), CAST(:attempts AS integer[]), CAST(:parked_domains AS text[])
) AS later (shop_id, message_id, reason, due_at, attempts, parked_domain)
WHERE
    message.shop_id = later.shop_id
    AND message.message_id = later.message_id
    AND message.state = 'sending'
    AND message.lane = :lane;

-- name: record_attempts
-- Attempts that did not end in a sent message; `detail` holds no address.
INSERT INTO delivery_attempt (shop_id, message_id, attempt_number, attempted_at, outcome, code, detail)
SELECT
    tried.shop_id,
    tried.message_id,
    coalesce((
        SELECT max(earlier.attempt_number)
        FROM delivery_attempt AS earlier
        WHERE earlier.shop_id = tried.shop_id AND earlier.message_id = tried.message_id
    ), 0) + 1,
    :now,
    tried.outcome,
    tried.code,
    tried.detail
FROM unnest(
    CAST(:shop_ids AS text[]), CAST(:message_ids AS bigint[]), CAST(:outcomes AS text[]),
    CAST(:codes AS text[]), CAST(:details AS text[])
) AS tried (shop_id, message_id, outcome, code, detail)
ORDER BY tried.shop_id, tried.message_id;

-- name: suppress_recipients
-- The addresses of some messages are not written to any more.
INSERT INTO suppression (shop_id, channel, address_key, reason, suppressed_at)
SELECT
    message.shop_id,
    message.channel,
    CASE message.channel WHEN 'EMAIL' THEN profile.email_key ELSE profile.phone END,
    :reason,
    :now
FROM unnest(CAST(:shop_ids AS text[]), CAST(:message_ids AS bigint[])) AS refused (shop_id, message_id)
JOIN message ON message.shop_id = refused.shop_id AND message.message_id = refused.message_id
JOIN profile ON profile.shop_id = message.shop_id AND profile.profile_id = message.profile_id
WHERE CASE message.channel WHEN 'EMAIL' THEN profile.email_key ELSE profile.phone END IS NOT NULL
ORDER BY message.shop_id, message.channel, profile.profile_id
ON CONFLICT DO NOTHING;
