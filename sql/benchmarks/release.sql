-- name: make_due
-- Some variants are due, others each time.
UPDATE variant_stock SET next_check_at = :now
WHERE variant_id IN (SELECT 'v' || 1 + n * :step + :number FROM generate_series(0, :due - 1) AS n);
