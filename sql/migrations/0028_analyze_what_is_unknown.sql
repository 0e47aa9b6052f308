-- What the planner has never seen it takes for a single row: the first pull or import of a shop, or the first large
-- release, and what follows until autovacuum has looked, would compare each row with each. So whoever writes many rows
-- asks, in its own transaction.
CREATE FUNCTION analyze_if_unknown(table_name text, condition text, row_count bigint) RETURNS boolean
LANGUAGE plpgsql
AS $$
DECLARE
    plan jsonb;
BEGIN
    EXECUTE format('EXPLAIN (FORMAT JSON) SELECT FROM %I WHERE %s', table_name, condition) INTO plan;
    IF CAST(plan #>> '{0,Plan,Plan Rows}' AS numeric) >= row_count / 10.0 THEN
        RETURN false;
    END IF;
    EXECUTE format('ANALYZE (SKIP_LOCKED) %I', table_name);
    RETURN true;
END $$;

COMMENT ON FUNCTION analyze_if_unknown IS
'Analyzes a table of which many rows were made to meet a condition, if the planner expects far fewer; whether it did.';
