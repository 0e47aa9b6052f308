-- name: find_people
-- Whom these identifiers mean in one shop; each that is given finds its owner.
SELECT profile_id
FROM profile
WHERE
    shop_id = :shop_id
    AND (
        email_key = CAST(:email_key AS text)
        OR phone = CAST(:phone AS text)
        OR external_id = CAST(:external_id AS text)
    )
ORDER BY profile_id;

-- name: erase_people
-- Forget people: what they were told and asked for stays as counts, without anybody; who objected is kept as a digest (SEMANTICS 10.3).
WITH erased AS (
    SELECT
        profile_id,
        email_key,
        phone
    FROM profile
    WHERE shop_id = :shop_id AND profile_id = ANY (CAST(:profile_ids AS bigint[]))
    FOR UPDATE
),

forgotten AS (
    UPDATE profile
    SET
        email = NULL,
        email_key = NULL,
        phone = NULL,
        external_id = NULL,
        first_name = NULL,
        last_name = NULL,
        locale = NULL,
        time_zone = NULL,
        properties = '{}'
    FROM erased
    WHERE profile.shop_id = :shop_id AND profile.profile_id = erased.profile_id
    RETURNING profile.profile_id
),

cancelled AS (
    UPDATE subscription
    SET
        state = CASE
            WHEN subscription.state IN ('unconfirmed', 'waiting', 'released') THEN 'cancelled'
            ELSE subscription.state
        END,
        reason = CASE
            WHEN subscription.state IN ('unconfirmed', 'waiting', 'released') THEN 'profile_deleted'
            ELSE subscription.reason
        END,
        ended_at = CASE
            WHEN subscription.state IN ('unconfirmed', 'waiting', 'released') THEN CAST(:now AS timestamptz)
            ELSE subscription.ended_at
        END,
        proof = NULL
    FROM erased
    WHERE subscription.shop_id = :shop_id AND subscription.profile_id = erased.profile_id
),

stopped AS (
    UPDATE enrolment
    SET
        state = 'ended',
        reason = 'profile_deleted',
        step_id = NULL,
        due_at = NULL,
        ended_at = :now
    FROM erased
    WHERE
        enrolment.shop_id = :shop_id AND enrolment.profile_id = erased.profile_id AND enrolment.state = 'active'
),

unsent AS (
    UPDATE message
    SET
        state = 'skipped',
        reason = 'profile_deleted',
        parked_domain = NULL,
        ended_at = :now
    FROM erased
    WHERE
        message.shop_id = :shop_id AND message.profile_id = erased.profile_id AND message.state IN ('queued', 'held')
),

emptied AS (
    UPDATE event
    SET
        properties = '{}',
        unique_id = 'erased:' || event.event_id
    FROM erased
    WHERE event.shop_id = :shop_id AND event.profile_id = erased.profile_id
),

unsaid AS (
    DELETE FROM consent
    USING erased
    WHERE consent.shop_id = :shop_id AND consent.profile_id = erased.profile_id
),

objected AS (
    SELECT
        suppression.channel,
        suppression.address_key,
        erased_key(installation.link_secret, suppression.address_key) AS erased_key
    FROM erased
    CROSS JOIN installation
    JOIN suppression
        ON
            suppression.shop_id = :shop_id
            AND suppression.address_key = CASE suppression.channel
                WHEN 'SMS' THEN erased.phone
                ELSE erased.email_key
            END
),

hidden AS (
    UPDATE suppression
    SET address_key = objected.erased_key
    FROM objected
    WHERE
        suppression.shop_id = :shop_id
        AND suppression.channel = objected.channel
        AND suppression.address_key = objected.address_key
        AND NOT EXISTS (
            SELECT 1
            FROM suppression AS earlier
            WHERE
                earlier.shop_id = :shop_id
                AND earlier.channel = objected.channel
                AND earlier.address_key = objected.erased_key
        )
    RETURNING objected.channel, objected.address_key
),

dropped AS (
    DELETE FROM suppression
    USING objected
    WHERE
        suppression.shop_id = :shop_id
        AND suppression.channel = objected.channel
        AND suppression.address_key = objected.address_key
        AND (objected.channel, objected.address_key) NOT IN (SELECT hidden.channel, hidden.address_key FROM hidden)
)

SELECT count(*) FROM forgotten;

-- name: list_everybody
-- The next people of a shop who still have a name.
SELECT profile_id
FROM profile
WHERE
    shop_id = :shop_id
    AND profile_id > :after_id
    AND (
        email_key IS NOT NULL OR phone IS NOT NULL OR external_id IS NOT NULL
        OR first_name IS NOT NULL OR last_name IS NOT NULL OR properties <> '{}'
    )
ORDER BY profile_id
LIMIT :most;

-- name: list_forgettable
-- People of whom nothing was heard or sent since, and who wait for nothing.
SELECT
    profile.shop_id,
    array_agg(profile.profile_id ORDER BY profile.profile_id) AS profile_ids
FROM (
    SELECT
        profile.shop_id,
        profile.profile_id
    FROM profile
    WHERE
        profile.created_at < :since
        AND (profile.email_key IS NOT NULL OR profile.phone IS NOT NULL OR profile.external_id IS NOT NULL)
        AND NOT EXISTS (
            SELECT 1
            FROM subscription
            WHERE
                subscription.shop_id = profile.shop_id
                AND subscription.profile_id = profile.profile_id
                AND (
                    subscription.state IN ('unconfirmed', 'waiting', 'released')
                    OR subscription.ended_at >= :since
                )
        )
        AND NOT EXISTS (
            SELECT 1
            FROM profile_metric
            WHERE
                profile_metric.shop_id = profile.shop_id
                AND profile_metric.profile_id = profile.profile_id
                AND profile_metric.last_at >= :since
        )
    ORDER BY profile.shop_id, profile.profile_id
    LIMIT :most
) AS profile
GROUP BY profile.shop_id
ORDER BY profile.shop_id;

-- name: note_request
-- Somebody asked for their data, or to be forgotten.
INSERT INTO privacy_request (shop_id, kind, source, person_digest, asked_at, done_at)
VALUES (:shop_id, :kind, :source, CAST(:person_digest AS text), :now, CAST(:done_at AS timestamptz))
RETURNING privacy_request_id;

-- name: read_profiles
-- All that is kept of some people.
SELECT
    profile_id,
    email,
    phone,
    external_id,
    first_name,
    last_name,
    locale,
    time_zone,
    properties,
    created_at
FROM profile
WHERE shop_id = :shop_id AND profile_id = ANY (CAST(:profile_ids AS bigint[]))
ORDER BY profile_id;

-- name: read_requests
-- What some people asked to be told.
SELECT
    subscription_id,
    variant_id,
    product_id,
    channels,
    wanted_quantity,
    source,
    subscribed_at,
    state,
    reason,
    released_at,
    notified_at,
    ended_at,
    proof
FROM subscription
WHERE shop_id = :shop_id AND profile_id = ANY (CAST(:profile_ids AS bigint[]))
ORDER BY subscription_id;

-- name: read_consents
-- What some people agreed to, or withdrew.
SELECT
    channel,
    purpose,
    state,
    changed_at,
    source,
    proof
FROM consent
WHERE shop_id = :shop_id AND profile_id = ANY (CAST(:profile_ids AS bigint[]))
ORDER BY profile_id, channel, purpose;

-- name: read_suppressions
-- Which addresses of some people are not written to.
SELECT
    suppression.channel,
    suppression.reason,
    suppression.suppressed_at
FROM suppression
JOIN profile
    ON
        profile.shop_id = suppression.shop_id
        AND suppression.address_key = CASE suppression.channel WHEN 'SMS' THEN profile.phone ELSE profile.email_key END
WHERE suppression.shop_id = :shop_id AND profile.profile_id = ANY (CAST(:profile_ids AS bigint[]))
ORDER BY suppression.channel, suppression.suppressed_at;

-- name: read_messages
-- What some people were sent, or would have been.
SELECT
    message_key,
    channel,
    purpose,
    state,
    reason,
    variant_id,
    created_at,
    ended_at
FROM message
WHERE shop_id = :shop_id AND profile_id = ANY (CAST(:profile_ids AS bigint[]))
ORDER BY message_id;

-- name: read_events
-- What some people did.
SELECT
    metric.name AS metric,
    event.unique_id,
    event.happened_at,
    event.recorded_at,
    event.value,
    event.value_currency,
    event.properties
FROM event
JOIN metric ON metric.shop_id = event.shop_id AND metric.metric_id = event.metric_id
WHERE event.shop_id = :shop_id AND event.profile_id = ANY (CAST(:profile_ids AS bigint[]))
ORDER BY event.event_id;

-- name: read_feedback
-- What providers told of mails to some people.
SELECT
    message.message_key,
    message_feedback.kind,
    message_feedback.told_at,
    message_feedback.code
FROM message
JOIN message_feedback
    ON message_feedback.shop_id = message.shop_id AND message_feedback.message_id = message.message_id
WHERE
    message.shop_id = :shop_id
    AND message.profile_id = ANY (CAST(:profile_ids AS bigint[]))
    AND message.state IN ('sent', 'failed')
ORDER BY message.message_id, message_feedback.kind;

-- name: read_orders
-- What some people bought.
SELECT
    order_id,
    line_number,
    variant_id,
    quantity,
    amount,
    currency,
    ordered_at,
    returned_quantity,
    returned_amount
FROM order_line
WHERE shop_id = :shop_id AND profile_id = ANY (CAST(:profile_ids AS bigint[]))
ORDER BY ordered_at, order_id, line_number;
