-- name: upsert_by_email
-- People by their case-folded address, in the given order; who is known stays as known, empty names are filled (3.3).
WITH given AS (
    SELECT
        email,
        email_key,
        first_name,
        last_name,
        locale,
        position
    FROM unnest(
        CAST(:emails AS text[]), CAST(:email_keys AS text[]), CAST(:first_names AS text[]),
        CAST(:last_names AS text[]), CAST(:locales AS text[])
    ) WITH ORDINALITY AS entry (email, email_key, first_name, last_name, locale, position)
),

written AS (
    INSERT INTO profile (shop_id, email, email_key, first_name, last_name, locale, created_at)
    SELECT DISTINCT ON (email_key)
        :shop_id,
        email,
        email_key,
        first_name,
        last_name,
        locale,
        :now
    FROM given
    ORDER BY email_key, position
    ON CONFLICT (shop_id, email_key) WHERE email_key IS NOT NULL DO UPDATE
        SET
            first_name = coalesce(profile.first_name, excluded.first_name),
            last_name = coalesce(profile.last_name, excluded.last_name)
        WHERE
            (profile.first_name IS NULL AND excluded.first_name IS NOT NULL)
            OR (profile.last_name IS NULL AND excluded.last_name IS NOT NULL)
    RETURNING
        profile.email_key,
        profile.profile_id
)

SELECT coalesce(written.profile_id, known.profile_id) AS profile_id
FROM given
LEFT JOIN written ON written.email_key = given.email_key
LEFT JOIN profile AS known ON known.shop_id = :shop_id AND known.email_key = given.email_key
ORDER BY given.position;

-- name: lock_people
-- Two who write people by more than their e-mail wait for each other.
SELECT pg_advisory_xact_lock(hashtextextended('restock.people.' || CAST(:shop_id AS text), 0));

-- name: match
-- Who is meant, in the given order: the strongest identifier decides, unless a stronger one differs (SEMANTICS 3.1).
SELECT coalesce(by_email.profile_id, by_phone.profile_id, by_external_id.profile_id) AS profile_id
FROM unnest(
    CAST(:email_keys AS text[]), CAST(:phones AS text[]), CAST(:external_ids AS text[])
) WITH ORDINALITY AS given (email_key, phone, external_id, position)
LEFT JOIN profile AS by_email ON by_email.shop_id = :shop_id AND by_email.email_key = given.email_key
LEFT JOIN profile AS by_phone
    ON
        by_phone.shop_id = :shop_id
        AND by_phone.phone = given.phone
        AND (given.email_key IS NULL OR by_phone.email_key IS NULL)
LEFT JOIN profile AS by_external_id
    ON
        by_external_id.shop_id = :shop_id
        AND by_external_id.external_id = given.external_id
        AND (given.email_key IS NULL OR by_external_id.email_key IS NULL)
        AND (given.phone IS NULL OR by_external_id.phone IS NULL)
ORDER BY given.position;

-- name: insert_people
-- People whom no identifier meant; one that somebody else has stays with who had it first (SEMANTICS 3.1).
WITH given AS (
    SELECT
        entry.email,
        entry.email_key,
        entry.phone,
        entry.external_id,
        entry.first_name,
        entry.last_name,
        entry.locale,
        entry.position,
        row_number() OVER (PARTITION BY entry.email_key ORDER BY entry.position) AS email_turn,
        row_number() OVER (
            PARTITION BY entry.phone ORDER BY entry.email_key IS NULL, entry.position
        ) AS phone_turn,
        row_number() OVER (
            PARTITION BY entry.external_id
            ORDER BY entry.email_key IS NULL, entry.phone IS NULL, entry.position
        ) AS external_turn
    FROM unnest(
        CAST(:emails AS text[]), CAST(:email_keys AS text[]), CAST(:phones AS text[]), CAST(:external_ids AS text[]),
        CAST(:first_names AS text[]), CAST(:last_names AS text[]), CAST(:locales AS text[])
    ) WITH ORDINALITY
        AS entry (email, email_key, phone, external_id, first_name, last_name, locale, position)
)

INSERT INTO profile (
    shop_id, email, email_key, phone, external_id, first_name, last_name, locale, created_at
)
SELECT
    :shop_id,
    given.email,
    given.email_key,
    CASE WHEN given.phone_turn = 1 AND phone_owner.profile_id IS NULL THEN given.phone END,
    CASE WHEN given.external_turn = 1 AND external_owner.profile_id IS NULL THEN given.external_id END,
    given.first_name,
    given.last_name,
    given.locale,
    :now
FROM given
LEFT JOIN profile AS phone_owner
    ON phone_owner.shop_id = :shop_id AND phone_owner.phone = given.phone
LEFT JOIN profile AS external_owner
    ON external_owner.shop_id = :shop_id AND external_owner.external_id = given.external_id
WHERE CASE
    WHEN given.email_key IS NOT NULL THEN given.email_turn = 1
    WHEN given.phone IS NOT NULL THEN given.phone_turn = 1
    ELSE given.external_turn = 1
END
ORDER BY given.position
ON CONFLICT DO NOTHING;

-- name: complete_people
-- What is known of people by now is filled in where nothing stood; an identifier that somebody has is left with them.
WITH given AS (
    SELECT
        entry.profile_id,
        (array_agg(entry.email ORDER BY entry.position) FILTER (WHERE entry.email IS NOT NULL))[1] AS email,
        (array_agg(entry.email_key ORDER BY entry.position) FILTER (WHERE entry.email_key IS NOT NULL))[1] AS email_key,
        (array_agg(entry.phone ORDER BY entry.position) FILTER (WHERE entry.phone IS NOT NULL))[1] AS phone,
        (array_agg(entry.external_id ORDER BY entry.position) FILTER (WHERE entry.external_id IS NOT NULL))[1] AS external_id,
        (array_agg(entry.first_name ORDER BY entry.position) FILTER (WHERE entry.first_name IS NOT NULL))[1] AS first_name,
        (array_agg(entry.last_name ORDER BY entry.position) FILTER (WHERE entry.last_name IS NOT NULL))[1] AS last_name
    FROM unnest(
        CAST(:profile_ids AS bigint[]), CAST(:emails AS text[]), CAST(:email_keys AS text[]), CAST(:phones AS text[]),
        CAST(:external_ids AS text[]), CAST(:first_names AS text[]), CAST(:last_names AS text[])
    ) WITH ORDINALITY
        AS entry (profile_id, email, email_key, phone, external_id, first_name, last_name, position)
    WHERE entry.profile_id IS NOT NULL
    GROUP BY entry.profile_id
),

free AS (
    SELECT
        given.profile_id,
        given.first_name,
        given.last_name,
        CASE WHEN email_owner.profile_id IS NULL AND turn.email = 1 THEN given.email END AS email,
        CASE WHEN email_owner.profile_id IS NULL AND turn.email = 1 THEN given.email_key END AS email_key,
        CASE WHEN phone_owner.profile_id IS NULL AND turn.phone = 1 THEN given.phone END AS phone,
        CASE WHEN external_owner.profile_id IS NULL AND turn.external = 1 THEN given.external_id END AS external_id
    FROM given
    JOIN (
        SELECT
            profile_id,
            row_number() OVER (PARTITION BY email_key ORDER BY profile_id) AS email,
            row_number() OVER (PARTITION BY phone ORDER BY profile_id) AS phone,
            row_number() OVER (PARTITION BY external_id ORDER BY profile_id) AS external
        FROM given
    ) AS turn USING (profile_id)
    LEFT JOIN profile AS email_owner
        ON email_owner.shop_id = :shop_id AND email_owner.email_key = given.email_key
    LEFT JOIN profile AS phone_owner
        ON phone_owner.shop_id = :shop_id AND phone_owner.phone = given.phone
    LEFT JOIN profile AS external_owner
        ON external_owner.shop_id = :shop_id AND external_owner.external_id = given.external_id
)

UPDATE profile
SET
    email = coalesce(profile.email, free.email),
    email_key = coalesce(profile.email_key, free.email_key),
    phone = coalesce(profile.phone, free.phone),
    external_id = coalesce(profile.external_id, free.external_id),
    first_name = coalesce(profile.first_name, free.first_name),
    last_name = coalesce(profile.last_name, free.last_name)
FROM free
WHERE
    profile.shop_id = :shop_id
    AND profile.profile_id = free.profile_id
    AND (
        (profile.email_key IS NULL AND free.email_key IS NOT NULL)
        OR (profile.phone IS NULL AND free.phone IS NOT NULL)
        OR (profile.external_id IS NULL AND free.external_id IS NOT NULL)
        OR (profile.first_name IS NULL AND free.first_name IS NOT NULL)
        OR (profile.last_name IS NULL AND free.last_name IS NOT NULL)
    );

-- name: record_consents
-- What people said of a channel just now, with its proof; the newest word holds (SEMANTICS 10.1).
INSERT INTO consent (shop_id, profile_id, channel, purpose, state, changed_at, source, proof)
SELECT DISTINCT
    :shop_id,
    said.profile_id,
    :channel,
    :purpose,
    :state,
    CAST(:now AS timestamptz),
    :source,
    CAST(:proof AS jsonb)
FROM unnest(CAST(:profile_ids AS bigint[])) AS said (profile_id)
ORDER BY said.profile_id
ON CONFLICT (shop_id, profile_id, channel, purpose) DO UPDATE
    SET
        state = excluded.state,
        changed_at = excluded.changed_at,
        source = excluded.source,
        proof = excluded.proof
    WHERE consent.changed_at < excluded.changed_at;

-- name: agree_to_alerts
-- Who asked to be told by SMS agrees to alerts by SMS; who said anything of it before is left as they said.
INSERT INTO consent (shop_id, profile_id, channel, purpose, state, changed_at, source, proof)
SELECT DISTINCT ON (said.profile_id)
    :shop_id,
    said.profile_id,
    'SMS',
    'alert',
    'given',
    CAST(:now AS timestamptz),
    said.source,
    said.proof
FROM unnest(
    CAST(:profile_ids AS bigint[]), CAST(:sources AS text[]), CAST(:proofs AS jsonb[])
) AS said (profile_id, source, proof)
ORDER BY said.profile_id
ON CONFLICT (shop_id, profile_id, channel, purpose) DO NOTHING;

-- name: find_contacts
-- The identifiers of some profiles.
SELECT
    profile_id,
    email,
    email_key,
    phone,
    external_id
FROM profile
WHERE shop_id = :shop_id AND profile_id = ANY (CAST(:profile_ids AS bigint[]))
ORDER BY profile_id;

-- name: merge_told
-- What is told of people besides who they are: what servers say replaces, what browsers say fills what is empty, and
-- no profile grows by browsers beyond 100,000 characters.
UPDATE profile
SET
    properties = CASE
        WHEN told.filling = '{}' OR length(CAST(profile.properties AS text)) > 100000 THEN '{}'
        ELSE told.filling
    END || profile.properties || told.replacing,
    first_name = coalesce(told.first_name, profile.first_name),
    last_name = coalesce(told.last_name, profile.last_name),
    locale = coalesce(told.locale, profile.locale, told.filling_locale),
    time_zone = coalesce(told.time_zone, profile.time_zone, told.filling_time_zone)
FROM unnest(
    CAST(:profile_ids AS bigint[]), CAST(:replacing AS jsonb[]), CAST(:first_names AS text[]),
    CAST(:last_names AS text[]), CAST(:locales AS text[]), CAST(:time_zones AS text[]),
    CAST(:filling AS jsonb[]), CAST(:filling_locales AS text[]), CAST(:filling_time_zones AS text[])
) AS told (
    profile_id, replacing, first_name, last_name, locale, time_zone, filling, filling_locale, filling_time_zone
)
WHERE profile.shop_id = :shop_id AND profile.profile_id = told.profile_id;

-- name: page_of_people
-- One page of profiles by id: direction 1 oldest, -1 newest first; the other order is not looked at.
WITH page AS (
    (
        SELECT profile_id
        FROM profile
        WHERE
            CAST(:direction AS integer) > 0
            AND shop_id = :shop_id
            AND profile_id > CAST(:after_id AS bigint)
            AND (CAST(:profile_ids AS bigint[]) IS NULL OR profile_id = ANY (CAST(:profile_ids AS bigint[])))
            AND (CAST(:email_keys AS text[]) IS NULL OR email_key = ANY (CAST(:email_keys AS text[])))
            AND (CAST(:phones AS text[]) IS NULL OR phone = ANY (CAST(:phones AS text[])))
            AND (CAST(:external_ids AS text[]) IS NULL OR external_id = ANY (CAST(:external_ids AS text[])))
            AND (CAST(:since AS timestamptz) IS NULL OR created_at >= CAST(:since AS timestamptz))
            AND (CAST(:until AS timestamptz) IS NULL OR created_at <= CAST(:until AS timestamptz))
        ORDER BY profile_id
        LIMIT :most
    )
    UNION ALL
    (
        SELECT profile_id
        FROM profile
        WHERE
            CAST(:direction AS integer) < 0
            AND shop_id = :shop_id
            AND profile_id < CAST(:after_id AS bigint)
            AND (CAST(:profile_ids AS bigint[]) IS NULL OR profile_id = ANY (CAST(:profile_ids AS bigint[])))
            AND (CAST(:email_keys AS text[]) IS NULL OR email_key = ANY (CAST(:email_keys AS text[])))
            AND (CAST(:phones AS text[]) IS NULL OR phone = ANY (CAST(:phones AS text[])))
            AND (CAST(:external_ids AS text[]) IS NULL OR external_id = ANY (CAST(:external_ids AS text[])))
            AND (CAST(:since AS timestamptz) IS NULL OR created_at >= CAST(:since AS timestamptz))
            AND (CAST(:until AS timestamptz) IS NULL OR created_at <= CAST(:until AS timestamptz))
        ORDER BY profile_id DESC
        LIMIT :most
    )
)

SELECT
    profile.profile_id,
    profile.email,
    profile.phone,
    profile.external_id,
    profile.first_name,
    profile.last_name,
    profile.locale,
    profile.time_zone,
    profile.properties,
    profile.created_at,
    (
        SELECT max(profile_metric.last_at)
        FROM profile_metric
        WHERE profile_metric.shop_id = profile.shop_id AND profile_metric.profile_id = profile.profile_id
    ) AS last_event_at
FROM page
JOIN profile ON profile.shop_id = :shop_id AND profile.profile_id = page.profile_id
ORDER BY profile.profile_id * CAST(:direction AS integer);

-- name: restore_suppressions
-- Who objected before being forgotten, and is known again, is suppressed again (SEMANTICS 10.1, 10.3).
WITH given AS (
    SELECT
        address.channel,
        address.address_key,
        erased_key(installation.link_secret, address.address_key) AS erased_key
    FROM (
        SELECT
            'EMAIL' AS channel,
            unnest(CAST(:email_keys AS text[])) AS address_key
        UNION ALL
        SELECT
            'SMS',
            unnest(CAST(:phones AS text[]))
    ) AS address
    CROSS JOIN installation
)

UPDATE suppression
SET address_key = given.address_key
FROM given
WHERE
    suppression.shop_id = :shop_id
    AND suppression.channel = given.channel
    AND suppression.address_key = given.erased_key
    AND NOT EXISTS (
        SELECT 1
        FROM suppression AS present
        WHERE
            present.shop_id = :shop_id
            AND present.channel = given.channel
            AND present.address_key = given.address_key
    );
