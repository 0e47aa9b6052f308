-- name: settle_requests
-- Requests whose first messages have all ended unsent (SEMANTICS 3.9): back in their old place where the stock went, where
-- no flow had a message after all, or where the fallback channel is left (3.1); else skipped with the reason.
-- Specification: include/domain/settling.py.
WITH candidate AS MATERIALIZED (
    SELECT
        subscription.shop_id,
        subscription.subscription_id,
        subscription.batch_id,
        subscription.variant_id,
        subscription.product_id,
        subscription.profile_id,
        subscription.channels
    FROM (
        SELECT
            message.shop_id,
            message.subscription_id
        FROM unnest(CAST(:shop_ids AS text[]), CAST(:message_ids AS bigint[])) AS ended (shop_id, message_id)
        JOIN message ON message.shop_id = ended.shop_id AND message.message_id = ended.message_id
        UNION
        SELECT
            shop_id,
            subscription_id
        FROM unnest(
            CAST(:request_shop_ids AS text[]), CAST(:subscription_ids AS bigint[])
        ) AS passed (shop_id, subscription_id)
    ) AS given
    JOIN subscription
        ON subscription.shop_id = given.shop_id AND subscription.subscription_id = given.subscription_id
    WHERE subscription.state = 'released'
),

first_message AS (
    SELECT DISTINCT ON (message.shop_id, message.enrolment_id)
        candidate.shop_id,
        candidate.subscription_id,
        message.message_id,
        message.channel,
        message.state,
        message.reason
    FROM candidate
    JOIN message
        ON
            message.shop_id = candidate.shop_id
            AND message.subscription_id = candidate.subscription_id
            AND message.batch_id = candidate.batch_id
    ORDER BY message.shop_id, message.enrolment_id, message.message_id
),

outcome AS (
    SELECT
        candidate.shop_id,
        candidate.subscription_id,
        candidate.batch_id,
        candidate.variant_id,
        candidate.product_id,
        candidate.profile_id,
        candidate.channels,
        coalesce(bool_or(first_message.state NOT IN ('skipped', 'failed')), false) AS is_under_way,
        coalesce(bool_or(first_message.reason = 'out_of_stock_again'), false) AS is_sold_out_again,
        coalesce(
            min(first_message.reason) FILTER (WHERE first_message.reason = 'out_of_stock_again'),
            min(first_message.reason) FILTER (WHERE first_message.reason <> 'no_live_message'),
            'no_live_message'
        ) AS reason,
        array_agg(first_message.channel) AS tried_channels
    FROM candidate
    LEFT JOIN first_message USING (shop_id, subscription_id)
    GROUP BY
        candidate.shop_id, candidate.subscription_id, candidate.batch_id, candidate.variant_id,
        candidate.product_id, candidate.profile_id, candidate.channels
),

settled AS MATERIALIZED (
    SELECT
        outcome.shop_id,
        outcome.subscription_id,
        outcome.batch_id,
        outcome.variant_id,
        outcome.product_id,
        outcome.profile_id,
        outcome.reason,
        outcome.is_sold_out_again
        OR outcome.reason = 'no_live_message'
        OR (
            outcome.reason IN ('invalid_address', 'suppressed', 'missing_consent', 'missing_email', 'missing_phone')
            AND cardinality(outcome.channels) > 1
            AND pick_channel(
                outcome.shop_id, outcome.profile_id, outcome.channels, ARRAY(
                    SELECT DISTINCT flow_step.channel
                    FROM enrolment
                    JOIN flow_step USING (flow_name)
                    WHERE
                        enrolment.shop_id = outcome.shop_id
                        AND enrolment.subscription_id = outcome.subscription_id
                        AND enrolment.batch_id = outcome.batch_id
                        AND flow_step.status IN ('live', 'manual')
                        AND NOT flow_step.is_deleted
                        AND flow_step.channel <> ALL (outcome.tried_channels)
                )
            ) IS NOT NULL
        ) AS is_returned
    FROM outcome
    WHERE NOT outcome.is_under_way AND NOT EXISTS (
        SELECT 1
        FROM enrolment
        JOIN flow USING (flow_name)
        WHERE
            enrolment.shop_id = outcome.shop_id
            AND enrolment.subscription_id = outcome.subscription_id
            AND enrolment.batch_id = outcome.batch_id
            AND enrolment.state = 'active'
            AND flow.is_registered
            AND NOT EXISTS (
                SELECT 1
                FROM message
                WHERE
                    message.shop_id = enrolment.shop_id
                    AND message.subscription_id = enrolment.subscription_id
                    AND message.enrolment_id = enrolment.enrolment_id
            )
    )
),

requests AS (
    UPDATE subscription
    SET
        state = CASE WHEN settled.is_returned THEN 'waiting' ELSE 'skipped' END,
        reason = settled.reason,
        ended_at = CASE WHEN settled.is_returned THEN NULL ELSE CAST(:now AS timestamptz) END
    FROM settled
    WHERE
        subscription.shop_id = settled.shop_id
        AND subscription.subscription_id = settled.subscription_id
        AND subscription.state = 'released'
        AND subscription.batch_id = settled.batch_id
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
        AND settled.is_returned
),

later_messages AS (
    UPDATE message
    SET
        state = 'skipped',
        reason = 'covered',
        parked_domain = NULL,
        ended_at = :now
    FROM settled
    WHERE
        message.shop_id = settled.shop_id
        AND message.subscription_id = settled.subscription_id
        AND message.batch_id = settled.batch_id
        AND message.state = 'queued'
        AND settled.is_returned
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
        WHERE settled.is_returned
    )
)

SELECT
    shop_id,
    subscription_id,
    profile_id,
    variant_id,
    product_id
FROM settled
WHERE is_returned
ORDER BY shop_id, subscription_id;

-- name: list_forgotten
-- Requests that were released a while ago and of which no message is left that could still be sent.
SELECT
    subscription.shop_id,
    subscription.subscription_id
FROM subscription
WHERE
    subscription.state = 'released'
    AND subscription.released_at <= :before
    AND NOT EXISTS (
        SELECT 1
        FROM message
        WHERE
            message.shop_id = subscription.shop_id
            AND message.subscription_id = subscription.subscription_id
            AND message.batch_id = subscription.batch_id
            AND message.state NOT IN ('skipped', 'failed')
    )
ORDER BY subscription.shop_id, subscription.subscription_id;
