-- One narrow join finds what a snapshot changes, in stock and in what is said of a variant (SEMANTICS 2.2).

ALTER TABLE staged_row ADD COLUMN facts_checksum bigint NOT NULL GENERATED ALWAYS AS (
    hash_record_extended(
        ROW(
            product_id, title, url, image_url, price, compare_at_price, collections,
            is_published, is_tracked, continue_selling
        ), 0
    )
) STORED;
COMMENT ON COLUMN staged_row.facts_checksum IS
'Of all that a row says of its variant. Rows that differ have the same one by chance once in 2^64.';

ALTER TABLE stock_level ADD COLUMN facts_checksum bigint;
COMMENT ON COLUMN stock_level.facts_checksum IS
'Of the staged row that `variant` repeats, the same at all its locations; NULL: not known, to be compared.';

ALTER TABLE stock_difference
    ADD COLUMN facts_checksum bigint,
    ADD COLUMN has_other_stock boolean NOT NULL,
    ADD COLUMN has_other_facts boolean NOT NULL;

-- Stages of before are made again from their archives.
DO $$
DECLARE
    stage text;
BEGIN
    FOR stage IN SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ '^staged_row_\d+$' LOOP
        EXECUTE format('DROP TABLE %I', stage);
    END LOOP;
END $$;

CREATE OR REPLACE PROCEDURE open_stage(snapshot bigint)
LANGUAGE plpgsql AS $$
BEGIN
    IF to_regclass(stage_name(snapshot)) IS NULL THEN
        EXECUTE format(
            'CREATE UNLOGGED TABLE %I (LIKE public.staged_row INCLUDING GENERATED) WITH (autovacuum_enabled = off)',
            stage_name(snapshot));
    END IF;
    EXECUTE format('CREATE OR REPLACE TEMPORARY VIEW staged_row AS TABLE %I', stage_name(snapshot));
END $$;
