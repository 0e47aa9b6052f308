-- name: lock_flows
-- Two registrations wait for each other.
SELECT pg_advisory_xact_lock(hashtextextended('restock.flows', 0));

-- name: upsert_flow
-- A flow as its file says; true when something differs from before.
INSERT INTO flow (
    flow_name, title, metric, purpose, first_step_id, definition, is_telling, is_registered, registered_at
)
VALUES (
    :flow_name, :title, :metric, :purpose, :first_step_id, CAST(:definition AS jsonb), :is_telling, true, :now
)
ON CONFLICT (flow_name) DO UPDATE
    SET
        title = excluded.title,
        metric = excluded.metric,
        purpose = excluded.purpose,
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
INSERT INTO flow_step (
    flow_name, step_id, position, kind, channel, template, status, next_step_id, uses_smart_sending,
    requires_stock, without_stock
)
VALUES (
    :flow_name, :step_id, :position, :kind, :channel, :template, :status, :next_step_id, :uses_smart_sending,
    :requires_stock, :without_stock
)
ON CONFLICT (flow_name, step_id) DO UPDATE
    SET
        position = excluded.position,
        kind = excluded.kind,
        channel = excluded.channel,
        template = excluded.template,
        status = excluded.status,
        next_step_id = excluded.next_step_id,
        uses_smart_sending = excluded.uses_smart_sending,
        requires_stock = excluded.requires_stock,
        without_stock = excluded.without_stock,
        is_deleted = false;

-- name: delete_steps
-- Steps that a flow's file holds no more.
UPDATE flow_step
SET is_deleted = true
WHERE flow_name = :flow_name AND NOT (step_id = ANY (CAST(:step_ids AS text[])));

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
    flow.purpose,
    ARRAY(
        SELECT DISTINCT telling.channel
        FROM flow_step AS telling
        WHERE
            telling.flow_name = flow.flow_name
            AND telling.status IN ('live', 'manual')
            AND NOT telling.is_deleted
        ORDER BY telling.channel
    ) AS offered_channels
FROM flow_step
JOIN flow USING (flow_name)
WHERE flow_step.flow_name = :flow_name AND flow_step.step_id = :step_id;

-- name: move_message_step
-- Everyone due at a message step gets the message and stands at the next step, as one set (SEMANTICS 3.9, 6.1).
-- Where a flow tells on several channels, each person gets it on one, and at the steps of others nothing (3.1).
-- A manual message is held for a person's decision (7.3).
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

chosen AS MATERIALIZED (
    SELECT
        due.shop_id,
        due.enrolment_id,
        due.profile_id,
        due.subscription_id,
        due.batch_id,
        subscription.variant_id,
        CASE
            WHEN CAST(:is_choice AS boolean) AND subscription.subscription_id IS NOT NULL
                THEN pick_channel(
                    due.shop_id, due.profile_id, subscription.channels, CAST(:offered_channels AS text[])
                )
            WHEN subscription.subscription_id IS NULL OR CAST(:channel AS text) = ANY (subscription.channels)
                THEN CAST(:channel AS text)
        END AS channel
    FROM due
    LEFT JOIN subscription
        ON subscription.shop_id = due.shop_id AND subscription.subscription_id = due.subscription_id
),

written AS (
    INSERT INTO message (
        shop_id, message_key, channel, purpose, priority, profile_id, subscription_id, enrolment_id, batch_id,
        variant_id, flow_name, step_id, template, state, reason, due_at, created_at, ended_at
    )
    SELECT
        chosen.shop_id,
        'flow:' || chosen.enrolment_id || ':' || CAST(:step_id AS text),
        :channel,
        :purpose,
        :priority,
        chosen.profile_id,
        chosen.subscription_id,
        chosen.enrolment_id,
        chosen.batch_id,
        chosen.variant_id,
        :flow_name,
        :step_id,
        :template,
        CASE
            WHEN chosen.channel IS NULL THEN 'skipped'
            WHEN CAST(:status AS text) = 'manual' THEN 'held'
            ELSE 'queued'
        END,
        CASE
            WHEN chosen.channel IS NULL
                THEN coalesce(channel_obstacle(chosen.shop_id, :channel, chosen.profile_id), 'undeliverable')
            WHEN CAST(:status AS text) = 'manual' THEN 'manual'
        END,
        :now,
        :now,
        CASE WHEN chosen.channel IS NULL THEN CAST(:now AS timestamptz) END
    FROM chosen
    WHERE
        CAST(:status AS text) IN ('live', 'manual')
        AND (chosen.channel = :channel OR chosen.channel IS NULL)
    ORDER BY chosen.enrolment_id
    ON CONFLICT (shop_id, message_key) DO NOTHING
    RETURNING
        enrolment_id,
        state
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
    RETURNING enrolment.enrolment_id
),

told AS MATERIALIZED (
    SELECT enrolment_id
    FROM written
    WHERE state <> 'skipped'
),

passed AS (
    SELECT
        due.shop_id,
        due.subscription_id
    FROM due
    LEFT JOIN told USING (enrolment_id)
    WHERE due.subscription_id IS NOT NULL AND told.enrolment_id IS NULL
)

SELECT
    (SELECT count(*) FROM moved) AS moved_count,
    (SELECT count(*) FROM told) AS message_count,
    coalesce(array_agg(passed.shop_id ORDER BY passed.subscription_id), '{}') AS passed_shop_ids,
    coalesce(array_agg(passed.subscription_id ORDER BY passed.subscription_id), '{}') AS passed_ids
FROM passed;

-- name: wake_messages_on_hold
-- Later messages of flows that waited for stock are checked again where a variant opened (SEMANTICS 3.9).
UPDATE message
SET due_at = :now
FROM touched_variant
JOIN variant_stock AS stock
    ON stock.shop_id = :shop_id AND stock.variant_id = touched_variant.variant_id AND stock.is_open
WHERE
    touched_variant.snapshot_id = :snapshot_id
    AND message.shop_id = :shop_id
    AND message.variant_id = touched_variant.variant_id
    AND message.state = 'queued'
    AND message.reason = 'hold';

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
    AND NOT flow_step.is_deleted
    AND flow_step.channel IS NOT NULL
ORDER BY flow_step.channel;
