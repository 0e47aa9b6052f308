-- Whose choice of counted locations holds was written out in three queries.
CREATE FUNCTION included_locations(changed jsonb, of_shop text[], otherwise text[]) RETURNS text[]
LANGUAGE sql IMMUTABLE
AS $$
    SELECT coalesce(locations_of(changed, 'included_locations'), of_shop, otherwise)
$$;

COMMENT ON FUNCTION included_locations IS
'The only locations that count for a variant: its own rule, else the shop, else the Variable; NULL: all (SEMANTICS 1.1).';

CREATE FUNCTION excluded_locations(changed jsonb, of_shop text[], otherwise text[]) RETURNS text[]
LANGUAGE sql IMMUTABLE
AS $$
    SELECT coalesce(locations_of(changed, 'excluded_locations'), nullif(of_shop, '{}'), otherwise, '{}')
$$;

COMMENT ON FUNCTION excluded_locations IS
'The locations that do not count for a variant: its own rule, else the shop, else the Variable (SEMANTICS 1.1).';
