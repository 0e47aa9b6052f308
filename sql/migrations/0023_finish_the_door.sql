-- Lists of the catalog in the order of age read one page of an index, not the whole shop.
CREATE INDEX variant_by_age ON variant (shop_id, first_seen_at, variant_id);

COMMENT ON INDEX variant_by_age IS 'Pages of catalog variants, oldest or newest first.';

-- One app serves several stores: its privacy webhooks come to one address, and name the store that they are about.
ALTER TABLE shop ADD COLUMN store_domain text COLLATE "C";
COMMENT ON COLUMN shop.store_domain IS 'How the platform names the store, from the Connection by each pull.';

-- Who objected and was forgotten is not written to again.
CREATE FUNCTION erased_key(secret text, address_key text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT 'erased:' || encode(sha256(convert_to(secret || chr(10) || address_key, 'UTF8')), 'hex') $$;

COMMENT ON FUNCTION erased_key IS
'What a suppression keeps in place of an address that was forgotten, until the address comes back (SEMANTICS 10.3); '
'only this database can make it.';
