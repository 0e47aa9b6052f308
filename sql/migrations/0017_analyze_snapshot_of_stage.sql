-- Without figures of snapshot_id the planner took a stage for 5,000 rows, however many it had, and looked up each of
-- a million variants in an index instead of joining once.
CREATE OR REPLACE PROCEDURE analyze_stage(snapshot bigint)
LANGUAGE plpgsql
AS $$
BEGIN
    EXECUTE format('ANALYZE %I (snapshot_id, variant_id, location_id, quantity)', stage_name(snapshot));
END $$;
