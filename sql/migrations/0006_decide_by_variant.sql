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

ALTER TABLE variant_stock
    ADD COLUMN batched_cycle integer,
    ADD COLUMN declined_until timestamptz;
COMMENT ON COLUMN variant_stock.batched_cycle IS 'Cycle of the last batch; another one''s first batch counts all units (SEMANTICS 4.3).';
COMMENT ON COLUMN variant_stock.declined_until IS 'Set: a person declined a batch, or nobody answered; nobody is told before (SEMANTICS 4.7).';

ALTER TABLE subscription ADD COLUMN passed_batch_id bigint;
COMMENT ON COLUMN subscription.passed_batch_id IS 'The first batch that passed this one over, for its reason (SEMANTICS 4.8).';

ALTER TABLE batch
    ADD COLUMN rules jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN rule_origins jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN basis_units bigint,
    ADD COLUMN invited_count bigint NOT NULL DEFAULT 0,
    ADD COLUMN passed_count bigint NOT NULL DEFAULT 0,
    ADD COLUMN seed text,
    ADD COLUMN proposal_id bigint,
    ADD COLUMN answer_until timestamptz,
    ADD COLUMN asked_at timestamptz,
    ADD COLUMN answered_at timestamptz,
    ADD COLUMN answered_by text,
    DROP CONSTRAINT batch_state_check,
    ADD CONSTRAINT batch_state_check
        CHECK (state IN ('released', 'proposed', 'approved', 'declined', 'expired')),
    ADD CONSTRAINT a_proposal_has_an_end CHECK ((state = 'released') = (answer_until IS NULL)),
    ADD CONSTRAINT an_answer_has_a_time
        CHECK ((state IN ('approved', 'declined', 'expired')) = (answered_at IS NOT NULL));
COMMENT ON COLUMN batch.state IS
'released, or proposed -> approved (proposal_id of the batch that followed) | declined | expired (SEMANTICS 4.7).';
COMMENT ON COLUMN batch.rules IS 'The rules of this variant as they held; rule_origins names where, if not the shop-wide Variable.';
COMMENT ON COLUMN batch.in_flight_count IS 'People, or wanted units where these are sized (SEMANTICS 4.1, 4.5).';
COMMENT ON COLUMN batch.allowed_count IS 'basis_units * customers_per_unit - in flight - invited; NULL: everyone.';
COMMENT ON COLUMN batch.released_count IS 'People told, or, of a proposal, whom it would tell.';
COMMENT ON COLUMN batch.passed_count IS 'Who was newly passed over.';
CREATE UNIQUE INDEX one_open_proposal_per_variant ON batch (shop_id, variant_id) WHERE state = 'proposed';

CREATE UNLOGGED TABLE release_decision (
    shop_id text COLLATE "C" NOT NULL,
    variant_id text COLLATE "C" NOT NULL,
    rules jsonb NOT NULL,
    rule_origins jsonb NOT NULL,
    min_inventory bigint NOT NULL,
    customers_per_unit bigint,
    wait_minutes double precision NOT NULL,
    ordering text NOT NULL,
    vip_property text NOT NULL,
    sizing text NOT NULL,
    allow_overtaking boolean NOT NULL,
    approval_above bigint,
    approval_hours double precision NOT NULL,
    available numeric NOT NULL,
    units bigint NOT NULL,
    basis_units bigint NOT NULL,
    cycle integer NOT NULL,
    observed_at timestamptz NOT NULL,
    restocked_at timestamptz,
    waiting_count bigint NOT NULL,
    in_flight_count bigint NOT NULL,
    invited_count bigint NOT NULL,
    allowed_count bigint,
    hold_reason text,
    seed text,
    released_count bigint NOT NULL DEFAULT 0,
    skipped_count bigint NOT NULL DEFAULT 0,
    passed_count bigint NOT NULL DEFAULT 0,
    is_proposed boolean NOT NULL DEFAULT false,
    batch_id bigint,
    PRIMARY KEY (shop_id, variant_id)
);
COMMENT ON TABLE release_decision IS 'Work table of one release: a row per variant it looks at. Emptied before each.';

CREATE UNLOGGED TABLE release_choice (
    shop_id text COLLATE "C" NOT NULL,
    variant_id text COLLATE "C" NOT NULL,
    subscription_id bigint NOT NULL,
    subscribed_at timestamptz NOT NULL,
    place bigint,
    verdict text NOT NULL,
    reason text
);
COMMENT ON TABLE release_choice IS 'Work table of one release: who is released, skipped or passed over. Emptied before each.';

CREATE FUNCTION deferral_reason(
    restock_after timestamptz, restocked_at timestamptz, not_before timestamptz, at_time timestamptz
) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN restock_after IS NOT NULL AND (restocked_at IS NULL OR restock_after >= restocked_at) THEN 'next_restock'
        WHEN not_before > at_time THEN 'told_recently'
    END
$$;
COMMENT ON FUNCTION deferral_reason IS 'Why a waiting request does not take part yet (SEMANTICS 3.3, 3.5).';

CREATE FUNCTION is_vip(properties jsonb, vip_property text) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT lower(coalesce(properties ->> vip_property, '')) NOT IN ('', 'false', 'no', '0')
$$;
COMMENT ON FUNCTION is_vip IS 'Whether a profile property says that somebody comes first (SEMANTICS 4.2).';

CREATE FUNCTION queue_key(
    ordering text, seed text, is_first boolean, subscribed_at timestamptz, subscription_id bigint
) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE ordering
        WHEN 'lottery' THEN md5(seed || ':' || subscription_id)
        WHEN 'vip_first' THEN CASE WHEN is_first THEN '0' ELSE '1' END
        ELSE ''
    END
$$;
COMMENT ON FUNCTION queue_key IS 'What sorts a queue before the time of the request; ties are then by time and id (SEMANTICS 4.2).';

CREATE FUNCTION take_if_it_fits(taken bigint, size bigint, room bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN room IS NULL OR taken + size <= room THEN taken + size ELSE taken END
$$;
CREATE AGGREGATE units_taken(size bigint, room bigint) (SFUNC = take_if_it_fits, STYPE = bigint, INITCOND = '0');
COMMENT ON AGGREGATE units_taken(bigint, bigint) IS
'As a window in queue order: units taken so far when who does not fit is overtaken (SEMANTICS 4.5).';
