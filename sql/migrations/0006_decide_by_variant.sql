-- Release by the rules of each variant, with where each value came from (SEMANTICS 4).

CREATE TABLE rule_override (
    rule_set_id bigint NOT NULL REFERENCES rule_set ON DELETE CASCADE,
    entry_number integer NOT NULL,
    scope text NOT NULL CHECK (scope IN ('shop', 'collection', 'product', 'variant')),
    target text COLLATE "C" NOT NULL,
    shop_id text COLLATE "C",
    priority integer NOT NULL,
    rules jsonb NOT NULL,
    precedence smallint NOT NULL GENERATED ALWAYS AS (
        CASE scope WHEN 'shop' THEN 1 WHEN 'collection' THEN 2 WHEN 'product' THEN 3 ELSE 4 END
    ) STORED,
    PRIMARY KEY (rule_set_id, entry_number),
    CONSTRAINT one_override_per_target UNIQUE NULLS NOT DISTINCT (rule_set_id, scope, target, shop_id)
);
COMMENT ON TABLE rule_override IS 'Rules of a set that hold for some variants only (SEMANTICS 4.9).';
COMMENT ON COLUMN rule_override.shop_id IS 'NULL: every shop.';
COMMENT ON COLUMN rule_override.rules IS 'Rule -> value, validated like the Variable of the same name.';

CREATE FUNCTION effective_rules(
    of_rule_set bigint, of_shop text, of_variant text, of_product text, of_collections text[]
) RETURNS TABLE (changed jsonb, origins jsonb)
LANGUAGE sql STABLE AS $$
    SELECT
        jsonb_object_agg(entry.key, entry.value ORDER BY rank.place),
        jsonb_object_agg(entry.key, override.scope || ' ' || override.target ORDER BY rank.place)
    FROM rule_override AS override
    CROSS JOIN LATERAL (
        SELECT (override.precedence, override.priority, override.shop_id IS NOT NULL, override.target) AS place
    ) AS rank
    CROSS JOIN LATERAL jsonb_each(override.rules) AS entry
    WHERE
        override.rule_set_id = of_rule_set
        AND (override.shop_id IS NULL OR override.shop_id = of_shop)
        AND (override.scope, override.target) IN (
            SELECT 'shop', of_shop COLLATE "C"
            UNION ALL
            SELECT 'product', of_product
            UNION ALL
            SELECT 'variant', of_variant
            UNION ALL
            SELECT 'collection', unnest(of_collections)
        )
$$;
COMMENT ON FUNCTION effective_rules IS
'What overrides change for one variant, rule -> value and rule -> origin, the narrowest last; NULL: nothing. Its
specification is include/domain/overrides.py: resolve_rules. Join it LATERAL, and only where the set has overrides.';
