-- name: read_due_times
-- When each woken Dag has something to do next.
SELECT
    target,
    due_at
FROM due_time
WHERE due_at IS NOT NULL
ORDER BY target;

-- name: notify_due
-- Tell the trigger that a due time moved.
SELECT pg_notify('restock_due', :target);
