-- Lists of the catalog in the order of age read one page of an index, not the whole shop.
CREATE INDEX variant_by_age ON variant (shop_id, first_seen_at, variant_id);

COMMENT ON INDEX variant_by_age IS 'Pages of catalog variants, oldest or newest first.';

-- One app serves several stores: its privacy webhooks come to one address, and name the store that they are about.
ALTER TABLE shop ADD COLUMN store_domain text COLLATE "C";
COMMENT ON COLUMN shop.store_domain IS 'How the platform names the store, from the Connection by each pull.';

-- Who objected and was forgotten is not written to again.
CREATE TABLE kept_suppression (
    shop_id text COLLATE "C" NOT NULL,
    channel text NOT NULL CHECK (channel IN ('EMAIL', 'SMS')),
    address_digest bytea NOT NULL,
    reason text NOT NULL CHECK (reason IN ('unsubscribed', 'invalid_address', 'complaint', 'manual')),
    suppressed_at timestamptz NOT NULL,
    PRIMARY KEY (shop_id, channel, address_digest)
);

COMMENT ON TABLE kept_suppression IS
'Suppressions of people who were forgotten (SEMANTICS 10.3): a keyed digest in place of the address. It becomes a '
'suppression again when the address comes back.';

CREATE FUNCTION address_digest(secret text, address_key text) RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT sha256(convert_to(secret || chr(10) || address_key, 'UTF8')) $$;

COMMENT ON FUNCTION address_digest IS 'What is kept of an address that was forgotten; only this database can make it.';
