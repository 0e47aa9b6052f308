-- Doubts are counted (SEMANTICS 6.3); shops load at once (2.2); a first run finds rules and need not write them (4.9).

ALTER TABLE message
    ADD COLUMN doubt_count smallint NOT NULL DEFAULT 0;
COMMENT ON COLUMN message.doubt_count IS
'How often nobody knew whether it was sent; after some times a person decides, since each may have arrived.';

INSERT INTO rule_set (min_inventory, customers_per_unit, wait_minutes, rules, created_at)
SELECT 1, NULL, 60, '{}', now()
WHERE NOT EXISTS (SELECT FROM rule_set);

-- A stage is a table of its own: making and dropping a partition locks all other stages until the commit.
-- Stages are told apart by a view that only their own session sees, under the name of the pattern.
DO $$
DECLARE
    stage regclass;
BEGIN
    FOR stage IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'staged_row'::regclass LOOP
        EXECUTE format('DROP TABLE %s', stage);
    END LOOP;
END $$;
COMMENT ON TABLE staged_row IS
'The pattern of stages, always empty; within a load or detect a view of this name shows its own stage.';

CREATE PROCEDURE open_stage(snapshot bigint)
LANGUAGE plpgsql AS $$
BEGIN
    IF to_regclass(stage_name(snapshot)) IS NULL THEN
        EXECUTE format(
            'CREATE UNLOGGED TABLE %I (LIKE public.staged_row) WITH (autovacuum_enabled = off)',
            stage_name(snapshot));
    END IF;
    EXECUTE format('CREATE OR REPLACE TEMPORARY VIEW staged_row AS TABLE %I', stage_name(snapshot));
END $$;

CREATE OR REPLACE PROCEDURE create_stage(snapshot bigint)
LANGUAGE plpgsql AS $$
BEGIN
    CALL drop_stage(snapshot);
    CALL open_stage(snapshot);
END $$;

CREATE PROCEDURE analyze_stage(snapshot bigint)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ANALYZE %I (variant_id, location_id, quantity)', stage_name(snapshot));
END $$;

CREATE PROCEDURE close_stage()
LANGUAGE plpgsql AS $$
BEGIN
    DROP VIEW IF EXISTS pg_temp.staged_row;
END $$;

CREATE OR REPLACE PROCEDURE drop_stage(snapshot bigint)
LANGUAGE plpgsql AS $$
BEGIN
    CALL close_stage();
    EXECUTE format('DROP TABLE IF EXISTS %I', stage_name(snapshot));
END $$;
