-- name: lock
-- Two migrators wait for each other.
SELECT pg_advisory_xact_lock(hashtextextended('restock.migrate', 0));

-- name: create_record_table
-- The record of what was applied.
CREATE TABLE IF NOT EXISTS schema_migration (
    name text PRIMARY KEY,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- name: has_record_table
-- Whether this database was ever migrated.
SELECT to_regclass('schema_migration') IS NOT NULL;

-- name: list_recorded
-- What was applied.
SELECT
    name,
    checksum
FROM schema_migration
ORDER BY name;

-- name: record
-- Note a migration as applied.
INSERT INTO schema_migration (name, checksum)
VALUES (:name, :checksum);

-- name: create_installation
-- The one row that says how this database may deliver.
INSERT INTO installation (link_secret)
VALUES (:link_secret)
ON CONFLICT DO NOTHING;
