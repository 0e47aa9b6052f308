-- name: take
-- A notice of a subject, unless the last one is too young; of two at the same moment, one.
INSERT INTO operator_notice (subject, noticed_at)
VALUES (:subject, :now)
ON CONFLICT (subject) DO UPDATE
    SET noticed_at = excluded.noticed_at
    WHERE operator_notice.noticed_at <= :before
RETURNING subject;

-- name: give_back
-- A notice that reached nobody is none: the next one of its subject is told.
DELETE FROM operator_notice
WHERE subject = :subject AND noticed_at = :now;

-- name: read_lags
-- How far behind sending, releasing and pulling are.
SELECT
    'dispatch' AS name,
    extract(EPOCH FROM CAST(:now AS timestamptz) - min(due_at)) AS seconds
FROM message
WHERE state = 'queued' AND parked_domain IS NULL
UNION ALL
SELECT
    'release',
    extract(EPOCH FROM CAST(:now AS timestamptz) - min(next_check_at))
FROM variant_stock
WHERE next_check_at IS NOT NULL
UNION ALL
SELECT
    'stock',
    extract(EPOCH FROM CAST(:now AS timestamptz) - min(newest.observed_at))
FROM shop
CROSS JOIN LATERAL (
    SELECT max(snapshot.observed_at) AS observed_at
    FROM snapshot
    WHERE snapshot.shop_id = shop.shop_id AND snapshot.state = 'complete'
) AS newest
ORDER BY 1;
