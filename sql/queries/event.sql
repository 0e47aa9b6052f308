-- name: know_metrics
-- Metrics by name, made when missing.
WITH given AS (
    SELECT DISTINCT name
    FROM unnest(CAST(:names AS text[])) AS metric_name (name)
),

made AS (
    INSERT INTO metric (shop_id, name, created_at)
    SELECT
        :shop_id,
        given.name,
        :now
    FROM given
    WHERE NOT EXISTS (
        SELECT 1
        FROM metric
        WHERE metric.shop_id = :shop_id AND metric.name = given.name
    )
    ORDER BY given.name
    ON CONFLICT (shop_id, name) DO UPDATE SET name = excluded.name
    RETURNING
        metric_id,
        name
)

SELECT
    metric.metric_id,
    metric.name
FROM metric
JOIN given ON given.name = metric.name
WHERE metric.shop_id = :shop_id
UNION ALL
SELECT
    made.metric_id,
    made.name
FROM made
ORDER BY 2;

-- name: record
-- Events that were not recorded before, and with them how often each person did what.
WITH given AS (
    SELECT DISTINCT ON (told.profile_id, told.metric_id, told.unique_id)
        told.profile_id,
        told.metric_id,
        told.unique_id,
        told.happened_at,
        told.value,
        told.value_currency,
        told.properties,
        told.is_backfill
    FROM unnest(
        CAST(:profile_ids AS bigint[]), CAST(:metric_ids AS bigint[]), CAST(:unique_ids AS text[]),
        CAST(:happened_at AS timestamptz[]), CAST(:values AS numeric[]), CAST(:value_currencies AS text[]),
        CAST(:properties AS jsonb[]), CAST(:are_backfill AS boolean[])
    ) WITH ORDINALITY AS told (
        profile_id, metric_id, unique_id, happened_at, value, value_currency, properties, is_backfill, position
    )
    ORDER BY told.profile_id, told.metric_id, told.unique_id, told.position
),

recorded AS (
    INSERT INTO event (
        shop_id, metric_id, profile_id, unique_id, happened_at, recorded_at, value, value_currency, properties,
        is_backfill
    )
    SELECT
        :shop_id,
        metric_id,
        profile_id,
        unique_id,
        happened_at,
        :now,
        value,
        value_currency,
        properties,
        is_backfill
    FROM given
    ORDER BY profile_id, metric_id, unique_id
    ON CONFLICT (shop_id, profile_id, metric_id, unique_id) DO NOTHING
    RETURNING
        profile_id,
        metric_id,
        happened_at,
        value
),

counted AS (
    INSERT INTO profile_metric AS known (
        shop_id, profile_id, metric_id, event_count, value_sum, first_at, last_at
    )
    SELECT
        :shop_id,
        profile_id,
        metric_id,
        count(*),
        coalesce(sum(value), 0),
        min(happened_at),
        max(happened_at)
    FROM recorded
    GROUP BY profile_id, metric_id
    ORDER BY profile_id, metric_id
    ON CONFLICT (shop_id, profile_id, metric_id) DO UPDATE
        SET
            event_count = known.event_count + excluded.event_count,
            value_sum = known.value_sum + excluded.value_sum,
            first_at = least(known.first_at, excluded.first_at),
            last_at = greatest(known.last_at, excluded.last_at)
)

SELECT count(*) AS recorded_count FROM recorded;

-- name: page_of_events
-- One page of events in the order of their time: direction 1 oldest, -1 newest first; the other is not looked at.
WITH page AS (
    (
        SELECT event_id
        FROM event
        WHERE
            CAST(:direction AS integer) > 0
            AND shop_id = :shop_id
            AND (happened_at, event_id) > (CAST(:after_at AS timestamptz), CAST(:after_id AS bigint))
            AND (CAST(:metric_id AS bigint) IS NULL OR metric_id = :metric_id)
            AND (CAST(:profile_id AS bigint) IS NULL OR profile_id = :profile_id)
            AND happened_at BETWEEN CAST(:since AS timestamptz) AND CAST(:until AS timestamptz)
        ORDER BY happened_at, event_id
        LIMIT :most
    )
    UNION ALL
    (
        SELECT event_id
        FROM event
        WHERE
            CAST(:direction AS integer) < 0
            AND shop_id = :shop_id
            AND (happened_at, event_id) < (CAST(:after_at AS timestamptz), CAST(:after_id AS bigint))
            AND (CAST(:metric_id AS bigint) IS NULL OR metric_id = :metric_id)
            AND (CAST(:profile_id AS bigint) IS NULL OR profile_id = :profile_id)
            AND happened_at BETWEEN CAST(:since AS timestamptz) AND CAST(:until AS timestamptz)
        ORDER BY happened_at DESC, event_id DESC
        LIMIT :most
    )
)

SELECT
    event.event_id,
    event.metric_id,
    event.profile_id,
    event.unique_id,
    event.happened_at,
    event.properties,
    event.value,
    event.value_currency
FROM page
JOIN event ON event.shop_id = :shop_id AND event.event_id = page.event_id
ORDER BY
    extract(EPOCH FROM event.happened_at) * CAST(:direction AS integer),
    event.event_id * CAST(:direction AS integer);

-- name: list_metrics
-- The metrics of a shop.
SELECT
    metric_id,
    name,
    created_at
FROM metric
WHERE
    shop_id = :shop_id
    AND metric_id > :after_id
    AND (CAST(:metric_ids AS bigint[]) IS NULL OR metric_id = ANY (CAST(:metric_ids AS bigint[])))
ORDER BY metric_id
LIMIT :most;
