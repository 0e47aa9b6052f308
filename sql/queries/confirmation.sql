-- name: queue_mails
-- People whose requests are unconfirmed get one mail for each, at most one a day, and so many a day in all (3.3, 3.6).
WITH unconfirmed AS (
    SELECT
        subscription.subscription_id,
        subscription.profile_id,
        coalesce(subscription.variant_id, (
            SELECT min(variant.variant_id)
            FROM variant
            WHERE variant.shop_id = subscription.shop_id AND variant.product_id = subscription.product_id
        )) AS variant_id,
        row_number() OVER (
            PARTITION BY subscription.profile_id ORDER BY subscription.subscription_id
        ) AS turn
    FROM subscription
    JOIN profile
        ON profile.shop_id = subscription.shop_id AND profile.profile_id = subscription.profile_id
    WHERE
        subscription.shop_id = :shop_id
        AND subscription.profile_id = ANY (CAST(:profile_ids AS bigint[]))
        AND (
            subscription.variant_id = ANY (CAST(:variant_ids AS text[]))
            OR subscription.product_id = ANY (CAST(:product_ids AS text[]))
        )
        AND subscription.state = 'unconfirmed'
        AND profile.email IS NOT NULL
        AND NOT EXISTS (
            SELECT 1
            FROM message
            WHERE
                message.shop_id = subscription.shop_id
                AND message.subscription_id = subscription.subscription_id
                AND message.purpose = 'confirm_request'
                AND message.created_at > CAST(:now AS timestamptz) - INTERVAL '24 hours'
        )
),

lately AS (
    SELECT
        subscription.profile_id,
        count(*) AS mail_count
    FROM subscription
    JOIN message
        ON message.shop_id = subscription.shop_id AND message.subscription_id = subscription.subscription_id
    WHERE
        subscription.shop_id = :shop_id
        AND subscription.profile_id = ANY (CAST(:profile_ids AS bigint[]))
        AND message.purpose = 'confirm_request'
        AND message.created_at > CAST(:now AS timestamptz) - INTERVAL '24 hours'
    GROUP BY subscription.profile_id
)

INSERT INTO message (
    shop_id, message_key, channel, purpose, priority, profile_id, subscription_id, variant_id, template, state,
    due_at, created_at
)
SELECT
    :shop_id,
    'confirm:' || unconfirmed.subscription_id || ':'
    || to_char(CAST(:now AS timestamptz) AT TIME ZONE 'UTC', 'YYYY-MM-DD'),
    'EMAIL',
    'confirm_request',
    1,
    unconfirmed.profile_id,
    unconfirmed.subscription_id,
    unconfirmed.variant_id,
    'confirm_request',
    'queued',
    :now,
    :now
FROM unconfirmed
LEFT JOIN lately USING (profile_id)
WHERE unconfirmed.turn + coalesce(lately.mail_count, 0) <= :most_per_day
ORDER BY unconfirmed.subscription_id
ON CONFLICT (shop_id, message_key) DO NOTHING
RETURNING message_id;

-- name: confirm
-- Confirmed: it waits from now on, at the place of the day on which it was asked for (SEMANTICS 3.6).
WITH confirmed AS (
    UPDATE subscription
    SET
        state = 'waiting',
        confirmed_at = :now
    WHERE shop_id = :shop_id AND subscription_id = :subscription_id AND state = 'unconfirmed'
    RETURNING
        profile_id,
        variant_id,
        product_id,
        restock_after,
        not_before
),

woken AS (
    UPDATE variant_stock AS stock
    SET next_check_at = least(
        coalesce(stock.next_check_at, 'infinity'),
        greatest(:now, coalesce(confirmed.not_before, :now), coalesce(stock.next_release_at, :now))
    )
    FROM confirmed
    WHERE
        stock.shop_id = :shop_id
        AND stock.variant_id = confirmed.variant_id
        AND stock.is_open
        AND (confirmed.restock_after IS NULL OR confirmed.restock_after < stock.restocked_at)
)

SELECT
    profile_id,
    variant_id,
    product_id
FROM confirmed;

-- name: expire
-- What was never confirmed is no request (SEMANTICS 3.6).
UPDATE subscription
SET
    state = 'expired',
    reason = 'unconfirmed',
    ended_at = :now
WHERE
    state = 'unconfirmed'
    AND created_at <= CAST(:now AS timestamptz) - make_interval(days => :confirm_days)
RETURNING
    shop_id,
    subscription_id,
    profile_id,
    variant_id,
    product_id;
