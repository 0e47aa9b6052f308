-- name: take
-- A notice of a subject, unless the last one is too young; of two at the same moment, one.
INSERT INTO operator_notice (subject, noticed_at)
VALUES (:subject, :now)
ON CONFLICT (subject) DO UPDATE
    SET noticed_at = excluded.noticed_at
    WHERE operator_notice.noticed_at <= :before
RETURNING subject;
