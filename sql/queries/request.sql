-- name: upsert_profiles
-- People by their case-folded address; who is known stays as known, empty names are filled (SEMANTICS 3.3).
INSERT INTO profile (shop_id, email, email_key, first_name, last_name, locale, created_at)
SELECT DISTINCT ON (given.email_key)
    :shop_id,
    given.email,
    given.email_key,
    given.first_name,
    given.last_name,
    given.locale,
    :now
FROM unnest(
    CAST(:emails AS text[]), CAST(:email_keys AS text[]), CAST(:first_names AS text[]),
    CAST(:last_names AS text[]), CAST(:locales AS text[])
) WITH ORDINALITY AS given (email, email_key, first_name, last_name, locale, position)
ORDER BY given.email_key, given.position
ON CONFLICT (shop_id, email_key) WHERE email_key IS NOT NULL DO UPDATE
    SET
        first_name = coalesce(profile.first_name, excluded.first_name),
        last_name = coalesce(profile.last_name, excluded.last_name)
    WHERE
        (profile.first_name IS NULL AND excluded.first_name IS NOT NULL)
        OR (profile.last_name IS NULL AND excluded.last_name IS NOT NULL);

-- name: insert_requests
-- New requests; one that is open already takes the channels and the wanted quantity and keeps its place (3.3).
-- A request that was taken before, with this very date, is not taken again (3.7).
WITH given AS (
    SELECT DISTINCT ON (person.profile_id, request.variant_id)
        person.profile_id,
        request.variant_id,
        request.channels,
        request.wanted_quantity,
        request.locale,
        request.subscribed_at
    FROM unnest(
        CAST(:email_keys AS text[]), CAST(:variant_ids AS text[]), CAST(:channels AS text[]),
        CAST(:wanted_quantities AS integer[]), CAST(:locales AS text[]), CAST(:subscribed_at AS timestamptz[])
    ) WITH ORDINALITY
        AS request (email_key, variant_id, channels, wanted_quantity, locale, subscribed_at, position)
    JOIN profile AS person
        ON person.shop_id = :shop_id AND person.email_key = request.email_key
    ORDER BY person.profile_id, request.variant_id, request.subscribed_at, request.position
),

fresh AS (
    SELECT
        given.*,
        (
            SELECT max(earlier.notified_at) + INTERVAL '24 hours'
            FROM subscription AS earlier
            WHERE
                earlier.shop_id = :shop_id
                AND earlier.profile_id = given.profile_id
                AND earlier.variant_id = given.variant_id
        ) AS not_before
    FROM given
    WHERE NOT EXISTS (
        SELECT 1
        FROM subscription AS earlier
        WHERE
            earlier.shop_id = :shop_id
            AND earlier.profile_id = given.profile_id
            AND earlier.variant_id = given.variant_id
            AND earlier.subscribed_at = given.subscribed_at
    )
),

written AS (
    INSERT INTO subscription AS open_request (
        shop_id, variant_id, profile_id, channels, wanted_quantity, locale, source, subscribed_at, created_at,
        restock_after, not_before, state
    )
    SELECT
        :shop_id,
        variant_id,
        profile_id,
        string_to_array(channels, ','),
        wanted_quantity,
        locale,
        :source,
        subscribed_at,
        :now,
        CASE WHEN CAST(:needs_restock AS boolean) THEN CAST(:now AS timestamptz) END,
        CASE WHEN not_before > :now THEN not_before END,
        'waiting'
    FROM fresh
    ORDER BY subscribed_at, profile_id
    ON CONFLICT (shop_id, variant_id, profile_id) WHERE state IN ('unconfirmed', 'waiting', 'released')
    DO UPDATE
        SET
            channels = ARRAY(
                SELECT DISTINCT channel
                FROM unnest(open_request.channels || excluded.channels) AS channel
                ORDER BY channel
            ),
            wanted_quantity = excluded.wanted_quantity
    RETURNING
        open_request.variant_id,
        open_request.restock_after,
        open_request.not_before,
        open_request.created_at = :now AND open_request.xmax = 0 AS is_new
),

woken AS (
    UPDATE variant_stock AS stock
    SET next_check_at = earliest.check_at
    FROM (
        SELECT
            awaited.variant_id,
            greatest(
                :now, min(coalesce(awaited.not_before, :now)), min(coalesce(known.next_release_at, :now))
            ) AS check_at
        FROM written AS awaited
        JOIN variant_stock AS known
            ON known.shop_id = :shop_id AND known.variant_id = awaited.variant_id
        WHERE
            known.is_open
            AND (awaited.restock_after IS NULL OR awaited.restock_after < known.restocked_at)
        GROUP BY awaited.variant_id
    ) AS earliest
    WHERE
        stock.shop_id = :shop_id
        AND stock.variant_id = earliest.variant_id
        AND (stock.next_check_at IS NULL OR stock.next_check_at > earliest.check_at)
    RETURNING 1
)

SELECT
    count(*) FILTER (WHERE is_new) AS new_count,
    count(*) FILTER (WHERE NOT is_new) AS merged_count,
    (SELECT count(*) FROM given) AS given_count,
    (SELECT count(*) FROM woken) AS woken_count
FROM written;

-- name: count_open_now
-- How many who wait asked for a variant that is open now, and how many for one that no catalog knows yet.
SELECT
    count(*) FILTER (WHERE stock.is_open) AS open_count,
    count(*) FILTER (WHERE variant.variant_id IS NULL) AS unmatched_count,
    count(*) AS waiting_count
FROM subscription
LEFT JOIN variant_stock AS stock
    ON stock.shop_id = subscription.shop_id AND stock.variant_id = subscription.variant_id
LEFT JOIN variant
    ON variant.shop_id = subscription.shop_id AND variant.variant_id = subscription.variant_id
WHERE subscription.shop_id = :shop_id AND subscription.state = 'waiting';

-- name: note_import_rejects
-- Refused lines of an import, each with its reason; the same file again adds nothing.
INSERT INTO import_reject (shop_id, file_digest, line_number, reason, imported_at)
SELECT
    :shop_id,
    :file_digest,
    line_number,
    reason,
    :now
FROM unnest(CAST(:line_numbers AS bigint[]), CAST(:reasons AS text[])) AS refused (line_number, reason)
ON CONFLICT (shop_id, file_digest, line_number) DO NOTHING;

-- name: export_waiting
-- The waiting list of a shop in the form that an import takes, oldest first.
SELECT
    profile.email,
    subscription.variant_id,
    subscription.subscribed_at,
    array_to_string(subscription.channels, ',') AS channels,
    subscription.wanted_quantity,
    profile.first_name,
    profile.last_name,
    subscription.locale
FROM subscription
JOIN profile USING (shop_id, profile_id)
WHERE subscription.shop_id = :shop_id AND subscription.state = 'waiting'
ORDER BY subscription.subscribed_at, subscription.subscription_id;

-- name: cancel_request
-- One request ends; the others of the person stay (SEMANTICS 3.6).
UPDATE subscription
SET
    state = 'cancelled',
    reason = 'cancelled',
    ended_at = :now
WHERE
    shop_id = :shop_id
    AND subscription_id = :subscription_id
    AND state IN ('unconfirmed', 'waiting', 'released')
RETURNING subscription_id;

-- name: suppress_profile
-- Somebody does not want to be written to; it holds before the next message leaves (SEMANTICS 10.2).
INSERT INTO suppression (shop_id, channel, address_key, reason, suppressed_at)
SELECT
    shop_id,
    'EMAIL',
    email_key,
    'unsubscribed',
    :now
FROM profile
WHERE shop_id = :shop_id AND profile_id = :profile_id AND email_key IS NOT NULL
ON CONFLICT DO NOTHING
RETURNING address_key;
