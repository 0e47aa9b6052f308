-- name: find_channel
-- Whether a channel may send, and how many errors it has had in a row.
SELECT
    consecutive_errors,
    refused_addresses,
    paused_at,
    pause_reason,
    probe_at
FROM channel
WHERE channel = :channel;

-- name: list_channels
-- Every channel with what waits for it.
SELECT
    channel.channel,
    channel.consecutive_errors,
    channel.paused_at,
    channel.pause_reason,
    channel.probe_at,
    (
        SELECT count(*)
        FROM message
        WHERE message.channel = channel.channel AND message.state = 'queued'
    ) AS queued_count,
    (
        SELECT min(message.due_at)
        FROM message
        WHERE message.channel = channel.channel AND message.state = 'queued'
    ) AS earliest_due_at
FROM channel
ORDER BY channel.channel;

-- name: count_due
-- How many messages of a channel are due.
SELECT count(*)
FROM message
WHERE channel = :channel AND state = 'queued' AND parked_domain IS NULL AND due_at <= :now;

-- name: take_probe
-- One lane may try one message; the next try comes later each time.
UPDATE channel
SET
    probe_at = CAST(:now AS timestamptz) + least(
        CAST(:first_pause AS interval) * power(2, least(probe_count + 1, 20)), CAST(:longest_pause AS interval)
    ),
    probe_count = probe_count + 1
WHERE channel = :channel AND paused_at IS NOT NULL AND probe_at <= :now
RETURNING true AS is_taken;

-- name: note_success
-- The channel works; one that a person paused stays paused.
UPDATE channel
SET
    consecutive_errors = 0,
    refused_addresses = 0,
    probe_count = 0,
    paused_at = CASE WHEN probe_at IS NULL THEN paused_at END,
    pause_reason = CASE WHEN probe_at IS NULL THEN pause_reason END,
    probe_at = NULL
WHERE channel = :channel AND (consecutive_errors > 0 OR refused_addresses > 0 OR probe_at IS NOT NULL)
RETURNING paused_at;

-- name: note_errors
-- Errors of the channel itself and refused addresses, both in a row; from the limit on it pauses (SEMANTICS 6.5).
WITH counted AS (
    SELECT
        channel,
        consecutive_errors + :error_count AS consecutive_errors,
        refused_addresses + :refusal_count AS refused_addresses,
        (
            consecutive_errors + :error_count >= :most_errors
            OR refused_addresses + :refusal_count >= :most_refusals
        ) AS is_over
    FROM channel
    WHERE channel = :channel
    FOR UPDATE
)

UPDATE channel
SET
    consecutive_errors = counted.consecutive_errors,
    refused_addresses = counted.refused_addresses,
    paused_at = CASE WHEN counted.is_over THEN coalesce(paused_at, :now) ELSE paused_at END,
    pause_reason = CASE WHEN counted.is_over THEN coalesce(pause_reason, :detail) ELSE pause_reason END,
    probe_at = CASE WHEN counted.is_over AND paused_at IS NULL THEN :probe_at ELSE probe_at END
FROM counted
WHERE channel.channel = counted.channel
RETURNING
    channel.paused_at,
    channel.pause_reason;

-- name: pause
-- A person pauses a channel: nothing leaves, and nothing probes, until a person resumes it.
UPDATE channel
SET
    paused_at = coalesce(paused_at, :now),
    pause_reason = :reason,
    probe_at = NULL
WHERE channel = :channel
RETURNING true AS is_known;

-- name: resume
-- A person lets a channel send again.
UPDATE channel
SET
    consecutive_errors = 0,
    refused_addresses = 0,
    probe_count = 0,
    paused_at = NULL,
    pause_reason = NULL,
    probe_at = NULL
WHERE channel = :channel
RETURNING true AS is_known;

-- name: raise_alert
-- Something that a person should look at; raised again, it keeps its time.
INSERT INTO alert (kind, subject, detail, raised_at)
VALUES (:kind, :subject, :detail, :now)
ON CONFLICT (kind, subject) WHERE ended_at IS NULL DO UPDATE
    SET detail = excluded.detail;

-- name: end_alert
-- What a person should have looked at is over.
UPDATE alert
SET ended_at = :now
WHERE kind = :kind AND subject = :subject AND ended_at IS NULL;

-- name: list_alerts
-- Open alerts, oldest first.
SELECT
    kind,
    subject,
    detail,
    raised_at
FROM alert
WHERE ended_at IS NULL
ORDER BY raised_at, alert_id;
