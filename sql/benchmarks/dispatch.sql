-- name: make_due
-- Release looks at every variant.
UPDATE variant_stock SET next_check_at = :now;

-- name: count_sent
-- Messages that are marked as sent.
SELECT count(*) FROM message WHERE state = 'sent';
