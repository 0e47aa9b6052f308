-- The public door: keys, rate limits, proof of requests, and what its catalog API keeps beside the catalog.

CREATE TABLE api_key (
    shop_id text COLLATE "C" NOT NULL REFERENCES shop (shop_id),
    key_id bigint GENERATED ALWAYS AS IDENTITY,
    kind text NOT NULL CHECK (kind IN ('public', 'private')),
    key_digest bytea NOT NULL,
    hint text NOT NULL,
    origins text[] NOT NULL DEFAULT '{}',
    rate_factor double precision NOT NULL DEFAULT 1 CHECK (rate_factor > 0),
    created_at timestamptz NOT NULL,
    revoked_at timestamptz,
    PRIMARY KEY (shop_id, key_id),
    CONSTRAINT a_key_is_of_one_shop UNIQUE (key_digest)
);
COMMENT ON TABLE api_key IS 'Company ids (public) and private keys of the door; a key itself is shown once and kept nowhere.';
COMMENT ON COLUMN api_key.key_digest IS 'SHA-256: keys are random, so nobody finds one by trying.';
COMMENT ON COLUMN api_key.hint IS 'Its first characters, by which people tell keys apart.';
COMMENT ON COLUMN api_key.origins IS 'Browser origins that may use a public key; empty: any.';
COMMENT ON COLUMN api_key.rate_factor IS 'Its rate limits are the usual ones times this.';
COMMENT ON CONSTRAINT a_key_is_of_one_shop ON api_key IS 'A key opens one shop and no other.';

CREATE UNLOGGED TABLE intake_rate (
    subject text COLLATE "C" PRIMARY KEY,
    second_at timestamptz NOT NULL,
    second_count integer NOT NULL,
    minute_at timestamptz NOT NULL,
    minute_count integer NOT NULL,
    granted_count integer NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE intake_rate IS
'What was granted to a key or an address in this second and minute, to all processes of the door. Not logged: after a
crash of Postgres everybody starts afresh.';
COMMENT ON COLUMN intake_rate.subject IS 'A digest of the key or the address, and the limit.';
COMMENT ON COLUMN intake_rate.granted_count IS 'What the last asking was granted.';

ALTER TABLE subscription ADD COLUMN proof jsonb;
COMMENT ON COLUMN subscription.proof IS
'Of a request that came through the door: where from, the text shown, the keyed hash of the address (SEMANTICS 10.1).';

CREATE TABLE catalog_item (
    shop_id text COLLATE "C" NOT NULL REFERENCES shop (shop_id),
    product_id text COLLATE "C" NOT NULL,
    integration text NOT NULL,
    attributes jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    deleted_at timestamptz,
    PRIMARY KEY (shop_id, product_id)
);
COMMENT ON TABLE catalog_item IS 'Products as the catalog API told them; products of feeds are known by their variants.';

CREATE TABLE catalog_detail (
    shop_id text COLLATE "C" NOT NULL REFERENCES shop (shop_id),
    variant_id text COLLATE "C" NOT NULL,
    integration text NOT NULL,
    sku text COLLATE "C",
    attributes jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    deleted_at timestamptz,
    PRIMARY KEY (shop_id, variant_id)
);
COMMENT ON TABLE catalog_detail IS
'What the catalog API told of a variant beyond `variant`: it is shown again and decides nothing.';
COMMENT ON COLUMN catalog_detail.deleted_at IS 'Deleted by the API: not announced until a pull or the API publishes it again.';
CREATE INDEX catalog_detail_by_sku ON catalog_detail (shop_id, sku) WHERE sku IS NOT NULL;

CREATE TABLE catalog_job (
    shop_id text COLLATE "C" NOT NULL REFERENCES shop (shop_id),
    job_id bigint GENERATED ALWAYS AS IDENTITY,
    kind text NOT NULL CHECK (
        kind IN ('item-create', 'item-update', 'item-delete', 'variant-create', 'variant-update', 'variant-delete')
    ),
    total_count integer NOT NULL,
    failed_count integer NOT NULL CHECK (failed_count BETWEEN 0 AND total_count),
    errors jsonb NOT NULL DEFAULT '[]',
    target_ids text[] NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (shop_id, job_id)
);
COMMENT ON TABLE catalog_job IS 'Bulk jobs of the catalog API; each was done in the transaction that stored it.';
