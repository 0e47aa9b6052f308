-- name: keep
-- Still wanted: its age counts from now, its place stays (SEMANTICS 3.6).
UPDATE subscription
SET
    kept_at = :now,
    asked_at = NULL
WHERE shop_id = :shop_id AND subscription_id = :subscription_id AND state = 'waiting'
RETURNING subscription_id;

-- name: ask
-- Ask who has waited long whether it is still wanted, some days before it expires, and so many a day of one person
-- (SEMANTICS 3.6). Specification: include/domain/expiry.py.
WITH old AS MATERIALIZED (
    SELECT
        subscription.shop_id,
        subscription.subscription_id,
        subscription.profile_id,
        coalesce(subscription.variant_id, (
            SELECT min(variant.variant_id)
            FROM variant
            WHERE variant.shop_id = subscription.shop_id AND variant.product_id = subscription.product_id
        )) AS variant_id,
        row_number() OVER (
            PARTITION BY subscription.shop_id, subscription.profile_id
            ORDER BY coalesce(subscription.kept_at, subscription.subscribed_at), subscription.subscription_id
        ) AS turn
    FROM subscription
    WHERE
        subscription.state = 'waiting'
        AND subscription.asked_at IS NULL
        AND subscription.subscribed_at
        <= CAST(:now AS timestamptz) - make_interval(days => CAST(:expire_days AS integer) - :ask_days)
        AND coalesce(subscription.kept_at, subscription.subscribed_at)
        <= CAST(:now AS timestamptz) - make_interval(days => CAST(:expire_days AS integer) - :ask_days)
        AND 'EMAIL' = ANY (subscription.channels)
        AND channel_obstacle(subscription.shop_id, 'EMAIL', subscription.profile_id) IS NULL
),

due AS (
    SELECT
        old.shop_id,
        old.subscription_id,
        old.profile_id,
        old.variant_id
    FROM old
    CROSS JOIN LATERAL (
        SELECT count(*) AS mail_count
        FROM subscription AS other
        WHERE
            other.shop_id = old.shop_id
            AND other.profile_id = old.profile_id
            AND other.asked_at > CAST(:now AS timestamptz) - INTERVAL '24 hours'
    ) AS lately
    WHERE old.turn + lately.mail_count <= :most_per_day
),

queued AS (
    INSERT INTO message (
        shop_id, message_key, channel, purpose, priority, profile_id, subscription_id, variant_id, template, state,
        due_at, created_at
    )
    SELECT
        shop_id,
        'keep:' || subscription_id || ':'
        || to_char(CAST(:now AS timestamptz) AT TIME ZONE 'UTC', 'YYYY-MM-DD'),
        'EMAIL',
        'keep_request',
        6,
        profile_id,
        subscription_id,
        variant_id,
        'keep_request',
        'queued',
        :now,
        :now
    FROM due
    ORDER BY shop_id, subscription_id
    ON CONFLICT (shop_id, message_key) DO NOTHING
)

UPDATE subscription
SET asked_at = :now
FROM due
WHERE
    subscription.shop_id = due.shop_id
    AND subscription.subscription_id = due.subscription_id
    AND subscription.state = 'waiting'
RETURNING subscription.subscription_id;

-- name: expire
-- Requests end that are too old; who can be asked was asked first, where that is on (SEMANTICS 3.6).
-- Specification: include/domain/expiry.py.
UPDATE subscription
SET
    state = 'expired',
    reason = 'too_old',
    ended_at = :now
WHERE
    state = 'waiting'
    AND subscribed_at <= CAST(:now AS timestamptz) - make_interval(days => :expire_days)
    AND coalesce(kept_at, subscribed_at) <= CAST(:now AS timestamptz) - make_interval(days => :expire_days)
    AND CASE
        WHEN CAST(:ask_days AS integer) = 0 THEN true
        WHEN asked_at IS NOT NULL THEN asked_at <= CAST(:now AS timestamptz) - make_interval(days => :ask_days)
        WHEN 'EMAIL' = ANY (channels) THEN channel_obstacle(shop_id, 'EMAIL', profile_id) IS NOT NULL
        ELSE true
    END
RETURNING
    shop_id,
    subscription_id,
    profile_id,
    variant_id,
    product_id;
