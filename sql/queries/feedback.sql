-- name: find_messages
-- Mails that went to these addresses in the last 30 days, of every shop, the newest first.
SELECT
    profile.email_key,
    message.shop_id,
    message.message_id,
    message.message_key,
    message.profile_id
FROM shop
JOIN profile
    ON profile.shop_id = shop.shop_id AND profile.email_key = ANY (CAST(:email_keys AS text[]))
JOIN message
    ON
        message.shop_id = profile.shop_id
        AND message.profile_id = profile.profile_id
        AND message.channel = 'EMAIL'
        AND message.state IN ('sent', 'failed')
        AND message.ended_at > CAST(:now AS timestamptz) - INTERVAL '30 days'
ORDER BY message.ended_at DESC, message.message_id DESC;

-- name: note
-- What a provider tells of messages; told twice it is noted once.
INSERT INTO message_feedback (shop_id, message_id, kind, told_at, code)
SELECT
    told.shop_id,
    told.message_id,
    told.kind,
    min(told.told_at),
    min(told.code)
FROM unnest(
    CAST(:shop_ids AS text[]), CAST(:message_ids AS bigint[]), CAST(:kinds AS text[]),
    CAST(:told_at AS timestamptz[]), CAST(:codes AS text[])
) AS told (shop_id, message_id, kind, told_at, code)
GROUP BY told.shop_id, told.message_id, told.kind
ORDER BY told.shop_id, told.message_id, told.kind
ON CONFLICT DO NOTHING;

-- name: suppress
-- Addresses that must not be written to any more; a complaint says more than an unsubscription.
INSERT INTO suppression AS known (shop_id, channel, address_key, reason, suppressed_at)
SELECT DISTINCT ON (told.shop_id, told.email_key)
    told.shop_id,
    'EMAIL',
    told.email_key,
    told.reason,
    CAST(:now AS timestamptz)
FROM unnest(CAST(:shop_ids AS text[]), CAST(:email_keys AS text[]), CAST(:reasons AS text[]))
    AS told (shop_id, email_key, reason)
ORDER BY told.shop_id, told.email_key, told.reason
ON CONFLICT (shop_id, channel, address_key) DO UPDATE
    SET reason = excluded.reason
    WHERE excluded.reason = 'complaint' AND known.reason = 'unsubscribed';

-- name: withdraw_consent
-- Who complained or unsubscribed at the provider agrees to no marketing by mail any more.
INSERT INTO consent AS known (shop_id, profile_id, channel, purpose, state, changed_at, source, proof)
SELECT DISTINCT
    told.shop_id,
    told.profile_id,
    'EMAIL',
    'marketing',
    'withdrawn',
    CAST(:now AS timestamptz),
    'provider',
    '{}'::jsonb
FROM unnest(CAST(:shop_ids AS text[]), CAST(:profile_ids AS bigint[])) AS told (shop_id, profile_id)
ORDER BY told.shop_id, told.profile_id
ON CONFLICT (shop_id, profile_id, channel, purpose) DO UPDATE
    SET
        state = excluded.state,
        changed_at = excluded.changed_at,
        source = excluded.source
    WHERE known.changed_at <= excluded.changed_at;
