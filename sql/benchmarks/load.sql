-- name: forget_snapshot
-- As if the last snapshot had not come.
DO $$
DECLARE latest bigint := max(snapshot_id) FROM snapshot;
BEGIN
    CALL drop_stage(latest);
    DELETE FROM snapshot WHERE snapshot_id = latest;
END $$;

-- name: floor_table
-- A table of the feed, without constraints.
CREATE UNLOGGED TABLE floor_row (
    variant_id text COLLATE "C" NOT NULL,
    product_id text COLLATE "C",
    title text,
    url text,
    image_url text,
    price numeric,
    quantity numeric NOT NULL,
    collections text
) WITH (autovacuum_enabled = off);
