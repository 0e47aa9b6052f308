-- name: lock_flows
-- Two registrations wait for each other.
SELECT pg_advisory_xact_lock(hashtextextended('restock.flows', 0));

-- name: upsert_flow
-- A flow as its file says; true when something differs from before.
INSERT INTO flow (flow_name, title, metric, first_step_id, definition, is_telling, is_registered, registered_at)
VALUES (:flow_name, :title, :metric, :first_step_id, CAST(:definition AS jsonb), :is_telling, true, :now)
ON CONFLICT (flow_name) DO UPDATE
    SET
        title = excluded.title,
        metric = excluded.metric,
        first_step_id = excluded.first_step_id,
        definition = excluded.definition,
        is_telling = excluded.is_telling,
        is_registered = true,
        registered_at = excluded.registered_at
    WHERE
        (flow.title, flow.metric, flow.first_step_id, flow.definition, flow.is_telling, flow.is_registered)
        IS DISTINCT FROM
        (excluded.title, excluded.metric, excluded.first_step_id, excluded.definition, excluded.is_telling, true)
RETURNING true AS is_changed;

-- name: upsert_step
-- A step of a flow.
INSERT INTO flow_step (flow_name, step_id, position, kind, channel, template, status, next_step_id)
VALUES (:flow_name, :step_id, :position, :kind, :channel, :template, :status, :next_step_id)
ON CONFLICT (flow_name, step_id) DO UPDATE
    SET
        position = excluded.position,
        kind = excluded.kind,
        channel = excluded.channel,
        template = excluded.template,
        status = excluded.status,
        next_step_id = excluded.next_step_id;

-- name: unregister_missing
-- Flows whose file is gone enrol nobody.
UPDATE flow
SET is_registered = false
WHERE is_registered AND NOT (flow_name = ANY (CAST(:flow_names AS text[])))
RETURNING flow_name;

-- name: find_step
-- A registered step.
SELECT
    flow_step.kind,
    flow_step.channel,
    flow_step.template,
    flow_step.status,
    flow_step.next_step_id,
    flow.metric
FROM flow_step
JOIN flow USING (flow_name)
WHERE flow_step.flow_name = :flow_name AND flow_step.step_id = :step_id;

-- name: move_message_step
-- Everyone due at a message step gets the message and stands at the next step, as one set (SEMANTICS 3.9, 6.1).
WITH due AS MATERIALIZED (
    SELECT
        shop_id,
        enrolment_id,
        profile_id,
        subscription_id,
        batch_id
    FROM enrolment
    WHERE flow_name = :flow_name AND step_id = :step_id AND state = 'active' AND due_at <= :now
    ORDER BY due_at, enrolment_id
    FOR UPDATE SKIP LOCKED
),

queued AS (
    INSERT INTO message (
        shop_id, message_key, channel, purpose, profile_id, subscription_id, enrolment_id, batch_id,
        variant_id, flow_name, step_id, template, state, due_at, created_at
    )
    SELECT
        due.shop_id,
        'flow:' || due.enrolment_id || ':' || CAST(:step_id AS text),
        :channel,
        :purpose,
        due.profile_id,
        due.subscription_id,
        due.enrolment_id,
        due.batch_id,
        subscription.variant_id,
        :flow_name,
        :step_id,
        :template,
        'queued',
        :now,
        :now
    FROM due
    LEFT JOIN subscription
        ON subscription.shop_id = due.shop_id AND subscription.subscription_id = due.subscription_id
    WHERE CAST(:status AS text) = 'live'
    ORDER BY due.enrolment_id
    ON CONFLICT (shop_id, message_key) DO NOTHING
    RETURNING 1
),

moved AS (
    UPDATE enrolment
    SET
        step_id = CAST(:next_step_id AS text),
        due_at = CASE WHEN CAST(:next_step_id AS text) IS NULL THEN NULL ELSE CAST(:now AS timestamptz) END,
        state = CASE WHEN CAST(:next_step_id AS text) IS NULL THEN 'completed' ELSE 'active' END,
        ended_at = CASE WHEN CAST(:next_step_id AS text) IS NULL THEN CAST(:now AS timestamptz) END
    FROM due
    WHERE enrolment.shop_id = due.shop_id AND enrolment.enrolment_id = due.enrolment_id
    RETURNING 1
)

SELECT
    (SELECT count(*) FROM moved) AS moved_count,
    (SELECT count(*) FROM queued) AS message_count;

-- name: list_telling
-- Flows of a metric that tell somebody something.
SELECT flow_name
FROM flow
WHERE metric = :metric AND is_telling AND is_registered
ORDER BY flow_name;

-- name: list_telling_channels
-- Channels on which the flows of a metric tell somebody something (SEMANTICS 4.6).
SELECT DISTINCT flow_step.channel
FROM flow
JOIN flow_step USING (flow_name)
WHERE
    flow.metric = :metric
    AND flow.is_telling
    AND flow.is_registered
    AND flow_step.status IN ('live', 'manual')
    AND flow_step.channel IS NOT NULL
ORDER BY flow_step.channel;
