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
-- Messages whose lease ran out are in doubt: they go again, or a person decides (SEMANTICS 6.3).
UPDATE message
SET
    state = CASE
        WHEN CAST(:on_doubt AS text) = 'hold' OR doubt_count + 1 >= :most_doubts THEN 'held'
        ELSE 'queued'
    END,
    lease_until = NULL,
    lane = NULL,
    reason = 'in_doubt',
    doubt_count = doubt_count + 1,
    due_at = :now
WHERE state = 'sending' AND lease_until < :now
RETURNING shop_id, message_id, state;

-- name: lock_claims
-- Claims of a channel wait for each other, so that each takes an unbroken run of the queue and keeps its order.
SELECT pg_advisory_xact_lock(hashtextextended('restock.claim.' || CAST(:channel AS text), 0));

-- name: claim_messages
-- Take the next messages of a channel under a lease: first parked ones for which there is room, then the queue.
WITH parked AS MATERIALIZED (
    SELECT
        choice.shop_id,
        choice.message_id
    FROM unnest(CAST(:domains AS text[]), CAST(:rooms AS integer[])) AS limited (domain, room)
    CROSS JOIN LATERAL (
        SELECT
            message.shop_id,
            message.message_id
        FROM message
        WHERE message.channel = :channel AND message.parked_domain = limited.domain
        ORDER BY message.priority, message.due_at, message.message_id
        LIMIT limited.room
        FOR UPDATE SKIP LOCKED
    ) AS choice
    LIMIT :claim_size
),

next AS MATERIALIZED (
    SELECT
        shop_id,
        message_id
    FROM message
    WHERE channel = :channel AND state = 'queued' AND parked_domain IS NULL AND due_at <= :now
    ORDER BY priority, due_at, message_id
    LIMIT :claim_size
    FOR UPDATE SKIP LOCKED
),

-- What parked ones leave no room for is cut off here: with a limit that it can't see, the planner reads the whole table.
chosen AS (
    SELECT
        shop_id,
        message_id
    FROM parked
    UNION ALL
    SELECT
        shop_id,
        message_id
    FROM next
    LIMIT :claim_size
)

UPDATE message
SET
    state = 'sending',
    lane = :lane,
    lease_until = :lease_until,
    parked_domain = NULL
FROM chosen
WHERE message.shop_id = chosen.shop_id AND message.message_id = chosen.message_id
RETURNING
    message.shop_id,
    message.message_id;

-- name: renew_lease
-- A lane that is still at work keeps what it holds, save what it is in doubt about.
UPDATE message
SET lease_until = :lease_until
WHERE
    state = 'sending'
    AND lane = :lane
    AND lease_until < :lease_until
    AND NOT message_id = ANY (CAST(:doubtful_ids AS bigint[]));

-- name: release_claims
-- What a lane took and did not send is free for others, at its old place.
UPDATE message
SET
    state = 'queued',
    lane = NULL,
    lease_until = NULL,
    reason = :reason
FROM unnest(CAST(:shop_ids AS text[]), CAST(:message_ids AS bigint[])) AS unsent (shop_id, message_id)
WHERE
    message.shop_id = unsent.shop_id
    AND message.message_id = unsent.message_id
    AND message.state = 'sending'
    AND message.lane = :lane;

-- name: find_claims
-- What a lane has taken and not ended.
SELECT
    shop_id,
    message_id
FROM message
WHERE state = 'sending' AND lane = :lane
ORDER BY shop_id, message_id;

-- name: free_dead_lane
-- A lane is known to be dead: what its journal does not name never left and is free at its old place.
UPDATE message
SET
    state = 'queued',
    lane = NULL,
    lease_until = NULL
WHERE state = 'sending' AND lane = :lane
RETURNING message_id;

-- name: settle_doubts
-- Handed over without an answer: they go again, or a person decides (SEMANTICS 6.3).
UPDATE message
SET
    state = CASE
        WHEN CAST(:on_doubt AS text) = 'hold' OR doubt_count + 1 >= :most_doubts THEN 'held'
        ELSE 'queued'
    END,
    lease_until = NULL,
    lane = NULL,
    reason = 'in_doubt',
    doubt_count = doubt_count + 1,
    due_at = :now
FROM unnest(CAST(:shop_ids AS text[]), CAST(:message_ids AS bigint[])) AS doubtful (shop_id, message_id)
WHERE
    message.shop_id = doubtful.shop_id
    AND message.message_id = doubtful.message_id
    AND message.state = 'sending'
    AND message.lane = :lane
RETURNING message.shop_id, message.message_id, message.state;

-- name: list_held
-- What waits for a person, oldest first; no address.
SELECT
    message_id,
    shop_id,
    message_key,
    channel,
    purpose,
    template,
    reason,
    attempt_count,
    due_at AS held_at
FROM message
WHERE state = 'held'
ORDER BY due_at, message_id;

-- name: find_held
-- One message that waits for a person.
SELECT
    shop_id,
    message_id
FROM message
WHERE state = 'held' AND message_id = :message_id;

-- name: resend_held
-- A person lets it go, under its old Message-ID; no manual step holds it again (SEMANTICS 7.3).
UPDATE message
SET
    state = 'queued',
    reason = CASE WHEN reason <> 'manual' THEN reason END,
    approved_at = :now,
    due_at = :now
WHERE state = 'held' AND shop_id = :shop_id AND message_id = :message_id;

-- name: count_held
-- How many messages wait for a person.
SELECT count(*)
FROM message
WHERE state = 'held';

-- name: find_link_secret
-- What signs this database's links.
SELECT link_secret FROM installation;
