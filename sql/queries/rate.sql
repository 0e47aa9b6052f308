-- name: find_room
-- What each bucket of a channel holds now; NULL tokens: no limit any more, so that what is parked may go.
SELECT
    bucket.domain,
    tokens_in(bucket.empty_at, asked.per_second, :burst_seconds, :now) AS token_count,
    bucket.empty_at + make_interval(secs => 1 / coalesce(asked.per_second, bucket.per_second)) AS next_at,
    EXISTS (
        SELECT 1
        FROM message
        WHERE message.channel = bucket.channel AND message.parked_domain = bucket.domain
    ) AS has_parked
FROM send_rate AS bucket
LEFT JOIN unnest(CAST(:domains AS text[]), CAST(:per_second AS double precision[])) AS asked (domain, per_second)
    ON asked.domain = bucket.domain
WHERE bucket.channel = :channel
ORDER BY bucket.domain;

-- name: take_tokens
-- Take up to so many tokens from each bucket; all lanes of all machines share the buckets (SEMANTICS 5).
INSERT INTO send_rate AS bucket (channel, domain, per_second, empty_at, taken_count)
SELECT
    :channel,
    asked.domain,
    asked.per_second,
    CAST(:now AS timestamptz) - make_interval(
        secs => (bucket_size(asked.per_second, :burst_seconds) - fresh.taken_count) / asked.per_second
    ),
    fresh.taken_count
FROM unnest(
    CAST(:domains AS text[]), CAST(:per_second AS double precision[]), CAST(:wanted AS integer[])
) AS asked (domain, per_second, wanted)
CROSS JOIN LATERAL (
    SELECT least(
        asked.wanted, CAST(floor(bucket_size(asked.per_second, :burst_seconds)) AS integer)
    ) AS taken_count
) AS fresh
ORDER BY asked.domain
ON CONFLICT (channel, domain) DO UPDATE
    SET
        per_second = excluded.per_second,
        taken_count = least(
            excluded.taken_count, tokens_in(bucket.empty_at, excluded.per_second, :burst_seconds, :now)
        ),
        empty_at = make_interval(
            secs => least(
                excluded.taken_count, tokens_in(bucket.empty_at, excluded.per_second, :burst_seconds, :now)
            ) / excluded.per_second
        ) + greatest(
            bucket.empty_at,
            CAST(:now AS timestamptz) - make_interval(
                secs => bucket_size(excluded.per_second, :burst_seconds) / excluded.per_second
            )
        )
RETURNING
    bucket.domain,
    bucket.taken_count;

-- name: adopt_limits
-- New limits change when what is parked is due; where there is none any more, that is now.
UPDATE send_rate AS bucket
SET per_second = coalesce(asked.per_second, 1e6)
FROM send_rate AS known
LEFT JOIN unnest(CAST(:domains AS text[]), CAST(:per_second AS double precision[])) AS asked (domain, per_second)
    ON asked.domain = known.domain
WHERE
    bucket.channel = known.channel
    AND bucket.domain = known.domain
    AND bucket.per_second <> coalesce(asked.per_second, 1e6);
