-- name: insert_key
-- A new key of a shop.
INSERT INTO api_key (shop_id, kind, key_digest, hint, origins, rate_factor, created_at)
VALUES (:shop_id, :kind, :key_digest, :hint, CAST(:origins AS text[]), :rate_factor, :now)
RETURNING key_id;

-- name: list_keys
-- The keys of a shop, or of all, oldest first.
SELECT
    shop_id,
    key_id,
    kind,
    hint,
    origins,
    rate_factor,
    created_at,
    revoked_at
FROM api_key
WHERE CAST(:shop_id AS text) IS NULL OR shop_id = :shop_id
ORDER BY shop_id, key_id;

-- name: revoke_key
-- From now on this key opens nothing.
UPDATE api_key
SET revoked_at = :now
WHERE shop_id = :shop_id AND key_id = :key_id AND revoked_at IS NULL
RETURNING key_id;

-- name: find_key
-- Whose key has this digest.
SELECT
    shop_id,
    key_id,
    kind,
    key_digest,
    origins,
    rate_factor
FROM api_key
WHERE key_digest = :key_digest AND revoked_at IS NULL;

-- name: take_share
-- Grant one process up to so many requests of this second; all processes share what a second and a minute allow.
INSERT INTO intake_rate AS known (subject, second_at, second_count, minute_at, minute_count, granted_count)
VALUES (
    :subject,
    date_trunc('second', CAST(:now AS timestamptz)),
    least(CAST(:wanted AS integer), :per_second, :per_minute),
    date_trunc('minute', CAST(:now AS timestamptz)),
    least(CAST(:wanted AS integer), :per_second, :per_minute),
    least(CAST(:wanted AS integer), :per_second, :per_minute)
)
ON CONFLICT (subject) DO UPDATE
    SET
        (second_at, second_count, minute_at, minute_count, granted_count) = (
            SELECT
                excluded.second_at,
                used.in_second + room.granted,
                excluded.minute_at,
                used.in_minute + room.granted,
                room.granted
            FROM (
                SELECT
                    CASE WHEN known.second_at = excluded.second_at THEN known.second_count ELSE 0 END AS in_second,
                    CASE WHEN known.minute_at = excluded.minute_at THEN known.minute_count ELSE 0 END AS in_minute
            ) AS used
            CROSS JOIN LATERAL (
                SELECT greatest(
                    0,
                    least(
                        CAST(:wanted AS integer),
                        CAST(:per_second AS integer) - used.in_second,
                        CAST(:per_minute AS integer) - used.in_minute
                    )
                ) AS granted
            ) AS room
        )
RETURNING granted_count;

-- name: forget_shares
-- What was granted in minutes that are over.
DELETE FROM intake_rate WHERE minute_at < CAST(:now AS timestamptz) - INTERVAL '1 hour';

-- name: read_share
-- What was granted to a subject in its last minute.
SELECT minute_count
FROM intake_rate
WHERE subject = :subject;
