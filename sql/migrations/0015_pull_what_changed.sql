-- Pulls of what changed, deliveries by webhook, and what neither may move back (SEMANTICS 2.1, 2.2).

ALTER TABLE snapshot ADD COLUMN is_delivery boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN snapshot.is_delivery IS
'Came by webhook: it says nothing of what it does not contain, while a pull confirms the rest as it was.';
ALTER TABLE snapshot ADD CONSTRAINT a_delivery_is_partial CHECK (NOT is_delivery OR kind = 'partial');
COMMENT ON CONSTRAINT a_delivery_is_partial ON snapshot IS 'No webhook tells the whole stock.';
CREATE INDEX snapshot_pulled ON snapshot (shop_id, observed_at DESC) WHERE detected_at IS NOT NULL AND NOT is_delivery;

ALTER TABLE variant ADD COLUMN inventory_item_id text COLLATE "C";
COMMENT ON COLUMN variant.inventory_item_id IS 'What the platform calls its stock, where that has an id of its own.';
ALTER TABLE variant ADD COLUMN reported_at timestamptz;
COMMENT ON COLUMN variant.reported_at IS 'The platform''s time of the newest webhook that described it: older ones are no news.';
CREATE INDEX variant_by_inventory_item ON variant (shop_id, inventory_item_id) WHERE inventory_item_id IS NOT NULL;

ALTER TABLE staged_row
    DROP COLUMN facts_checksum,
    ALTER COLUMN quantity DROP NOT NULL,
    ALTER COLUMN collections DROP NOT NULL,
    ADD COLUMN inventory_item_id text COLLATE "C",
    ADD COLUMN reported_at timestamptz,
    ADD COLUMN facts_checksum bigint NOT NULL GENERATED ALWAYS AS (
        hash_record_extended(
            ROW(
                product_id, title, url, image_url, price, compare_at_price, collections,
                is_published, is_tracked, continue_selling, inventory_item_id
            ), 0
        )
    ) STORED;
COMMENT ON COLUMN staged_row.quantity IS 'NULL: the row says nothing of the stock, only of the variant.';
COMMENT ON COLUMN staged_row.collections IS 'NULL: the row says nothing of them.';
COMMENT ON COLUMN staged_row.reported_at IS 'When the platform last changed the quantity, where it tells.';
COMMENT ON COLUMN staged_row.facts_checksum IS
'Of all that a row says of its variant. Rows that differ have the same one by chance once in 2^64.';

-- Stages of before are made again from their archives.
DO $$
DECLARE
    stage text;
BEGIN
    FOR stage IN SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ '^staged_row_\d+$' LOOP
        EXECUTE format('DROP TABLE %I', stage);
    END LOOP;
END $$;

CREATE TABLE stock_report (
    shop_id text COLLATE "C" NOT NULL,
    variant_id text COLLATE "C" NOT NULL,
    location_id text COLLATE "C" NOT NULL,
    reported_at timestamptz NOT NULL,
    PRIMARY KEY (shop_id, variant_id, location_id)
);
COMMENT ON TABLE stock_report IS
'The newest time at which a partial snapshot spoke of a level, until a newer full one: older words are no news.';

CREATE TABLE stock_drift (
    shop_id text COLLATE "C" NOT NULL,
    snapshot_id bigint NOT NULL,
    since timestamptz NOT NULL,
    level_count bigint NOT NULL,
    drifted_count bigint NOT NULL CHECK (drifted_count BETWEEN 0 AND level_count),
    drifted_units numeric NOT NULL CHECK (drifted_units >= 0),
    PRIMARY KEY (shop_id, snapshot_id),
    FOREIGN KEY (shop_id, snapshot_id) REFERENCES snapshot ON DELETE CASCADE
);
COMMENT ON TABLE stock_drift IS
'How far a full snapshot was from what partial ones had since the full one before: what they had missed.';

CREATE TABLE price_change (
    shop_id text COLLATE "C" NOT NULL,
    variant_id text COLLATE "C" NOT NULL,
    observed_at timestamptz NOT NULL,
    price numeric,
    compare_at_price numeric,
    previous_price numeric,
    previous_compare_at_price numeric,
    PRIMARY KEY (shop_id, variant_id, observed_at)
);
COMMENT ON TABLE price_change IS 'History of prices: a row where a known variant''s price or its former price became another.';
CREATE INDEX price_change_by_time ON price_change (shop_id, observed_at);

CREATE TABLE webhook_key (
    shop_id text COLLATE "C" PRIMARY KEY REFERENCES shop,
    secret text NOT NULL,
    stored_at timestamptz NOT NULL
);
COMMENT ON TABLE webhook_key IS 'What a shop''s platform signs its webhooks with, copied from the Connection by each pull.';

CREATE TABLE webhook_delivery (
    shop_id text COLLATE "C" NOT NULL,
    webhook_id text COLLATE "C" NOT NULL,
    delivery_id bigint GENERATED ALWAYS AS IDENTITY,
    topic text NOT NULL,
    said jsonb NOT NULL,
    occurred_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    applied_at timestamptz,
    applied_count integer,
    PRIMARY KEY (shop_id, webhook_id),
    CONSTRAINT an_applied_one_says_how CHECK ((applied_at IS NULL) = (applied_count IS NULL))
) WITH (fillfactor = 80);
COMMENT ON TABLE webhook_delivery IS
'What platforms told us, each id once; only what is needed of a body. Remembered for a while after it was applied.';
COMMENT ON COLUMN webhook_delivery.applied_count IS
'Levels and variants that it told of; 0: nothing known, nothing new, or overtaken by newer words.';
CREATE INDEX webhook_delivery_waiting ON webhook_delivery (shop_id, delivery_id) WHERE applied_at IS NULL;
CREATE INDEX webhook_delivery_applied ON webhook_delivery (shop_id, applied_at) WHERE applied_at IS NOT NULL;

-- Whatever the view is by now, it gets one target more.
DO $$
BEGIN
    EXECUTE 'CREATE OR REPLACE VIEW due_time AS ' || rtrim(pg_get_viewdef('due_time'::regclass), ';') || '
        UNION ALL
        SELECT ''webhooks''::text, min(received_at)
        FROM webhook_delivery
        WHERE applied_at IS NULL';
END $$;
