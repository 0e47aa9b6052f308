CREATE PROCEDURE public.analyze_stage(IN snapshot bigint)
    LANGUAGE plpgsql
    AS $$
BEGIN
    EXECUTE format('ANALYZE %I (snapshot_id, variant_id, location_id, quantity)', stage_name(snapshot));
END $$;

CREATE FUNCTION public.announceable_units(available numeric, is_published boolean, is_tracked boolean, continue_selling boolean, oversell text) RETURNS bigint
    LANGUAGE sql IMMUTABLE
    AS $$
    SELECT CASE
        WHEN is_published AND is_tracked AND NOT (continue_selling AND oversell = 'always_in_stock')
            THEN CAST(least(floor(greatest(available, 0)), 1e15) AS bigint)
        ELSE 0
    END
$$;

COMMENT ON FUNCTION public.announceable_units(available numeric, is_published boolean, is_tracked boolean, continue_selling boolean, oversell text) IS 'q (SEMANTICS 1.2-1.4); specification: include/domain/stock.py.';

CREATE FUNCTION public.bucket_size(per_second double precision, burst_seconds double precision) RETURNS double precision
    LANGUAGE sql IMMUTABLE
    AS $$
    SELECT greatest(1, per_second * burst_seconds)
$$;

CREATE FUNCTION public.channel_obstacle(of_shop text, of_channel text, of_profile bigint) RETURNS text
    LANGUAGE sql STABLE
    AS $$
    SELECT CASE
        WHEN of_channel NOT IN ('EMAIL', 'SMS') THEN 'undeliverable'
        WHEN of_channel = 'EMAIL' AND profile.email IS NULL THEN 'missing_email'
        WHEN of_channel = 'SMS' AND profile.phone IS NULL THEN 'missing_phone'
        WHEN suppression.reason = 'invalid_address' THEN 'invalid_address'
        WHEN suppression.reason IS NOT NULL THEN 'suppressed'
        WHEN EXISTS (
            SELECT 1
            FROM consent
            WHERE
                consent.shop_id = of_shop
                AND consent.profile_id = of_profile
                AND consent.channel = of_channel
                AND consent.purpose = 'alert'
                AND consent.state = 'withdrawn'
        ) THEN 'missing_consent'
        WHEN of_channel = 'SMS' AND NOT EXISTS (
            SELECT 1
            FROM consent
            WHERE
                consent.shop_id = of_shop
                AND consent.profile_id = of_profile
                AND consent.channel = 'SMS'
                AND consent.state = 'given'
        ) THEN 'missing_consent'
    END
    FROM profile
    LEFT JOIN suppression
        ON
            suppression.shop_id = of_shop
            AND suppression.channel = of_channel
            AND suppression.address_key = CASE of_channel WHEN 'EMAIL' THEN profile.email_key ELSE profile.phone END
    WHERE profile.shop_id = of_shop AND profile.profile_id = of_profile
$$;

COMMENT ON FUNCTION public.channel_obstacle(of_shop text, of_channel text, of_profile bigint) IS 'Why a person can''t be alerted on a channel; NULL: can be (SEMANTICS 4.6, 10.1). For few people or flows that use SMS;
specification: include/domain/channel.py.';

CREATE PROCEDURE public.close_stage()
    LANGUAGE plpgsql
    AS $$
BEGIN
    DROP VIEW IF EXISTS pg_temp.staged_row;
END $$;

CREATE PROCEDURE public.create_stage(IN snapshot bigint)
    LANGUAGE plpgsql
    AS $$
BEGIN
    CALL drop_stage(snapshot);
    CALL open_stage(snapshot);
END $$;

CREATE FUNCTION public.credited_line(of_shop text, start_at timestamp with time zone, end_at timestamp with time zone, attribution_days double precision) RETURNS TABLE(order_id text, line_number integer, variant_id text, ordered_at timestamp with time zone, quantity numeric, amount numeric, currency text, message_id bigint, sent_at timestamp with time zone)
    LANGUAGE sql STABLE
    AS $$
    SELECT
        line.order_id,
        line.line_number,
        line.variant_id,
        line.ordered_at,
        line.quantity - line.returned_quantity,
        line.amount - line.returned_amount,
        line.currency,
        alert.message_id,
        alert.sent_at
    FROM order_line AS line
    CROSS JOIN LATERAL (
        SELECT
            message.message_id,
            message.ended_at AS sent_at
        FROM message
        WHERE
            message.shop_id = of_shop
            AND message.profile_id = line.profile_id
            AND message.variant_id = line.variant_id
            AND message.purpose = 'back_in_stock'
            AND message.state = 'sent'
            AND NOT message.is_recorded_only
            AND message.ended_at < line.ordered_at
        ORDER BY message.ended_at DESC, message.message_id DESC
        LIMIT 1
    ) AS alert
    WHERE
        line.shop_id = of_shop
        AND line.ordered_at >= start_at
        AND line.ordered_at < end_at
        AND extract(EPOCH FROM line.ordered_at - alert.sent_at) <= 86400 * attribution_days
$$;

COMMENT ON FUNCTION public.credited_line(of_shop text, start_at timestamp with time zone, end_at timestamp with time zone, attribution_days double precision) IS 'Order lines of a span with the one alert that each credits (SEMANTICS 9.4); specification:
include/domain/attribution.py.';

CREATE FUNCTION public.deferral_reason(restock_after timestamp with time zone, restocked_at timestamp with time zone, not_before timestamp with time zone, at_time timestamp with time zone) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS $$
    SELECT CASE
        WHEN restock_after IS NOT NULL AND (restocked_at IS NULL OR restock_after >= restocked_at) THEN 'next_restock'
        WHEN not_before > at_time THEN 'told_recently'
    END
$$;

COMMENT ON FUNCTION public.deferral_reason(restock_after timestamp with time zone, restocked_at timestamp with time zone, not_before timestamp with time zone, at_time timestamp with time zone) IS 'Why a waiting request does not take part yet (SEMANTICS 3.3, 3.5).';

CREATE PROCEDURE public.drop_stage(IN snapshot bigint)
    LANGUAGE plpgsql
    AS $$
BEGIN
    CALL close_stage();
    EXECUTE format('DROP TABLE IF EXISTS %I', stage_name(snapshot));
END $$;

CREATE FUNCTION public.effective_rules(of_rule_set bigint, of_shop text, of_variant text, of_product text, of_collections text[]) RETURNS TABLE(changed jsonb, origins jsonb)
    LANGUAGE sql STABLE
    AS $$
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

COMMENT ON FUNCTION public.effective_rules(of_rule_set bigint, of_shop text, of_variant text, of_product text, of_collections text[]) IS 'What overrides change for one variant, rule -> value and rule -> origin, the narrowest last; NULL: nothing. Its
specification is include/domain/overrides.py: resolve_rules. Join it LATERAL, and only where the set has overrides.';

CREATE FUNCTION public.erased_key(secret text, address_key text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT 'erased:' || encode(sha256(convert_to(secret || chr(10) || address_key, 'UTF8')), 'hex') $$;

COMMENT ON FUNCTION public.erased_key(secret text, address_key text) IS 'What a suppression keeps in place of an address that was forgotten, until the address comes back (SEMANTICS 10.3); only this database can make it.';

CREATE FUNCTION public.excluded_locations(changed jsonb, of_shop text[], otherwise text[]) RETURNS text[]
    LANGUAGE sql IMMUTABLE
    AS $$
    SELECT coalesce(locations_of(changed, 'excluded_locations'), nullif(of_shop, '{}'), otherwise, '{}')
$$;

COMMENT ON FUNCTION public.excluded_locations(changed jsonb, of_shop text[], otherwise text[]) IS 'The locations that do not count for a variant: its own rule, else the shop, else the Variable (SEMANTICS 1.1).';

CREATE FUNCTION public.included_locations(changed jsonb, of_shop text[], otherwise text[]) RETURNS text[]
    LANGUAGE sql IMMUTABLE
    AS $$
    SELECT coalesce(locations_of(changed, 'included_locations'), of_shop, otherwise)
$$;

COMMENT ON FUNCTION public.included_locations(changed jsonb, of_shop text[], otherwise text[]) IS 'The only locations that count for a variant: its own rule, else the shop, else the Variable; NULL: all (SEMANTICS 1.1).';

CREATE FUNCTION public.is_counted(location_id text, included text[], excluded text[]) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    AS $$
    SELECT (included IS NULL OR location_id = ANY (included)) AND NOT (location_id = ANY (excluded))
$$;

COMMENT ON FUNCTION public.is_counted(location_id text, included text[], excluded text[]) IS 'Whether a location''s stock belongs to what a variant has available (SEMANTICS 1.1).';

CREATE FUNCTION public.is_vip(properties jsonb, vip_property text) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    AS $$
    SELECT lower(coalesce(properties ->> vip_property, '')) NOT IN ('', 'false', 'no', '0')
$$;

COMMENT ON FUNCTION public.is_vip(properties jsonb, vip_property text) IS 'Whether a profile property says that somebody comes first (SEMANTICS 4.2).';

CREATE FUNCTION public.level_at(of_shop text, at_time timestamp with time zone) RETURNS TABLE(variant_id text, location_id text, quantity numeric, is_missing boolean)
    LANGUAGE sql STABLE
    AS $$
    WITH later AS MATERIALIZED (
        SELECT change.variant_id, change.location_id
        FROM stock_change AS change
        WHERE change.shop_id = of_shop AND change.observed_at > at_time
        UNION
        SELECT presence.variant_id, presence.location_id
        FROM presence_change AS presence
        WHERE presence.shop_id = of_shop AND presence.observed_at > at_time
    )
    SELECT level.variant_id, level.location_id, level.quantity, level.missed_count > 0
    FROM stock_level AS level
    LEFT JOIN later USING (variant_id, location_id)
    WHERE level.shop_id = of_shop AND later.variant_id IS NULL
    UNION ALL
    SELECT later.variant_id, later.location_id, known.quantity, coalesce(presence.is_missing, false)
    FROM later
    CROSS JOIN LATERAL (
        SELECT change.quantity
        FROM stock_change AS change
        WHERE
            change.shop_id = of_shop
            AND change.variant_id = later.variant_id
            AND change.location_id = later.location_id
            AND change.observed_at <= at_time
        ORDER BY change.observed_at DESC
        LIMIT 1
    ) AS known
    LEFT JOIN LATERAL (
        SELECT earlier.is_missing
        FROM presence_change AS earlier
        WHERE
            earlier.shop_id = of_shop
            AND earlier.variant_id = later.variant_id
            AND earlier.location_id = later.location_id
            AND earlier.observed_at <= at_time
        ORDER BY earlier.observed_at DESC
        LIMIT 1
    ) AS presence ON true
$$;

COMMENT ON FUNCTION public.level_at(of_shop text, at_time timestamp with time zone) IS 'What was known of a shop''s stock at a moment; its cost follows what changed since.';

CREATE FUNCTION public.locations_of(changed jsonb, rule_name text) RETURNS text[]
    LANGUAGE sql IMMUTABLE STRICT
    AS $$
    SELECT CASE
        WHEN jsonb_typeof(changed -> rule_name) = 'array'
            THEN ARRAY(SELECT jsonb_array_elements_text(changed -> rule_name))
    END
$$;

COMMENT ON FUNCTION public.locations_of(changed jsonb, rule_name text) IS 'Locations that an override names; NULL: it names none (SEMANTICS 1.1).';

CREATE FUNCTION public.minimum_of(of_rule_set bigint, of_shop text, of_variant text, otherwise bigint) RETURNS bigint
    LANGUAGE sql STABLE
    AS $$
    SELECT coalesce(
        (
            SELECT CAST(effective.changed ->> 'min_inventory' AS bigint)
            FROM variant
            CROSS JOIN LATERAL effective_rules(
                of_rule_set, of_shop, of_variant, variant.product_id, variant.collections
            ) AS effective
            WHERE variant.shop_id = of_shop AND variant.variant_id = of_variant
        ),
        otherwise
    )
$$;

COMMENT ON FUNCTION public.minimum_of(of_rule_set bigint, of_shop text, of_variant text, otherwise bigint) IS 'The minimum inventory of one variant; call it only where the set has overrides.';

CREATE FUNCTION public.note_late() RETURNS trigger
    LANGUAGE plpgsql
    AS $_$
BEGIN
    EXECUTE format(
        'INSERT INTO report_late (shop_id, happened_at)
         SELECT DISTINCT written.shop_id, date_bin(''15 minutes'', written.%1$I, ''epoch'')
         FROM written
         JOIN report_progress AS progress ON progress.shop_id = written.shop_id
         WHERE written.%1$I < progress.log_from', tg_argv[0]);
    RETURN NULL;
END $_$;

COMMENT ON FUNCTION public.note_late() IS 'Logs when written rows happened that lie in days already built, by quarters of an hour, of which every time zone''s days
consist; the argument names their time.';

CREATE FUNCTION public.note_reopened() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    INSERT INTO report_late (shop_id, happened_at) VALUES (OLD.shop_id, OLD.ended_at);
    RETURN NULL;
END $$;

COMMENT ON FUNCTION public.note_reopened() IS 'A request that had ended is open again: the day of its end changes (SEMANTICS 1.6).';

CREATE PROCEDURE public.open_stage(IN snapshot bigint)
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF to_regclass(stage_name(snapshot)) IS NULL THEN
        EXECUTE format(
            'CREATE UNLOGGED TABLE %I (LIKE public.staged_row INCLUDING GENERATED) WITH (autovacuum_enabled = off)',
            stage_name(snapshot));
    END IF;
    EXECUTE format('CREATE OR REPLACE TEMPORARY VIEW staged_row AS TABLE %I', stage_name(snapshot));
END $$;

CREATE FUNCTION public.pick_channel(of_shop text, of_profile bigint, asked text[], offered text[]) RETURNS text
    LANGUAGE sql STABLE
    AS $$
    SELECT preferred.channel
    FROM shop
    CROSS JOIN LATERAL unnest(shop.preferred_channels) WITH ORDINALITY AS preferred (channel, place)
    WHERE
        shop.shop_id = of_shop
        AND preferred.channel = ANY (asked)
        AND preferred.channel = ANY (offered)
        AND channel_obstacle(of_shop, preferred.channel, of_profile) IS NULL
    ORDER BY preferred.place
    LIMIT 1
$$;

COMMENT ON FUNCTION public.pick_channel(of_shop text, of_profile bigint, asked text[], offered text[]) IS 'The one channel on which a person is told, NULL where there is none (SEMANTICS 3.1); specification: include/domain/channel.py.';

CREATE FUNCTION public.queue_key(ordering text, seed text, is_first boolean, subscribed_at timestamp with time zone, subscription_id bigint) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS $$
    SELECT CASE ordering
        WHEN 'lottery' THEN md5(seed || ':' || subscription_id)
        WHEN 'vip_first' THEN CASE WHEN is_first THEN '0' ELSE '1' END
        ELSE ''
    END
$$;

COMMENT ON FUNCTION public.queue_key(ordering text, seed text, is_first boolean, subscribed_at timestamp with time zone, subscription_id bigint) IS 'What sorts a queue before the time of the request; ties are then by time and id (SEMANTICS 4.2).';

CREATE FUNCTION public.spreadsheet_text(cell text) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS $$
    SELECT CASE WHEN left(ltrim(cell, ''''), 1) IN ('=', '+', '-', '@', E'\t', E'\r', E'\n') THEN '''' || cell ELSE cell END
$$;

COMMENT ON FUNCTION public.spreadsheet_text(cell text) IS 'A text that no spreadsheet takes for a formula (SEMANTICS 9.2); specification: include/domain/text.py.';

CREATE FUNCTION public.spreadsheet_time(moment timestamp with time zone) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS $$
    SELECT to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
$$;

COMMENT ON FUNCTION public.spreadsheet_time(moment timestamp with time zone) IS 'A moment as ISO 8601 in UTC, to the second.';

CREATE FUNCTION public.stage_name(snapshot bigint) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS $$ SELECT 'staged_row_' || snapshot $$;

CREATE UNLOGGED TABLE public.stock_difference (
    snapshot_id bigint NOT NULL,
    variant_id text NOT NULL COLLATE pg_catalog."C",
    location_id text NOT NULL COLLATE pg_catalog."C",
    quantity numeric NOT NULL,
    previous_quantity numeric,
    missed_count smallint NOT NULL,
    previous_missed_count smallint DEFAULT 0 NOT NULL,
    facts_checksum bigint,
    has_other_stock boolean NOT NULL,
    has_other_facts boolean NOT NULL
);
ALTER TABLE ONLY public.stock_difference ALTER COLUMN snapshot_id SET STATISTICS 0;
ALTER TABLE ONLY public.stock_difference ALTER COLUMN variant_id SET STATISTICS 0;
ALTER TABLE ONLY public.stock_difference ALTER COLUMN location_id SET STATISTICS 0;
ALTER TABLE ONLY public.stock_difference ALTER COLUMN has_other_stock SET STATISTICS 0;
ALTER TABLE ONLY public.stock_difference ALTER COLUMN has_other_facts SET STATISTICS 0;

COMMENT ON TABLE public.stock_difference IS 'Work table of one detect: what differs from the level. Empty outside its transaction.';

CREATE FUNCTION public.staged_differences(snapshot bigint, of_shop text, seen_at timestamp with time zone, is_full boolean, confirm_absent integer) RETURNS SETOF public.stock_difference
    LANGUAGE plpgsql STABLE ROWS 10000
    SET parallel_tuple_cost TO '0'
    AS $$
BEGIN
    RETURN QUERY
    WITH staged AS (
        SELECT
            staged_row.variant_id,
            staged_row.location_id,
            staged_row.quantity,
            staged_row.facts_checksum
        FROM staged_row
    ),

    level AS (
        SELECT
            stock_level.variant_id,
            stock_level.location_id,
            stock_level.quantity,
            stock_level.observed_at,
            stock_level.missed_count,
            stock_level.facts_checksum
        FROM stock_level
        WHERE stock_level.shop_id = of_shop
    )

    SELECT
        snapshot,
        coalesce(staged.variant_id, level.variant_id),
        coalesce(staged.location_id, level.location_id),
        CASE
            WHEN staged.variant_id IS NOT NULL THEN staged.quantity
            WHEN level.missed_count + 1 >= confirm_absent THEN 0
            ELSE level.quantity
        END,
        level.quantity,
        CAST(CASE WHEN staged.variant_id IS NULL THEN least(level.missed_count + 1, 32000) ELSE 0 END AS smallint),
        coalesce(level.missed_count, CAST(0 AS smallint)),
        staged.facts_checksum,
        level.variant_id IS NULL OR (
            level.observed_at < seen_at
            AND (staged.variant_id IS NULL OR staged.quantity <> level.quantity OR level.missed_count > 0)
        ),
        staged.variant_id IS NOT NULL AND staged.facts_checksum IS DISTINCT FROM level.facts_checksum
    FROM staged
    FULL JOIN level
        ON level.variant_id = staged.variant_id AND level.location_id = staged.location_id
    WHERE
        level.variant_id IS NULL
        OR (
            level.observed_at < seen_at
            AND (
                staged.quantity <> level.quantity
                OR (staged.variant_id IS NOT NULL AND level.missed_count > 0)
                OR (staged.variant_id IS NULL AND is_full AND level.missed_count < confirm_absent)
            )
        )
        OR (staged.variant_id IS NOT NULL AND staged.facts_checksum IS DISTINCT FROM level.facts_checksum);
END $$;

COMMENT ON FUNCTION public.staged_differences(snapshot bigint, of_shop text, seen_at timestamp with time zone, is_full boolean, confirm_absent integer) IS 'What the stage says otherwise than the level: changed, new, missing, or back after missing; or other facts of the
variant. An observation never overrides a newer one (SEMANTICS 2.2); absent rows read 0 once confirmed (2.4).';

CREATE FUNCTION public.take_if_it_fits(taken bigint, size bigint, room bigint) RETURNS bigint
    LANGUAGE sql IMMUTABLE
    AS $$
    SELECT CASE WHEN room IS NULL OR taken + size <= room THEN taken + size ELSE taken END
$$;

CREATE FUNCTION public.tokens_in(empty_at timestamp with time zone, per_second double precision, burst_seconds double precision, at_time timestamp with time zone) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT
    AS $$
    SELECT CAST(greatest(0, floor(0.001 + least(
        bucket_size(per_second, burst_seconds), extract(EPOCH FROM at_time - empty_at) * per_second
    ))) AS integer)
$$;

COMMENT ON FUNCTION public.tokens_in(empty_at timestamp with time zone, per_second double precision, burst_seconds double precision, at_time timestamp with time zone) IS 'Whole tokens in a bucket; it never holds more than its size, which is one at least.';

CREATE FUNCTION public.unreachable_reason(requested text[], telling text[], has_email boolean, email_suppression text, email_consent text, of_shop text, of_profile bigint) RETURNS text
    LANGUAGE sql STABLE
    AS $$
    SELECT CASE
        WHEN NOT requested && telling THEN 'undeliverable'
        WHEN NOT 'EMAIL' = ANY (telling) OR NOT 'EMAIL' = ANY (requested)
            THEN channel_obstacle(of_shop, 'SMS', of_profile)
        WHEN has_email AND email_suppression IS NULL AND email_consent IS DISTINCT FROM 'withdrawn' THEN NULL
        WHEN 'SMS' = ANY (telling) AND 'SMS' = ANY (requested)
            AND channel_obstacle(of_shop, 'SMS', of_profile) IS NULL
            THEN NULL
        WHEN NOT has_email THEN 'missing_email'
        WHEN email_suppression = 'invalid_address' THEN 'invalid_address'
        WHEN email_suppression IS NOT NULL THEN 'suppressed'
        ELSE 'missing_consent'
    END
$$;

COMMENT ON FUNCTION public.unreachable_reason(requested text[], telling text[], has_email boolean, email_suppression text, email_consent text, of_shop text, of_profile bigint) IS 'Why no telling message reaches a person on a requested channel; NULL: one does (SEMANTICS 4.6). What e-mail needs comes
with the row, so that flows without SMS call nothing per person; specification: include/domain/channel.py.';

CREATE AGGREGATE public.units_taken(size bigint, room bigint) (
    SFUNC = public.take_if_it_fits,
    STYPE = bigint,
    INITCOND = '0'
);

COMMENT ON AGGREGATE public.units_taken(size bigint, room bigint) IS 'As a window in queue order: units taken so far when who does not fit is overtaken (SEMANTICS 4.5).';

CREATE TABLE public.alert (
    alert_id bigint NOT NULL,
    kind text NOT NULL,
    subject text NOT NULL,
    detail text NOT NULL,
    raised_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone
);

COMMENT ON TABLE public.alert IS 'What a person should look at; detail holds no address (SEMANTICS 6.5, 9.5).';

ALTER TABLE public.alert ALTER COLUMN alert_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.alert_alert_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.api_key (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    key_id bigint NOT NULL,
    kind text NOT NULL,
    key_digest bytea NOT NULL,
    hint text NOT NULL,
    origins text[] DEFAULT '{}'::text[] NOT NULL,
    rate_factor double precision DEFAULT 1 NOT NULL,
    created_at timestamp with time zone NOT NULL,
    revoked_at timestamp with time zone,
    CONSTRAINT api_key_kind_check CHECK ((kind = ANY (ARRAY['public'::text, 'private'::text]))),
    CONSTRAINT api_key_rate_factor_check CHECK ((rate_factor > (0)::double precision))
);

COMMENT ON TABLE public.api_key IS 'Company ids (public) and private keys of the door; a key itself is shown once and kept nowhere.';

COMMENT ON COLUMN public.api_key.key_digest IS 'SHA-256: keys are random, so nobody finds one by trying.';

COMMENT ON COLUMN public.api_key.hint IS 'Its first characters, by which people tell keys apart.';

COMMENT ON COLUMN public.api_key.origins IS 'Browser origins that may use a public key; empty: any.';

COMMENT ON COLUMN public.api_key.rate_factor IS 'Its rate limits are the usual ones times this.';

ALTER TABLE public.api_key ALTER COLUMN key_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.api_key_key_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.backfill_summary (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    snapshot_id bigint NOT NULL,
    variant_count integer NOT NULL,
    changes_added integer NOT NULL,
    changes_moved integer NOT NULL,
    changes_removed integer NOT NULL,
    events_added integer NOT NULL,
    events_moved integer NOT NULL,
    events_removed integer NOT NULL
);

COMMENT ON TABLE public.backfill_summary IS 'What a late snapshot changed in the history (SEMANTICS 2.9).';

COMMENT ON COLUMN public.backfill_summary.changes_moved IS 'Changes of a variant that stand at another time, or with other quantities.';

CREATE TABLE public.batch (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    batch_id bigint NOT NULL,
    variant_id text NOT NULL COLLATE pg_catalog."C",
    run_id text NOT NULL,
    state text NOT NULL,
    decided_at timestamp with time zone NOT NULL,
    cycle integer NOT NULL,
    rule_set_id bigint NOT NULL,
    available numeric NOT NULL,
    units bigint NOT NULL,
    observed_at timestamp with time zone NOT NULL,
    min_inventory bigint NOT NULL,
    customers_per_unit bigint,
    wait_minutes double precision NOT NULL,
    ordering text DEFAULT 'oldest'::text NOT NULL,
    waiting_count bigint NOT NULL,
    in_flight_count bigint NOT NULL,
    allowed_count bigint,
    released_count bigint NOT NULL,
    skipped_count bigint NOT NULL,
    next_release_at timestamp with time zone,
    rules jsonb DEFAULT '{}'::jsonb NOT NULL,
    rule_origins jsonb DEFAULT '{}'::jsonb NOT NULL,
    basis_units bigint,
    invited_count bigint DEFAULT 0 NOT NULL,
    passed_count bigint DEFAULT 0 NOT NULL,
    seed text,
    proposal_id bigint,
    answer_until timestamp with time zone,
    asked_at timestamp with time zone,
    answered_at timestamp with time zone,
    answered_by text,
    CONSTRAINT a_proposal_has_an_end CHECK (((state = 'released'::text) = (answer_until IS NULL))),
    CONSTRAINT an_answer_has_a_time CHECK (((state = ANY (ARRAY['approved'::text, 'declined'::text, 'expired'::text])) = (answered_at IS NOT NULL))),
    CONSTRAINT batch_state_check CHECK ((state = ANY (ARRAY['released'::text, 'proposed'::text, 'approved'::text, 'declined'::text, 'expired'::text])))
);

COMMENT ON TABLE public.batch IS 'People told together, with everything that decided how many (SEMANTICS 4.8).';

COMMENT ON COLUMN public.batch.state IS 'released, or proposed -> approved (proposal_id of the batch that followed) | declined | expired (SEMANTICS 4.7).';

COMMENT ON COLUMN public.batch.in_flight_count IS 'People, or wanted units where these are sized (SEMANTICS 4.1, 4.5).';

COMMENT ON COLUMN public.batch.allowed_count IS 'basis_units * customers_per_unit - in flight - invited; NULL: everyone.';

COMMENT ON COLUMN public.batch.released_count IS 'People told, or, of a proposal, whom it would tell.';

COMMENT ON COLUMN public.batch.rules IS 'The rules of this variant as they held; rule_origins names where, if not the shop-wide Variable.';

COMMENT ON COLUMN public.batch.passed_count IS 'Who was newly passed over.';

ALTER TABLE public.batch ALTER COLUMN batch_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.batch_batch_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.bundle_component (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    bundle_variant_id text NOT NULL COLLATE pg_catalog."C",
    component_variant_id text NOT NULL COLLATE pg_catalog."C",
    units_per_bundle integer NOT NULL,
    CONSTRAINT a_bundle_does_not_hold_itself CHECK ((bundle_variant_id <> component_variant_id)),
    CONSTRAINT bundle_component_units_per_bundle_check CHECK ((units_per_bundle >= 1))
);

COMMENT ON TABLE public.bundle_component IS 'What a bundle is made of, from shops.yaml. A bundle''s own stock_level is kept and ignored (SEMANTICS 1.5).';

CREATE TABLE public.catalog_detail (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    variant_id text NOT NULL COLLATE pg_catalog."C",
    integration text NOT NULL,
    sku text COLLATE pg_catalog."C",
    attributes jsonb NOT NULL,
    created_at timestamp with time zone NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone
);

COMMENT ON TABLE public.catalog_detail IS 'What the catalog API told of a variant beyond `variant`: it is shown again and decides nothing.';

COMMENT ON COLUMN public.catalog_detail.deleted_at IS 'Deleted by the API: not announced until a pull or the API publishes it again.';

CREATE TABLE public.catalog_item (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    product_id text NOT NULL COLLATE pg_catalog."C",
    integration text NOT NULL,
    attributes jsonb NOT NULL,
    created_at timestamp with time zone NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone
);

COMMENT ON TABLE public.catalog_item IS 'Products as the catalog API told them; products of feeds are known by their variants.';

CREATE TABLE public.catalog_job (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    job_id bigint NOT NULL,
    kind text NOT NULL,
    total_count integer NOT NULL,
    failed_count integer NOT NULL,
    errors jsonb DEFAULT '[]'::jsonb NOT NULL,
    target_ids text[] NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT catalog_job_check CHECK (((failed_count >= 0) AND (failed_count <= total_count))),
    CONSTRAINT catalog_job_kind_check CHECK ((kind = ANY (ARRAY['item-create'::text, 'item-update'::text, 'item-delete'::text, 'variant-create'::text, 'variant-update'::text, 'variant-delete'::text])))
);

COMMENT ON TABLE public.catalog_job IS 'Bulk jobs of the catalog API; each was done in the transaction that stored it.';

ALTER TABLE public.catalog_job ALTER COLUMN job_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.catalog_job_job_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.channel (
    channel text NOT NULL,
    consecutive_errors integer DEFAULT 0 NOT NULL,
    paused_at timestamp with time zone,
    pause_reason text,
    probe_at timestamp with time zone,
    refused_addresses integer DEFAULT 0 NOT NULL,
    probe_count integer DEFAULT 0 NOT NULL,
    CONSTRAINT a_paused_channel_says_why CHECK (((paused_at IS NULL) = (pause_reason IS NULL))),
    CONSTRAINT channel_channel_check CHECK ((channel = ANY (ARRAY['EMAIL'::text, 'SMS'::text]))),
    CONSTRAINT only_a_paused_channel_probes CHECK (((probe_at IS NULL) OR (paused_at IS NOT NULL)))
);

COMMENT ON COLUMN public.channel.probe_at IS 'When a paused channel tries one message; NULL while paused: only a person resumes it.';

COMMENT ON COLUMN public.channel.refused_addresses IS 'Refused addresses in a row; many mean that the provider errs, not the people.';

CREATE TABLE public.consent (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    profile_id bigint NOT NULL,
    channel text NOT NULL,
    purpose text NOT NULL,
    state text NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    source text NOT NULL,
    proof jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT consent_channel_check CHECK ((channel = ANY (ARRAY['EMAIL'::text, 'SMS'::text]))),
    CONSTRAINT consent_purpose_check CHECK ((purpose = ANY (ARRAY['alert'::text, 'marketing'::text]))),
    CONSTRAINT consent_state_check CHECK ((state = ANY (ARRAY['given'::text, 'withdrawn'::text])))
);

COMMENT ON TABLE public.consent IS 'What a person said per channel and purpose. Alerts by e-mail need none, by SMS one that is given (SEMANTICS 10.1).';

COMMENT ON COLUMN public.consent.purpose IS 'alert: to be told of what was asked for; marketing: anything else that is not transactional.';

COMMENT ON COLUMN public.consent.state IS 'withdrawn for alert: an objection, which also stops alerts by e-mail.';

COMMENT ON COLUMN public.consent.proof IS 'The text shown and the like; no address.';

CREATE TABLE public.delivery_attempt (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    message_id bigint NOT NULL,
    attempt_number integer NOT NULL,
    attempted_at timestamp with time zone NOT NULL,
    outcome text NOT NULL,
    code text,
    detail text
);

COMMENT ON TABLE public.delivery_attempt IS 'Attempts that did not end in a sent message; detail holds no address.';

CREATE TABLE public.enrolment (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    enrolment_id bigint NOT NULL,
    flow_name text NOT NULL COLLATE pg_catalog."C",
    profile_id bigint NOT NULL,
    subscription_id bigint,
    batch_id bigint,
    step_id text COLLATE pg_catalog."C",
    due_at timestamp with time zone,
    state text NOT NULL,
    reason text,
    entered_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    CONSTRAINT an_active_one_stands_at_a_step CHECK (((state = 'active'::text) = ((step_id IS NOT NULL) AND (due_at IS NOT NULL)))),
    CONSTRAINT an_ended_one_has_a_time CHECK (((state = 'active'::text) = (ended_at IS NULL))),
    CONSTRAINT enrolment_state_check CHECK ((state = ANY (ARRAY['active'::text, 'completed'::text, 'ended'::text])))
)
WITH (fillfactor='90');

COMMENT ON TABLE public.enrolment IS 'One person inside one flow, standing at a step (SEMANTICS 3.9, 7).';

CREATE TABLE public.flow (
    flow_name text NOT NULL COLLATE pg_catalog."C",
    title text NOT NULL,
    metric text NOT NULL,
    first_step_id text,
    definition jsonb NOT NULL,
    is_telling boolean NOT NULL,
    is_registered boolean NOT NULL,
    registered_at timestamp with time zone NOT NULL,
    purpose text NOT NULL,
    CONSTRAINT flow_purpose_check CHECK ((purpose = ANY (ARRAY['back_in_stock'::text, 'transactional'::text, 'marketing'::text])))
);

COMMENT ON COLUMN public.flow.first_step_id IS 'Where enrolments enter: the step after a back-in-stock delay, else the first one.';

COMMENT ON COLUMN public.flow.is_telling IS 'Has a live or manual message; without one nobody is released (SEMANTICS 3.8).';

COMMENT ON COLUMN public.flow.is_registered IS 'False once its file is gone: it enrols nobody, those inside go on.';

COMMENT ON COLUMN public.flow.purpose IS 'What its messages are for: decides consent, quiet hours, Smart Sending and priority.';

CREATE TABLE public.message (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    message_id bigint NOT NULL,
    message_key text NOT NULL COLLATE pg_catalog."C",
    channel text NOT NULL,
    purpose text NOT NULL,
    priority smallint DEFAULT 5 NOT NULL,
    profile_id bigint,
    subscription_id bigint,
    enrolment_id bigint,
    batch_id bigint,
    variant_id text COLLATE pg_catalog."C",
    flow_name text COLLATE pg_catalog."C",
    step_id text COLLATE pg_catalog."C",
    template text NOT NULL,
    state text NOT NULL,
    reason text,
    due_at timestamp with time zone NOT NULL,
    lease_until timestamp with time zone,
    lane text,
    attempt_count integer DEFAULT 0 NOT NULL,
    is_recorded_only boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    parked_domain text COLLATE pg_catalog."C",
    approved_at timestamp with time zone,
    doubt_count smallint DEFAULT 0 NOT NULL,
    report_run_id bigint,
    recipient_id bigint,
    CONSTRAINT a_report_has_a_run_and_a_recipient CHECK (((purpose = 'report'::text) = ((report_run_id IS NOT NULL) AND (recipient_id IS NOT NULL)))),
    CONSTRAINT message_purpose_check CHECK ((purpose = ANY (ARRAY['back_in_stock'::text, 'transactional'::text, 'marketing'::text, 'report'::text, 'confirm_request'::text, 'keep_request'::text]))),
    CONSTRAINT message_state_check CHECK ((state = ANY (ARRAY['queued'::text, 'sending'::text, 'held'::text, 'sent'::text, 'failed'::text, 'skipped'::text]))),
    CONSTRAINT what_ended_has_a_time CHECK (((state = ANY (ARRAY['sent'::text, 'failed'::text, 'skipped'::text])) = (ended_at IS NOT NULL))),
    CONSTRAINT what_is_parked_waits_for_a_token CHECK (((parked_domain IS NULL) OR ((state = 'queued'::text) AND (reason = 'rate_limit'::text)))),
    CONSTRAINT what_is_sending_has_a_lease CHECK (((state = 'sending'::text) = ((lease_until IS NOT NULL) AND (lane IS NOT NULL)))),
    CONSTRAINT what_was_not_sent_says_why CHECK (((state <> ALL (ARRAY['failed'::text, 'skipped'::text, 'held'::text])) OR (reason IS NOT NULL)))
)
WITH (fillfactor='80');

COMMENT ON TABLE public.message IS 'The outbox: queued -> sending -> sent | failed | skipped; sending -> held waits for a person (SEMANTICS 6.1-6.3).';

COMMENT ON COLUMN public.message.purpose IS 'confirm_request asks for double opt-in, keep_request whether it is still wanted (SEMANTICS 3.6).';

COMMENT ON COLUMN public.message.reason IS 'Why it was skipped or failed, or what a queued one waits for (SEMANTICS 5).';

COMMENT ON COLUMN public.message.parked_domain IS 'Set: waits, in its old order, until the limit of this recipient domain has room; its due_at is over.';

COMMENT ON COLUMN public.message.approved_at IS 'Set: a person let it go then; a manual step holds it no more (SEMANTICS 7.3).';

COMMENT ON COLUMN public.message.doubt_count IS 'How often nobody knew whether it was sent; after some times a person decides, since each may have arrived.';

COMMENT ON CONSTRAINT a_report_has_a_run_and_a_recipient ON public.message IS 'A report goes to operators, not to shoppers.';

CREATE TABLE public.send_rate (
    channel text NOT NULL,
    domain text NOT NULL COLLATE pg_catalog."C",
    per_second double precision NOT NULL,
    empty_at timestamp with time zone NOT NULL,
    taken_count integer NOT NULL,
    CONSTRAINT send_rate_per_second_check CHECK ((per_second > (0)::double precision)),
    CONSTRAINT send_rate_taken_count_check CHECK ((taken_count >= 0))
)
WITH (fillfactor='50');

COMMENT ON TABLE public.send_rate IS 'Token buckets that all lanes of all machines share; domain '''' is the whole channel.';

COMMENT ON COLUMN public.send_rate.empty_at IS 'When the bucket was last empty: it holds (now - empty_at) * per_second tokens, up to its size.';

COMMENT ON COLUMN public.send_rate.taken_count IS 'What the last taking was granted.';

CREATE TABLE public.variant_stock (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    variant_id text NOT NULL COLLATE pg_catalog."C",
    available numeric NOT NULL,
    units bigint NOT NULL,
    is_open boolean NOT NULL,
    is_absent boolean DEFAULT false NOT NULL,
    last_below bigint,
    confirmations integer DEFAULT 0 NOT NULL,
    cycle integer DEFAULT 0 NOT NULL,
    observed_at timestamp with time zone NOT NULL,
    opened_at timestamp with time zone,
    closed_at timestamp with time zone,
    restocked_at timestamp with time zone,
    added_units bigint DEFAULT 0 NOT NULL,
    next_release_at timestamp with time zone,
    next_check_at timestamp with time zone,
    hold_reason text,
    decided_at timestamp with time zone,
    batched_cycle integer,
    declined_until timestamp with time zone,
    guard_reason text,
    CONSTRAINT variant_stock_units_check CHECK ((units >= 0))
)
WITH (fillfactor='90');

COMMENT ON TABLE public.variant_stock IS 'Per variant: what is available, whether it is open, and when release looks at it next (SEMANTICS 2.5, 4.1).';

COMMENT ON COLUMN public.variant_stock.units IS 'q = floor(max(0, available)), 0 while it can''t be announced (SEMANTICS 1.2, 1.3).';

COMMENT ON COLUMN public.variant_stock.last_below IS 'Last units below the minimum; NULL when never seen below.';

COMMENT ON COLUMN public.variant_stock.restocked_at IS 'Last opening that was a true restock; first sight of a stocked variant is none.';

COMMENT ON COLUMN public.variant_stock.next_check_at IS 'When release has a reason to look; NULL: nothing to do until something changes.';

COMMENT ON COLUMN public.variant_stock.batched_cycle IS 'Cycle of the last batch; another one''s first batch counts all units (SEMANTICS 4.3).';

COMMENT ON COLUMN public.variant_stock.declined_until IS 'Set: a person declined a batch, or nobody answered; nobody is told before (SEMANTICS 4.7).';

COMMENT ON COLUMN public.variant_stock.guard_reason IS 'Which guard keeps enough units from being a restock, with the figures (SEMANTICS 2.4, 2.5); NULL: none.';

CREATE TABLE public.webhook_delivery (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    webhook_id text NOT NULL COLLATE pg_catalog."C",
    delivery_id bigint NOT NULL,
    topic text NOT NULL,
    said jsonb NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    received_at timestamp with time zone NOT NULL,
    applied_at timestamp with time zone,
    applied_count integer,
    CONSTRAINT an_applied_one_says_how CHECK (((applied_at IS NULL) = (applied_count IS NULL)))
)
WITH (fillfactor='80');

COMMENT ON TABLE public.webhook_delivery IS 'What platforms told us, each id once; only what is needed of a body. Remembered for a while after it was applied.';

COMMENT ON COLUMN public.webhook_delivery.applied_count IS 'Levels and variants that it told of; 0: nothing known, nothing new, or overtaken by newer words.';

COMMENT ON CONSTRAINT an_applied_one_says_how ON public.webhook_delivery IS 'Applied is what has a time and a count of what it told; what waits has neither.';

CREATE VIEW public.due_time AS
 SELECT 'release'::text AS target,
    min(variant_stock.next_check_at) AS due_at
   FROM public.variant_stock
  WHERE (variant_stock.next_check_at IS NOT NULL)
UNION ALL
 SELECT ('flow:'::text || flow.flow_name) AS target,
    earliest.due_at
   FROM (public.flow
     CROSS JOIN LATERAL ( SELECT min(enrolment.due_at) AS due_at
           FROM public.enrolment
          WHERE ((enrolment.flow_name = flow.flow_name) AND (enrolment.state = 'active'::text))) earliest)
UNION ALL
 SELECT 'dispatch'::text AS target,
    min(GREATEST(earliest.due_at, channel.probe_at)) AS due_at
   FROM (public.channel
     CROSS JOIN LATERAL ( SELECT LEAST(( SELECT min(message.due_at) AS min
                   FROM public.message
                  WHERE ((message.channel = channel.channel) AND (message.state = 'queued'::text) AND (message.parked_domain IS NULL))), ( SELECT min((send_rate.empty_at + make_interval(secs => ((1)::double precision / send_rate.per_second)))) AS min
                   FROM public.send_rate
                  WHERE ((send_rate.channel = channel.channel) AND (EXISTS ( SELECT 1
                           FROM public.message
                          WHERE ((message.channel = send_rate.channel) AND (message.parked_domain = send_rate.domain)))))), ( SELECT min(message.lease_until) AS min
                   FROM public.message
                  WHERE (message.state = 'sending'::text))) AS due_at) earliest)
  WHERE ((earliest.due_at IS NOT NULL) AND ((channel.paused_at IS NULL) OR (channel.probe_at IS NOT NULL)))
UNION ALL
 SELECT 'webhooks'::text AS target,
    min(webhook_delivery.received_at) AS due_at
   FROM public.webhook_delivery
  WHERE (webhook_delivery.applied_at IS NULL);

COMMENT ON VIEW public.due_time IS 'When each Dag that is woken has something to do; NULL: nothing.';

ALTER TABLE public.enrolment ALTER COLUMN enrolment_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.enrolment_enrolment_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.event (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    event_id bigint NOT NULL,
    metric_id bigint NOT NULL,
    profile_id bigint NOT NULL,
    unique_id text NOT NULL COLLATE pg_catalog."C",
    happened_at timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    value numeric,
    value_currency text,
    properties jsonb NOT NULL,
    is_backfill boolean NOT NULL
);

COMMENT ON TABLE public.event IS 'One occurrence of a metric.';

COMMENT ON COLUMN public.event.unique_id IS 'Given by the sender, else the second in which it happened.';

COMMENT ON COLUMN public.event.is_backfill IS 'Recorded without triggering flows (SEMANTICS 7.6).';

ALTER TABLE public.event ALTER COLUMN event_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.event_event_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.flow_step (
    flow_name text NOT NULL COLLATE pg_catalog."C",
    step_id text NOT NULL COLLATE pg_catalog."C",
    "position" integer NOT NULL,
    kind text NOT NULL,
    channel text,
    template text,
    status text,
    next_step_id text,
    without_stock text DEFAULT 'hold'::text NOT NULL,
    is_deleted boolean DEFAULT false NOT NULL,
    uses_smart_sending boolean NOT NULL,
    requires_stock boolean NOT NULL,
    CONSTRAINT flow_step_without_stock_check CHECK ((without_stock = ANY (ARRAY['hold'::text, 'skip'::text])))
);

COMMENT ON COLUMN public.flow_step.without_stock IS 'What a later message of the flow does while there is no stock; a first one never waits for it (SEMANTICS 3.9).';

COMMENT ON COLUMN public.flow_step.is_deleted IS 'The file holds it no more: its queued messages are skipped as step_deleted.';

COMMENT ON COLUMN public.flow_step.uses_smart_sending IS 'Skipped for people who got something on this channel lately.';

COMMENT ON COLUMN public.flow_step.requires_stock IS 'Leaves only while the variant can be bought; always so in back-in-stock.';

CREATE TABLE public.import_reject (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    import_reject_id bigint NOT NULL,
    file_digest text NOT NULL,
    line_number bigint NOT NULL,
    reason text NOT NULL,
    imported_at timestamp with time zone NOT NULL
);

COMMENT ON TABLE public.import_reject IS 'Lines of an imported waiting list that were refused, each with its reason (SEMANTICS 3.7).';

ALTER TABLE public.import_reject ALTER COLUMN import_reject_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.import_reject_import_reject_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.installation (
    is_the_one boolean DEFAULT true NOT NULL,
    link_secret text NOT NULL,
    delivery text DEFAULT 'record_only'::text NOT NULL,
    allow_list text[] DEFAULT '{}'::text[] NOT NULL,
    bound_to text,
    CONSTRAINT installation_delivery_check CHECK ((delivery = ANY (ARRAY['live'::text, 'allow_list'::text, 'record_only'::text]))),
    CONSTRAINT installation_is_the_one_check CHECK (is_the_one)
);

COMMENT ON TABLE public.installation IS 'One row: how this database may deliver, and which database it was told so (SEMANTICS 6.6).';

COMMENT ON COLUMN public.installation.bound_to IS 'Identity of the database for which delivery was set: a restored copy differs and records only.';

CREATE UNLOGGED TABLE public.intake_rate (
    subject text NOT NULL COLLATE pg_catalog."C",
    second_at timestamp with time zone NOT NULL,
    second_count integer NOT NULL,
    minute_at timestamp with time zone NOT NULL,
    minute_count integer NOT NULL,
    granted_count integer NOT NULL
)
WITH (fillfactor='50');

COMMENT ON TABLE public.intake_rate IS 'What was granted to a key or an address in this second and minute, to all processes of the door. Not logged: after a
crash of Postgres everybody starts afresh.';

COMMENT ON COLUMN public.intake_rate.subject IS 'A digest of the key or the address, and the limit.';

COMMENT ON COLUMN public.intake_rate.granted_count IS 'What the last asking was granted.';

CREATE TABLE public.message_feedback (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    message_id bigint NOT NULL,
    kind text NOT NULL,
    told_at timestamp with time zone NOT NULL,
    code text,
    CONSTRAINT message_feedback_kind_check CHECK ((kind = ANY (ARRAY['delivered'::text, 'bounced'::text, 'deferred'::text, 'complained'::text, 'unsubscribed'::text])))
);

COMMENT ON TABLE public.message_feedback IS 'What became of a sent message, as its provider tells it later; each kind once.';

COMMENT ON COLUMN public.message_feedback.code IS 'The provider''s code; no address.';

ALTER TABLE public.message ALTER COLUMN message_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.message_message_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.metric (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    metric_id bigint NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    created_at timestamp with time zone NOT NULL
);

COMMENT ON TABLE public.metric IS 'What people do, by name: Placed Order.';

ALTER TABLE public.metric ALTER COLUMN metric_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.metric_metric_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.operator_notice (
    subject text NOT NULL COLLATE pg_catalog."C",
    noticed_at timestamp with time zone NOT NULL
);

COMMENT ON TABLE public.operator_notice IS 'When operators were last told of something that failed, so that they are not told every minute.';

CREATE TABLE public.order_line (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    order_id text NOT NULL COLLATE pg_catalog."C",
    line_number integer NOT NULL,
    variant_id text NOT NULL COLLATE pg_catalog."C",
    profile_id bigint,
    quantity numeric NOT NULL,
    amount numeric NOT NULL,
    currency text NOT NULL,
    ordered_at timestamp with time zone NOT NULL,
    returned_quantity numeric DEFAULT 0 NOT NULL,
    returned_amount numeric DEFAULT 0 NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    CONSTRAINT no_more_comes_back_than_was_sold CHECK (((returned_quantity >= (0)::numeric) AND (returned_quantity <= quantity))),
    CONSTRAINT order_line_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT order_line_quantity_check CHECK ((quantity > (0)::numeric))
);

COMMENT ON TABLE public.order_line IS 'One line of an order, for attribution (SEMANTICS 9.4); what came back is subtracted.';

COMMENT ON COLUMN public.order_line.profile_id IS 'Who bought; NULL: nobody whom Restock knows.';

COMMENT ON COLUMN public.order_line.amount IS 'What the whole line costs, in its currency.';

COMMENT ON CONSTRAINT no_more_comes_back_than_was_sold ON public.order_line IS 'A return belongs to what was bought.';

CREATE TABLE public.presence_change (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    variant_id text NOT NULL COLLATE pg_catalog."C",
    location_id text NOT NULL COLLATE pg_catalog."C",
    observed_at timestamp with time zone NOT NULL,
    is_missing boolean NOT NULL
);

COMMENT ON TABLE public.presence_change IS 'History: a row where a full snapshot first lacked what the one before it had, or had it again (SEMANTICS 2.4). With
stock_change it tells what every snapshot said, so that a late one can take its place among them (2.9).';

CREATE TABLE public.price_change (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    variant_id text NOT NULL COLLATE pg_catalog."C",
    observed_at timestamp with time zone NOT NULL,
    price numeric,
    compare_at_price numeric,
    previous_price numeric,
    previous_compare_at_price numeric
);

COMMENT ON TABLE public.price_change IS 'History of prices: a row where a known variant''s price or its former price became another.';

CREATE TABLE public.privacy_request (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    privacy_request_id bigint NOT NULL,
    kind text NOT NULL,
    source text NOT NULL,
    person_digest text,
    asked_at timestamp with time zone NOT NULL,
    done_at timestamp with time zone,
    CONSTRAINT privacy_request_kind_check CHECK ((kind = ANY (ARRAY['export'::text, 'erase'::text, 'erase_shop'::text])))
);

COMMENT ON TABLE public.privacy_request IS 'That somebody asked for their data, or to be forgotten, and when that was done (SEMANTICS 10.3).';

COMMENT ON COLUMN public.privacy_request.person_digest IS 'Keyed hash of the address: proves a request without keeping whose it was.';

COMMENT ON COLUMN public.privacy_request.done_at IS 'NULL: a person of the shop must still hand the export over.';

ALTER TABLE public.privacy_request ALTER COLUMN privacy_request_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.privacy_request_privacy_request_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.profile (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    profile_id bigint NOT NULL,
    email text,
    email_key text COLLATE pg_catalog."C",
    phone text COLLATE pg_catalog."C",
    external_id text COLLATE pg_catalog."C",
    first_name text,
    last_name text,
    locale text,
    time_zone text,
    properties jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT an_address_is_kept_with_its_key CHECK (((email IS NULL) = (email_key IS NULL)))
);

COMMENT ON COLUMN public.profile.email_key IS 'Case-folded address: the key by which a person is found (SEMANTICS 3.3).';

COMMENT ON COLUMN public.profile.phone IS 'E.164.';

CREATE TABLE public.profile_metric (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    profile_id bigint NOT NULL,
    metric_id bigint NOT NULL,
    event_count bigint NOT NULL,
    value_sum numeric NOT NULL,
    first_at timestamp with time zone NOT NULL,
    last_at timestamp with time zone NOT NULL
)
WITH (fillfactor='80');

COMMENT ON TABLE public.profile_metric IS 'How often somebody did what, kept with every event that is recorded.';

COMMENT ON COLUMN public.profile_metric.value_sum IS 'Sum of $value, in whatever currency it came.';

ALTER TABLE public.profile ALTER COLUMN profile_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.profile_profile_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.rejected_row (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    snapshot_id bigint NOT NULL,
    line_number bigint NOT NULL,
    reason text NOT NULL,
    excerpt text NOT NULL
);

COMMENT ON TABLE public.rejected_row IS 'Rows of a feed that could not be read, with the reason: nothing is lost in silence.';

CREATE UNLOGGED TABLE public.release_choice (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    variant_id text NOT NULL COLLATE pg_catalog."C",
    subscription_id bigint NOT NULL,
    subscribed_at timestamp with time zone NOT NULL,
    place bigint,
    verdict text NOT NULL,
    reason text
);
ALTER TABLE ONLY public.release_choice ALTER COLUMN shop_id SET STATISTICS 0;
ALTER TABLE ONLY public.release_choice ALTER COLUMN variant_id SET STATISTICS 0;
ALTER TABLE ONLY public.release_choice ALTER COLUMN subscription_id SET STATISTICS 0;
ALTER TABLE ONLY public.release_choice ALTER COLUMN verdict SET STATISTICS 0;

COMMENT ON TABLE public.release_choice IS 'Work table of one release: who is released, skipped or passed over. Emptied before each.';

CREATE UNLOGGED TABLE public.release_decision (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    variant_id text NOT NULL COLLATE pg_catalog."C",
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
    observed_at timestamp with time zone NOT NULL,
    restocked_at timestamp with time zone,
    waiting_count bigint NOT NULL,
    in_flight_count bigint NOT NULL,
    invited_count bigint NOT NULL,
    allowed_count bigint,
    hold_reason text,
    seed text,
    released_count bigint DEFAULT 0 NOT NULL,
    skipped_count bigint DEFAULT 0 NOT NULL,
    passed_count bigint DEFAULT 0 NOT NULL,
    is_proposed boolean DEFAULT false NOT NULL,
    batch_id bigint
);
ALTER TABLE ONLY public.release_decision ALTER COLUMN shop_id SET STATISTICS 0;
ALTER TABLE ONLY public.release_decision ALTER COLUMN variant_id SET STATISTICS 0;

COMMENT ON TABLE public.release_decision IS 'Work table of one release: a row per variant it looks at. Emptied before each.';

CREATE TABLE public.report_activity (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    report_on date NOT NULL,
    variant_id text NOT NULL COLLATE pg_catalog."C",
    request_count bigint NOT NULL,
    ended_count bigint NOT NULL,
    waiting_count bigint NOT NULL,
    restock_count bigint NOT NULL,
    restocked_units bigint NOT NULL,
    batch_count bigint NOT NULL,
    released_count bigint NOT NULL,
    notified_count bigint NOT NULL,
    skipped_count bigint NOT NULL,
    order_count bigint NOT NULL,
    ordered_units numeric NOT NULL,
    revenue numeric NOT NULL
);

COMMENT ON TABLE public.report_activity IS 'Report: what happened per variant and day; see sql/reports/activity.sql.';

CREATE TABLE public.report_attribution (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    report_on date NOT NULL,
    order_id text NOT NULL COLLATE pg_catalog."C",
    line_number integer NOT NULL,
    variant_id text NOT NULL COLLATE pg_catalog."C",
    ordered_at timestamp with time zone NOT NULL,
    message_id bigint NOT NULL,
    sent_at timestamp with time zone NOT NULL,
    hours_to_order numeric NOT NULL,
    quantity numeric NOT NULL,
    amount numeric NOT NULL,
    currency text NOT NULL,
    attribution_days double precision NOT NULL
);

COMMENT ON TABLE public.report_attribution IS 'Report: order lines and the alert that each credits; see sql/reports/attribution.sql.';

CREATE TABLE public.shop (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL,
    currency text NOT NULL,
    time_zone text NOT NULL,
    locale text NOT NULL,
    url text,
    included_locations text[],
    excluded_locations text[] DEFAULT '{}'::text[] NOT NULL,
    max_stock_age interval NOT NULL,
    registered_at timestamp with time zone NOT NULL,
    needs_recount boolean DEFAULT false NOT NULL,
    double_opt_in boolean DEFAULT false NOT NULL,
    preferred_channels text[] DEFAULT '{EMAIL,SMS}'::text[] NOT NULL,
    store_domain text COLLATE pg_catalog."C"
);

COMMENT ON COLUMN public.shop.included_locations IS 'Locations whose stock counts; NULL counts all (SEMANTICS 1.1).';

COMMENT ON COLUMN public.shop.max_stock_age IS 'Older observations tell nobody (SEMANTICS 2.7).';

COMMENT ON COLUMN public.shop.needs_recount IS 'Its locations or bundles changed: the next detect judges every variant whose available units differ.';

COMMENT ON COLUMN public.shop.double_opt_in IS 'A request waits only once it was confirmed by its link (SEMANTICS 3.6).';

COMMENT ON COLUMN public.shop.preferred_channels IS 'The first of these that a person asked for and can be reached on is used; the others are the fallback (SEMANTICS 3.1).';

COMMENT ON COLUMN public.shop.store_domain IS 'How the platform names the store, from the Connection by each pull.';

CREATE VIEW public.report_batches AS
 SELECT batch.shop_id,
    ((batch.decided_at AT TIME ZONE shop.time_zone))::date AS report_on,
    batch.batch_id,
    batch.decided_at,
    batch.variant_id,
    batch.units,
    batch.observed_at,
    batch.min_inventory,
    COALESCE((batch.customers_per_unit)::text, 'all'::text) AS customers_per_unit,
    batch.wait_minutes,
    batch.waiting_count,
    batch.in_flight_count,
    batch.allowed_count,
    batch.released_count,
    batch.passed_count,
    outcome.sent_count AS notified_count,
    (batch.skipped_count + outcome.stopped_count) AS skipped_count,
    outcome.first_sent_at,
    outcome.last_sent_at,
    batch.next_release_at
   FROM ((public.batch
     JOIN public.shop ON ((shop.shop_id = batch.shop_id)))
     CROSS JOIN LATERAL ( SELECT count(*) FILTER (WHERE (message.state = 'sent'::text)) AS sent_count,
            count(*) FILTER (WHERE (message.state = ANY (ARRAY['skipped'::text, 'failed'::text]))) AS stopped_count,
            min(message.ended_at) FILTER (WHERE (message.state = 'sent'::text)) AS first_sent_at,
            max(message.ended_at) FILTER (WHERE (message.state = 'sent'::text)) AS last_sent_at
           FROM public.message
          WHERE ((message.shop_id = batch.shop_id) AND (message.batch_id = batch.batch_id))) outcome)
  WHERE (batch.state = 'released'::text);

COMMENT ON VIEW public.report_batches IS 'Report: every batch and what became of its people; see sql/reports/batches.sql.';

CREATE TABLE public.report_build (
    report text NOT NULL COLLATE pg_catalog."C",
    shop_id text NOT NULL COLLATE pg_catalog."C",
    built_at timestamp with time zone NOT NULL,
    day_count integer NOT NULL,
    row_count bigint NOT NULL
);

COMMENT ON TABLE public.report_build IS 'The last build of each report: when, of how many days, with how many rows.';

CREATE TABLE public.report_data_quality (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    report_on date NOT NULL,
    source text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    snapshot_count bigint NOT NULL,
    complete_count bigint NOT NULL,
    refused_count bigint NOT NULL,
    accepted_count bigint NOT NULL,
    row_count bigint NOT NULL,
    rejected_row_count bigint NOT NULL,
    changed_count bigint NOT NULL,
    restock_count bigint NOT NULL,
    held_count bigint NOT NULL,
    late_count bigint NOT NULL,
    late_changes_added bigint NOT NULL,
    late_changes_moved bigint NOT NULL,
    late_changes_removed bigint NOT NULL,
    late_restocks_added bigint NOT NULL,
    late_restocks_moved bigint NOT NULL,
    late_restocks_removed bigint NOT NULL,
    last_refusal text,
    drifted_count bigint DEFAULT 0 NOT NULL,
    drifted_units numeric DEFAULT 0 NOT NULL
);

COMMENT ON TABLE public.report_data_quality IS 'Report: what was pulled, refused and corrected; see sql/reports/data_quality.sql.';

CREATE TABLE public.report_deliverability (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    report_on date NOT NULL,
    channel text NOT NULL COLLATE pg_catalog."C",
    sent_count bigint NOT NULL,
    recorded_count bigint NOT NULL,
    failed_count bigint NOT NULL,
    skipped_count bigint NOT NULL,
    error_count bigint NOT NULL,
    invalid_count bigint NOT NULL,
    unsubscribed_count bigint NOT NULL,
    complaint_count bigint NOT NULL
);

COMMENT ON TABLE public.report_deliverability IS 'Report: what became of messages per channel and day; see sql/reports/deliverability.sql.';

CREATE TABLE public.report_demand (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    product_id text NOT NULL COLLATE pg_catalog."C",
    variant_id text NOT NULL COLLATE pg_catalog."C",
    waiting_count bigint NOT NULL,
    wanted_units bigint NOT NULL,
    oldest_at timestamp with time zone NOT NULL,
    units bigint NOT NULL,
    price numeric,
    waiting_value numeric,
    buying_percent numeric,
    lost_revenue numeric,
    reorder_units bigint NOT NULL
);

COMMENT ON TABLE public.report_demand IS 'Report: who waits for what, as of the last build; see sql/reports/demand.sql.';

CREATE TABLE public.report_due (
    report text NOT NULL COLLATE pg_catalog."C",
    shop_id text NOT NULL COLLATE pg_catalog."C",
    report_on date NOT NULL
);

COMMENT ON TABLE public.report_due IS 'Days that a report has still to build; a build that fails leaves them for the next.';

CREATE TABLE public.report_late (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    late_id bigint NOT NULL,
    happened_at timestamp with time zone NOT NULL
);

COMMENT ON TABLE public.report_late IS 'Moments whose days were built before this was known of them; emptied by the next build.';

ALTER TABLE public.report_late ALTER COLUMN late_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.report_late_late_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.report_part (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    report_run_id bigint NOT NULL,
    kind text NOT NULL,
    file_name text NOT NULL,
    content bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT report_part_kind_check CHECK ((kind = ANY (ARRAY['chart'::text, 'csv'::text])))
);

COMMENT ON TABLE public.report_part IS 'Picture and file of a report mail until all its messages have ended.';

CREATE TABLE public.report_progress (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    basis jsonb NOT NULL,
    read_from timestamp with time zone NOT NULL,
    log_from timestamp with time zone NOT NULL,
    read_after_request bigint NOT NULL,
    log_after_request bigint NOT NULL,
    fence xid8,
    CONSTRAINT what_is_not_read_again_is_logged CHECK ((read_from <= log_from))
);

COMMENT ON TABLE public.report_progress IS 'How far the days of a shop are built. The next build reads again what happened from read_from on; what happened earlier
it must find in report_late. Whoever writes learns of a new log_from only after the commit that set it, so read_from
follows one build later, once every transaction that may not have known it has ended.';

COMMENT ON COLUMN public.report_progress.basis IS 'What every day was built under; when it changes, all days are built again.';

COMMENT ON COLUMN public.report_progress.log_from IS 'Who writes what happened before this also writes report_late.';

COMMENT ON COLUMN public.report_progress.read_after_request IS 'Requests with a higher id are looked at: imports keep their old dates.';

COMMENT ON COLUMN public.report_progress.fence IS 'Older transactions may not have known log_from; NULL: not known yet which, so none is taken to have ended.';

COMMENT ON CONSTRAINT what_is_not_read_again_is_logged ON public.report_progress IS 'There is no gap between the two.';

CREATE TABLE public.subscription (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    subscription_id bigint NOT NULL,
    variant_id text COLLATE pg_catalog."C",
    profile_id bigint NOT NULL,
    channels text[] NOT NULL,
    wanted_quantity integer DEFAULT 1 NOT NULL,
    locale text,
    source text NOT NULL,
    subscribed_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone NOT NULL,
    restock_after timestamp with time zone,
    not_before timestamp with time zone,
    state text NOT NULL,
    reason text,
    batch_id bigint,
    released_at timestamp with time zone,
    notified_at timestamp with time zone,
    ended_at timestamp with time zone,
    passed_batch_id bigint,
    product_id text COLLATE pg_catalog."C",
    covered_by bigint,
    confirmed_at timestamp with time zone,
    kept_at timestamp with time zone,
    asked_at timestamp with time zone,
    proof jsonb,
    CONSTRAINT it_is_for_a_variant_or_a_product CHECK (((variant_id IS NOT NULL) OR (product_id IS NOT NULL))),
    CONSTRAINT only_the_covered_are_covered CHECK (((covered_by IS NULL) OR ((state = 'skipped'::text) AND (reason = 'covered'::text)))),
    CONSTRAINT subscription_channels_check CHECK (((channels <> '{}'::text[]) AND (channels <@ '{EMAIL,SMS,PUSH,WHATSAPP}'::text[]))),
    CONSTRAINT subscription_state_check CHECK ((state = ANY (ARRAY['unconfirmed'::text, 'waiting'::text, 'released'::text, 'notified'::text, 'skipped'::text, 'cancelled'::text, 'expired'::text]))),
    CONSTRAINT subscription_wanted_quantity_check CHECK ((wanted_quantity >= 1)),
    CONSTRAINT what_ended_has_a_time CHECK (((state = ANY (ARRAY['notified'::text, 'skipped'::text, 'cancelled'::text, 'expired'::text])) = (ended_at IS NOT NULL))),
    CONSTRAINT what_expired_says_why CHECK (((state <> 'expired'::text) OR (reason IS NOT NULL))),
    CONSTRAINT what_was_skipped_says_why CHECK (((state <> 'skipped'::text) OR (reason IS NOT NULL))),
    CONSTRAINT who_is_unconfirmed_was_never_released CHECK (((state <> 'unconfirmed'::text) OR ((confirmed_at IS NULL) AND (batch_id IS NULL) AND (notified_at IS NULL)))),
    CONSTRAINT who_waits_was_not_notified CHECK (((state <> 'waiting'::text) OR ((notified_at IS NULL) AND (ended_at IS NULL)))),
    CONSTRAINT who_was_notified_has_a_time CHECK (((state = 'notified'::text) = (notified_at IS NOT NULL))),
    CONSTRAINT who_was_released_has_a_batch CHECK (((state <> ALL (ARRAY['released'::text, 'notified'::text])) OR ((batch_id IS NOT NULL) AND (released_at IS NOT NULL)))),
    CONSTRAINT who_was_released_has_a_variant CHECK (((state <> ALL (ARRAY['released'::text, 'notified'::text])) OR (variant_id IS NOT NULL)))
)
WITH (fillfactor='90');

COMMENT ON TABLE public.subscription IS 'One request to be told; the waiting ones are the queue of the back-in-stock delay (SEMANTICS 3).';

COMMENT ON COLUMN public.subscription.variant_id IS 'The variant whose queue it stands in; NULL: for any variant of a product, and none of them is open (SEMANTICS 1.6).';

COMMENT ON COLUMN public.subscription.subscribed_at IS 'The place in the queue; kept when it is sold out again (SEMANTICS 3.9).';

COMMENT ON COLUMN public.subscription.restock_after IS 'Set: counts only restocks later than this (next_restock, SEMANTICS 3.5).';

COMMENT ON COLUMN public.subscription.not_before IS 'Set: told about this variant less than 24 h ago (SEMANTICS 3.3).';

COMMENT ON COLUMN public.subscription.passed_batch_id IS 'The first batch that passed this one over, for its reason (SEMANTICS 4.8).';

COMMENT ON COLUMN public.subscription.product_id IS 'Set: asked for any variant of this product (SEMANTICS 1.6).';

COMMENT ON COLUMN public.subscription.covered_by IS 'The request of the same person whose release ended this one.';

COMMENT ON COLUMN public.subscription.confirmed_at IS 'Set: confirmed by its link in a shop with double opt-in (SEMANTICS 3.6).';

COMMENT ON COLUMN public.subscription.kept_at IS 'Set: the person still wanted it then; its age counts from here (SEMANTICS 3.6).';

COMMENT ON COLUMN public.subscription.asked_at IS 'Set: asked then whether it is still wanted, and not answered yet (SEMANTICS 3.6).';

COMMENT ON COLUMN public.subscription.proof IS 'Of a request that came through the door: where from, the text shown, the keyed hash of the address (SEMANTICS 10.1).';

COMMENT ON CONSTRAINT it_is_for_a_variant_or_a_product ON public.subscription IS 'Nobody waits for nothing.';

COMMENT ON CONSTRAINT only_the_covered_are_covered ON public.subscription IS 'covered_by goes with skipped(covered).';

COMMENT ON CONSTRAINT what_ended_has_a_time ON public.subscription IS 'notified, skipped, cancelled and expired are ends.';

COMMENT ON CONSTRAINT what_expired_says_why ON public.subscription IS 'too_old or unconfirmed.';

COMMENT ON CONSTRAINT what_was_skipped_says_why ON public.subscription IS 'skipped(reason), see SEMANTICS 5.';

COMMENT ON CONSTRAINT who_is_unconfirmed_was_never_released ON public.subscription IS 'unconfirmed leads to waiting first.';

COMMENT ON CONSTRAINT who_waits_was_not_notified ON public.subscription IS 'Nothing leads from notified back to waiting.';

COMMENT ON CONSTRAINT who_was_notified_has_a_time ON public.subscription IS 'notified and its time are set together.';

COMMENT ON CONSTRAINT who_was_released_has_a_batch ON public.subscription IS 'waiting -> released happens in a batch only.';

COMMENT ON CONSTRAINT who_was_released_has_a_variant ON public.subscription IS 'Told of one variant, also when any would do.';

CREATE VIEW public.report_queue AS
 SELECT shop_id,
    variant_id,
    product_id,
    row_number() OVER (PARTITION BY shop_id, variant_id,
        CASE
            WHEN (variant_id IS NULL) THEN product_id
            ELSE NULL::text
        END ORDER BY subscribed_at, subscription_id) AS place,
    subscription_id,
    subscribed_at,
    wanted_quantity,
    array_to_string(channels, ','::text) AS channels
   FROM public.subscription
  WHERE (state = 'waiting'::text);

COMMENT ON VIEW public.report_queue IS 'Report: every waiting request with its place, now; see sql/reports/queue.sql.';

CREATE TABLE public.report_recipient (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    recipient_id bigint NOT NULL,
    report_subscription_id bigint NOT NULL,
    address text NOT NULL,
    address_key text NOT NULL COLLATE pg_catalog."C",
    ended_at timestamp with time zone,
    end_reason text,
    CONSTRAINT report_recipient_end_reason_check CHECK ((end_reason = ANY (ARRAY['unsubscribed'::text, 'invalid_address'::text, 'removed'::text]))),
    CONSTRAINT who_gets_no_report_any_more_says_why CHECK (((ended_at IS NULL) = (end_reason IS NULL)))
);

COMMENT ON TABLE public.report_recipient IS 'Who gets a report; who unsubscribed stays so, whatever a list says (SEMANTICS 10.2).';

COMMENT ON CONSTRAINT who_gets_no_report_any_more_says_why ON public.report_recipient IS 'Only removed leads back.';

ALTER TABLE public.report_recipient ALTER COLUMN recipient_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.report_recipient_recipient_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.restock_event (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    restock_event_id bigint NOT NULL,
    variant_id text NOT NULL COLLATE pg_catalog."C",
    cycle integer NOT NULL,
    opened_at timestamp with time zone NOT NULL,
    units_before bigint,
    units_after bigint NOT NULL,
    snapshot_id bigint
);

COMMENT ON TABLE public.restock_event IS 'A variant opened: enough units came back (SEMANTICS 2.5).';

CREATE VIEW public.report_restocks AS
 SELECT event.shop_id,
    ((event.opened_at AT TIME ZONE shop.time_zone))::date AS report_on,
    event.variant_id,
    event.opened_at,
    event.units_before,
    event.units_after,
    told.waiting_count,
    told.batch_count,
    told.notified_count,
    told.first_batch_at,
    told.first_sent_at,
    round((EXTRACT(epoch FROM (told.first_sent_at - event.opened_at)) / (60)::numeric), 1) AS minutes_to_first_message
   FROM (((public.restock_event event
     JOIN public.shop ON ((shop.shop_id = event.shop_id)))
     LEFT JOIN LATERAL ( SELECT later.opened_at
           FROM public.restock_event later
          WHERE ((later.shop_id = event.shop_id) AND (later.variant_id = event.variant_id) AND (later.cycle > event.cycle))
          ORDER BY later.cycle
         LIMIT 1) next ON (true))
     CROSS JOIN LATERAL ( SELECT (array_agg(batch.waiting_count ORDER BY batch.decided_at, batch.batch_id))[1] AS waiting_count,
            count(*) AS batch_count,
            COALESCE(sum(outcome.sent_count), (0)::numeric) AS notified_count,
            min(batch.decided_at) AS first_batch_at,
            min(outcome.first_sent_at) AS first_sent_at
           FROM (public.batch
             CROSS JOIN LATERAL ( SELECT count(*) AS sent_count,
                    min(message.ended_at) AS first_sent_at
                   FROM public.message
                  WHERE ((message.shop_id = batch.shop_id) AND (message.batch_id = batch.batch_id) AND (message.state = 'sent'::text))) outcome)
          WHERE ((batch.shop_id = event.shop_id) AND (batch.variant_id = event.variant_id) AND (batch.state = 'released'::text) AND (batch.decided_at >= event.opened_at) AND (batch.decided_at < COALESCE(next.opened_at, 'infinity'::timestamp with time zone)))) told);

COMMENT ON VIEW public.report_restocks IS 'Report: every restock and how soon somebody was told; see sql/reports/restocks.sql.';

CREATE TABLE public.report_run (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    report_run_id bigint NOT NULL,
    report_subscription_id bigint NOT NULL,
    first_on date NOT NULL,
    last_on date NOT NULL,
    is_test boolean NOT NULL,
    is_late boolean NOT NULL,
    state text NOT NULL,
    reason text,
    mail jsonb NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT a_run_has_days CHECK ((first_on <= last_on)),
    CONSTRAINT report_run_reason_check CHECK ((reason = ANY (ARRAY['empty'::text, 'condition'::text, 'no_recipient'::text]))),
    CONSTRAINT report_run_state_check CHECK ((state = ANY (ARRAY['mailed'::text, 'skipped'::text]))),
    CONSTRAINT what_was_not_mailed_says_why CHECK (((state = 'skipped'::text) = (reason IS NOT NULL)))
);

COMMENT ON TABLE public.report_run IS 'What became of a report subscription for a span of days; its messages say who got it.';

COMMENT ON COLUMN public.report_run.mail IS 'Title, figures and notes as mailed: a message that goes again is the same.';

COMMENT ON CONSTRAINT a_run_has_days ON public.report_run IS 'The last day is included.';

COMMENT ON CONSTRAINT what_was_not_mailed_says_why ON public.report_run IS 'skipped(reason).';

ALTER TABLE public.report_run ALTER COLUMN report_run_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.report_run_report_run_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.report_skips (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    report_on date NOT NULL,
    subject text NOT NULL,
    outcome text NOT NULL,
    reason text NOT NULL COLLATE pg_catalog."C",
    channel text NOT NULL COLLATE pg_catalog."C",
    purpose text NOT NULL COLLATE pg_catalog."C",
    variant_id text NOT NULL COLLATE pg_catalog."C",
    skipped_count bigint NOT NULL,
    CONSTRAINT report_skips_outcome_check CHECK ((outcome = ANY (ARRAY['skipped'::text, 'failed'::text]))),
    CONSTRAINT report_skips_subject_check CHECK ((subject = ANY (ARRAY['request'::text, 'message'::text])))
);

COMMENT ON TABLE public.report_skips IS 'Report: who and what was not told, by reason; see sql/reports/skips.sql.';

CREATE TABLE public.report_subscription (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    report_subscription_id bigint NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    report text NOT NULL COLLATE pg_catalog."C",
    frequency text NOT NULL,
    send_at time without time zone NOT NULL,
    time_zone text,
    condition text,
    attachment text NOT NULL,
    has_chart boolean NOT NULL,
    skips_empty boolean NOT NULL,
    origin text NOT NULL,
    state text NOT NULL,
    active_since timestamp with time zone NOT NULL,
    created_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    CONSTRAINT an_ended_report_has_a_time CHECK (((state = 'ended'::text) = (ended_at IS NOT NULL))),
    CONSTRAINT report_subscription_attachment_check CHECK ((attachment = ANY (ARRAY['csv'::text, 'none'::text]))),
    CONSTRAINT report_subscription_frequency_check CHECK ((frequency = ANY (ARRAY['daily'::text, 'weekly'::text, 'monthly'::text]))),
    CONSTRAINT report_subscription_origin_check CHECK ((origin = ANY (ARRAY['command'::text, 'variable'::text]))),
    CONSTRAINT report_subscription_state_check CHECK ((state = ANY (ARRAY['active'::text, 'paused'::text, 'ended'::text])))
);

COMMENT ON TABLE public.report_subscription IS 'A report that goes out by mail: active <-> paused -> ended (SEMANTICS 9.3).';

COMMENT ON COLUMN public.report_subscription.time_zone IS 'NULL: the shop''s.';

COMMENT ON COLUMN public.report_subscription.condition IS 'Set: a mail goes only for a period whose figures fulfil it.';

COMMENT ON COLUMN public.report_subscription.origin IS 'Who keeps it: the commands, or the Variable restock_report_subscriptions.';

COMMENT ON COLUMN public.report_subscription.active_since IS 'Periods that were due before are not sent, also after a pause.';

COMMENT ON CONSTRAINT an_ended_report_has_a_time ON public.report_subscription IS 'ended is an end.';

ALTER TABLE public.report_subscription ALTER COLUMN report_subscription_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.report_subscription_report_subscription_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.report_watchdog (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    subject text NOT NULL COLLATE pg_catalog."C",
    amount bigint NOT NULL,
    since_at timestamp with time zone NOT NULL,
    found_at timestamp with time zone NOT NULL,
    detail text NOT NULL
);

COMMENT ON TABLE public.report_watchdog IS 'What needs a person, as of the last look; see sql/reports/watchdog.sql (SEMANTICS 9.5).';

COMMENT ON COLUMN public.report_watchdog.since_at IS 'Since when it is so, as far as is known.';

COMMENT ON COLUMN public.report_watchdog.found_at IS 'When it was first found.';

ALTER TABLE public.restock_event ALTER COLUMN restock_event_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.restock_event_restock_event_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.rule_override (
    rule_set_id bigint NOT NULL,
    entry_number integer NOT NULL,
    scope text NOT NULL,
    target text NOT NULL COLLATE pg_catalog."C",
    shop_id text COLLATE pg_catalog."C",
    priority integer NOT NULL,
    rules jsonb NOT NULL,
    precedence smallint GENERATED ALWAYS AS (
CASE scope
    WHEN 'shop'::text THEN 1
    WHEN 'collection'::text THEN 2
    WHEN 'product'::text THEN 3
    ELSE 4
END) STORED NOT NULL,
    CONSTRAINT rule_override_scope_check CHECK ((scope = ANY (ARRAY['shop'::text, 'collection'::text, 'product'::text, 'variant'::text])))
);

COMMENT ON TABLE public.rule_override IS 'Rules of a set that hold for some variants only (SEMANTICS 4.9).';

COMMENT ON COLUMN public.rule_override.shop_id IS 'NULL: every shop.';

COMMENT ON COLUMN public.rule_override.rules IS 'Rule -> value, validated like the Variable of the same name.';

CREATE TABLE public.rule_set (
    rule_set_id bigint NOT NULL,
    min_inventory bigint NOT NULL,
    customers_per_unit bigint,
    wait_minutes double precision NOT NULL,
    rules jsonb NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT rule_set_customers_per_unit_check CHECK ((customers_per_unit >= 1)),
    CONSTRAINT rule_set_min_inventory_check CHECK ((min_inventory >= 1)),
    CONSTRAINT rule_set_wait_minutes_check CHECK ((wait_minutes > (0)::double precision))
);

COMMENT ON TABLE public.rule_set IS 'Validated rules as they stood; the newest is in force (SEMANTICS 4.9).';

COMMENT ON COLUMN public.rule_set.customers_per_unit IS 'NULL: everyone who waits ("all").';

COMMENT ON COLUMN public.rule_set.rules IS 'Every rule of the set, the columns before it included.';

ALTER TABLE public.rule_set ALTER COLUMN rule_set_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.rule_set_rule_set_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.schema_migration (
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.snapshot (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    snapshot_id bigint NOT NULL,
    window_key text NOT NULL,
    window_start timestamp with time zone,
    window_end timestamp with time zone,
    kind text NOT NULL,
    state text NOT NULL,
    source text NOT NULL,
    observed_at timestamp with time zone NOT NULL,
    row_count integer DEFAULT 0 NOT NULL,
    reject_count integer DEFAULT 0 NOT NULL,
    variant_count integer DEFAULT 0 NOT NULL,
    zero_count integer DEFAULT 0 NOT NULL,
    reason text,
    accepted_reason text,
    changed_count integer,
    opened_count integer,
    closed_count integer,
    event_count integer,
    loaded_at timestamp with time zone,
    detected_at timestamp with time zone,
    dated_at timestamp with time zone,
    held_count integer,
    is_delivery boolean DEFAULT false NOT NULL,
    CONSTRAINT a_delivery_is_partial CHECK (((NOT is_delivery) OR (kind = 'partial'::text))),
    CONSTRAINT a_rejected_one_says_why CHECK (((state <> 'rejected'::text) OR (reason IS NOT NULL))),
    CONSTRAINT only_a_rejected_one_is_detected_never CHECK (((detected_at IS NULL) OR (state = 'complete'::text))),
    CONSTRAINT snapshot_kind_check CHECK ((kind = ANY (ARRAY['full'::text, 'partial'::text]))),
    CONSTRAINT snapshot_state_check CHECK ((state = ANY (ARRAY['loading'::text, 'complete'::text, 'rejected'::text])))
);

COMMENT ON TABLE public.snapshot IS 'One read of a shop''s stock for a window (SEMANTICS 2.1).';

COMMENT ON COLUMN public.snapshot.dated_at IS 'What the feed says of its own age; an older one than before is refused (SEMANTICS 2.3).';

COMMENT ON COLUMN public.snapshot.held_count IS 'Variants with enough units that a guard kept from being a restock.';

COMMENT ON COLUMN public.snapshot.is_delivery IS 'Came by webhook: it says nothing of what it does not contain, while a pull confirms the rest as it was.';

COMMENT ON CONSTRAINT a_delivery_is_partial ON public.snapshot IS 'No webhook tells the whole stock.';

ALTER TABLE public.snapshot ALTER COLUMN snapshot_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.snapshot_snapshot_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.staged_row (
    snapshot_id bigint NOT NULL,
    line_number bigint NOT NULL,
    variant_id text NOT NULL COLLATE pg_catalog."C",
    location_id text NOT NULL COLLATE pg_catalog."C",
    quantity numeric,
    product_id text COLLATE pg_catalog."C",
    title text,
    url text,
    image_url text,
    price numeric,
    compare_at_price numeric,
    collections text[],
    is_published boolean NOT NULL,
    is_tracked boolean NOT NULL,
    continue_selling boolean NOT NULL,
    inventory_item_id text COLLATE pg_catalog."C",
    reported_at timestamp with time zone,
    facts_checksum bigint GENERATED ALWAYS AS (hash_record_extended(ROW(product_id, title, url, image_url, price, compare_at_price, collections, is_published, is_tracked, continue_selling, inventory_item_id), (0)::bigint)) STORED NOT NULL
)
PARTITION BY LIST (snapshot_id);

COMMENT ON TABLE public.staged_row IS 'The pattern of stages, always empty; within a load or detect a view of this name shows its own stage.';

COMMENT ON COLUMN public.staged_row.quantity IS 'NULL: the row says nothing of the stock, only of the variant.';

COMMENT ON COLUMN public.staged_row.collections IS 'NULL: the row says nothing of them.';

COMMENT ON COLUMN public.staged_row.reported_at IS 'When the platform last changed the quantity, where it tells.';

COMMENT ON COLUMN public.staged_row.facts_checksum IS 'Of all that a row says of its variant. Rows that differ have the same one by chance once in 2^64.';

CREATE TABLE public.stock_change (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    variant_id text NOT NULL COLLATE pg_catalog."C",
    location_id text NOT NULL COLLATE pg_catalog."C",
    observed_at timestamp with time zone NOT NULL,
    quantity numeric NOT NULL,
    previous_quantity numeric,
    snapshot_id bigint
);

COMMENT ON TABLE public.stock_change IS 'History: a row where a quantity differed from the observation before it.';

CREATE TABLE public.stock_drift (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    snapshot_id bigint NOT NULL,
    since timestamp with time zone NOT NULL,
    level_count bigint NOT NULL,
    drifted_count bigint NOT NULL,
    drifted_units numeric NOT NULL,
    CONSTRAINT stock_drift_check CHECK (((drifted_count >= 0) AND (drifted_count <= level_count))),
    CONSTRAINT stock_drift_drifted_units_check CHECK ((drifted_units >= (0)::numeric))
);

COMMENT ON TABLE public.stock_drift IS 'How far a full snapshot was from what partial ones had since the full one before: what they had missed.';

CREATE TABLE public.stock_level (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    variant_id text NOT NULL COLLATE pg_catalog."C",
    location_id text NOT NULL COLLATE pg_catalog."C",
    quantity numeric NOT NULL,
    observed_at timestamp with time zone NOT NULL,
    missed_count smallint DEFAULT 0 NOT NULL,
    facts_checksum bigint
)
WITH (fillfactor='90');

COMMENT ON TABLE public.stock_level IS 'Current quantity per variant and location; unchanged rows are not rewritten.';

COMMENT ON COLUMN public.stock_level.observed_at IS 'When this quantity was first seen; a newer full snapshot confirms it without a write.';

COMMENT ON COLUMN public.stock_level.missed_count IS 'Full snapshots in a row that did not contain it (SEMANTICS 2.4).';

COMMENT ON COLUMN public.stock_level.facts_checksum IS 'Of the staged row that `variant` repeats, the same at all its locations; NULL: not known, to be compared.';

CREATE TABLE public.stock_report (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    variant_id text NOT NULL COLLATE pg_catalog."C",
    location_id text NOT NULL COLLATE pg_catalog."C",
    reported_at timestamp with time zone NOT NULL
);

COMMENT ON TABLE public.stock_report IS 'The newest time at which a partial snapshot spoke of a level, until a newer full one: older words are no news.';

ALTER TABLE public.subscription ALTER COLUMN subscription_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.subscription_subscription_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.suppression (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    channel text NOT NULL,
    address_key text NOT NULL COLLATE pg_catalog."C",
    reason text NOT NULL,
    suppressed_at timestamp with time zone NOT NULL,
    CONSTRAINT suppression_channel_check CHECK ((channel = ANY (ARRAY['EMAIL'::text, 'SMS'::text]))),
    CONSTRAINT suppression_reason_check CHECK ((reason = ANY (ARRAY['unsubscribed'::text, 'invalid_address'::text, 'complaint'::text, 'manual'::text])))
);

COMMENT ON TABLE public.suppression IS 'Addresses that must not be written to (SEMANTICS 5, 6.2, 10.2).';

CREATE UNLOGGED TABLE public.touched_variant (
    snapshot_id bigint NOT NULL,
    variant_id text NOT NULL COLLATE pg_catalog."C"
);
ALTER TABLE ONLY public.touched_variant ALTER COLUMN snapshot_id SET STATISTICS 0;
ALTER TABLE ONLY public.touched_variant ALTER COLUMN variant_id SET STATISTICS 0;

COMMENT ON TABLE public.touched_variant IS 'Work table of one detect: variants to judge again. Empty outside its transaction.';

CREATE TABLE public.variant (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    variant_id text NOT NULL COLLATE pg_catalog."C",
    product_id text COLLATE pg_catalog."C",
    title text,
    url text,
    image_url text,
    price numeric,
    compare_at_price numeric,
    collections text[] DEFAULT '{}'::text[] NOT NULL,
    is_published boolean DEFAULT true NOT NULL,
    is_tracked boolean DEFAULT true NOT NULL,
    continue_selling boolean DEFAULT false NOT NULL,
    first_seen_at timestamp with time zone NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    inventory_item_id text COLLATE pg_catalog."C",
    reported_at timestamp with time zone
);

COMMENT ON TABLE public.variant IS 'The sellable unit and what messages say about it (SEMANTICS 1.1).';

COMMENT ON COLUMN public.variant.inventory_item_id IS 'What the platform calls its stock, where that has an id of its own.';

COMMENT ON COLUMN public.variant.reported_at IS 'The platform''s time of the newest webhook that described it: older ones are no news.';

CREATE TABLE public.variant_change (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    variant_id text NOT NULL COLLATE pg_catalog."C",
    observed_at timestamp with time zone NOT NULL,
    is_published boolean NOT NULL,
    is_tracked boolean NOT NULL,
    continue_selling boolean NOT NULL
);

COMMENT ON TABLE public.variant_change IS 'History: a row where it changed whether a variant may be announced; without one it is published, tracked and not sold
when out of stock (SEMANTICS 1.3, 1.4).';

ALTER TABLE public.webhook_delivery ALTER COLUMN delivery_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.webhook_delivery_delivery_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.webhook_key (
    shop_id text NOT NULL COLLATE pg_catalog."C",
    secret text NOT NULL,
    stored_at timestamp with time zone NOT NULL
);

COMMENT ON TABLE public.webhook_key IS 'What a shop''s platform signs its webhooks with, copied from the Connection by each pull.';

ALTER TABLE ONLY public.message
    ADD CONSTRAINT a_key_is_a_sentence_said_once UNIQUE (shop_id, message_key);

ALTER TABLE ONLY public.api_key
    ADD CONSTRAINT a_key_is_of_one_shop UNIQUE (key_digest);

COMMENT ON CONSTRAINT a_key_is_of_one_shop ON public.api_key IS 'A key opens one shop and no other.';

ALTER TABLE ONLY public.import_reject
    ADD CONSTRAINT a_line_is_refused_once UNIQUE (shop_id, file_digest, line_number);

ALTER TABLE ONLY public.metric
    ADD CONSTRAINT a_metric_has_one_name UNIQUE (shop_id, name);

ALTER TABLE ONLY public.alert
    ADD CONSTRAINT alert_pkey PRIMARY KEY (alert_id);

ALTER TABLE ONLY public.event
    ADD CONSTRAINT an_event_is_recorded_once UNIQUE (shop_id, profile_id, metric_id, unique_id);

COMMENT ON CONSTRAINT an_event_is_recorded_once ON public.event IS 'The first one with a unique_id wins.';

ALTER TABLE ONLY public.api_key
    ADD CONSTRAINT api_key_pkey PRIMARY KEY (shop_id, key_id);

ALTER TABLE ONLY public.backfill_summary
    ADD CONSTRAINT backfill_summary_pkey PRIMARY KEY (shop_id, snapshot_id);

ALTER TABLE ONLY public.batch
    ADD CONSTRAINT batch_pkey PRIMARY KEY (shop_id, batch_id);

ALTER TABLE ONLY public.bundle_component
    ADD CONSTRAINT bundle_component_pkey PRIMARY KEY (shop_id, bundle_variant_id, component_variant_id);

ALTER TABLE ONLY public.catalog_detail
    ADD CONSTRAINT catalog_detail_pkey PRIMARY KEY (shop_id, variant_id);

ALTER TABLE ONLY public.catalog_item
    ADD CONSTRAINT catalog_item_pkey PRIMARY KEY (shop_id, product_id);

ALTER TABLE ONLY public.catalog_job
    ADD CONSTRAINT catalog_job_pkey PRIMARY KEY (shop_id, job_id);

ALTER TABLE ONLY public.channel
    ADD CONSTRAINT channel_pkey PRIMARY KEY (channel);

ALTER TABLE ONLY public.consent
    ADD CONSTRAINT consent_pkey PRIMARY KEY (shop_id, profile_id, channel, purpose);

ALTER TABLE ONLY public.delivery_attempt
    ADD CONSTRAINT delivery_attempt_pkey PRIMARY KEY (shop_id, message_id, attempt_number);

ALTER TABLE ONLY public.enrolment
    ADD CONSTRAINT enrolment_pkey PRIMARY KEY (shop_id, enrolment_id);

ALTER TABLE ONLY public.event
    ADD CONSTRAINT event_pkey PRIMARY KEY (shop_id, event_id);

ALTER TABLE ONLY public.flow
    ADD CONSTRAINT flow_pkey PRIMARY KEY (flow_name);

ALTER TABLE ONLY public.flow_step
    ADD CONSTRAINT flow_step_pkey PRIMARY KEY (flow_name, step_id);

ALTER TABLE ONLY public.import_reject
    ADD CONSTRAINT import_reject_pkey PRIMARY KEY (shop_id, import_reject_id);

ALTER TABLE ONLY public.installation
    ADD CONSTRAINT installation_pkey PRIMARY KEY (is_the_one);

ALTER TABLE ONLY public.intake_rate
    ADD CONSTRAINT intake_rate_pkey PRIMARY KEY (subject);

ALTER TABLE ONLY public.message_feedback
    ADD CONSTRAINT message_feedback_pkey PRIMARY KEY (shop_id, message_id, kind);

ALTER TABLE ONLY public.message
    ADD CONSTRAINT message_pkey PRIMARY KEY (shop_id, message_id);

ALTER TABLE ONLY public.metric
    ADD CONSTRAINT metric_pkey PRIMARY KEY (shop_id, metric_id);

ALTER TABLE ONLY public.batch
    ADD CONSTRAINT one_batch_per_run_and_variant UNIQUE (shop_id, variant_id, run_id);

ALTER TABLE ONLY public.enrolment
    ADD CONSTRAINT one_enrolment_per_flow_request_and_batch UNIQUE (shop_id, subscription_id, batch_id, flow_name);

ALTER TABLE ONLY public.restock_event
    ADD CONSTRAINT one_event_per_opening UNIQUE (shop_id, variant_id, cycle) DEFERRABLE;

COMMENT ON CONSTRAINT one_event_per_opening ON public.restock_event IS 'Judged at the end of a statement: a late observation may put an event before others (SEMANTICS 2.9).';

ALTER TABLE ONLY public.rule_override
    ADD CONSTRAINT one_override_per_target UNIQUE NULLS NOT DISTINCT (rule_set_id, scope, target, shop_id);

ALTER TABLE ONLY public.report_recipient
    ADD CONSTRAINT one_recipient_per_address UNIQUE (shop_id, report_subscription_id, address_key);

COMMENT ON CONSTRAINT one_recipient_per_address ON public.report_recipient IS 'Nobody gets a report twice.';

ALTER TABLE ONLY public.snapshot
    ADD CONSTRAINT one_snapshot_per_window UNIQUE (shop_id, window_key);

ALTER TABLE ONLY public.operator_notice
    ADD CONSTRAINT operator_notice_pkey PRIMARY KEY (subject);

ALTER TABLE ONLY public.order_line
    ADD CONSTRAINT order_line_pkey PRIMARY KEY (shop_id, order_id, line_number);

ALTER TABLE ONLY public.presence_change
    ADD CONSTRAINT presence_change_pkey PRIMARY KEY (shop_id, variant_id, location_id, observed_at);

ALTER TABLE ONLY public.price_change
    ADD CONSTRAINT price_change_pkey PRIMARY KEY (shop_id, variant_id, observed_at);

ALTER TABLE ONLY public.privacy_request
    ADD CONSTRAINT privacy_request_pkey PRIMARY KEY (shop_id, privacy_request_id);

ALTER TABLE ONLY public.profile_metric
    ADD CONSTRAINT profile_metric_pkey PRIMARY KEY (shop_id, profile_id, metric_id);

ALTER TABLE ONLY public.profile
    ADD CONSTRAINT profile_pkey PRIMARY KEY (shop_id, profile_id);

ALTER TABLE ONLY public.rejected_row
    ADD CONSTRAINT rejected_row_pkey PRIMARY KEY (shop_id, snapshot_id, line_number);

ALTER TABLE ONLY public.release_decision
    ADD CONSTRAINT release_decision_pkey PRIMARY KEY (shop_id, variant_id);

ALTER TABLE ONLY public.report_activity
    ADD CONSTRAINT report_activity_pkey PRIMARY KEY (shop_id, report_on, variant_id);

ALTER TABLE ONLY public.report_attribution
    ADD CONSTRAINT report_attribution_pkey PRIMARY KEY (shop_id, report_on, order_id, line_number);

ALTER TABLE ONLY public.report_build
    ADD CONSTRAINT report_build_pkey PRIMARY KEY (report, shop_id);

ALTER TABLE ONLY public.report_data_quality
    ADD CONSTRAINT report_data_quality_pkey PRIMARY KEY (shop_id, report_on, source, kind);

ALTER TABLE ONLY public.report_deliverability
    ADD CONSTRAINT report_deliverability_pkey PRIMARY KEY (shop_id, report_on, channel);

ALTER TABLE ONLY public.report_demand
    ADD CONSTRAINT report_demand_pkey PRIMARY KEY (shop_id, product_id, variant_id);

ALTER TABLE ONLY public.report_due
    ADD CONSTRAINT report_due_pkey PRIMARY KEY (report, shop_id, report_on);

ALTER TABLE ONLY public.report_late
    ADD CONSTRAINT report_late_pkey PRIMARY KEY (shop_id, late_id);

ALTER TABLE ONLY public.report_part
    ADD CONSTRAINT report_part_pkey PRIMARY KEY (shop_id, report_run_id, kind);

ALTER TABLE ONLY public.report_progress
    ADD CONSTRAINT report_progress_pkey PRIMARY KEY (shop_id);

ALTER TABLE ONLY public.report_recipient
    ADD CONSTRAINT report_recipient_pkey PRIMARY KEY (shop_id, recipient_id);

ALTER TABLE ONLY public.report_run
    ADD CONSTRAINT report_run_pkey PRIMARY KEY (shop_id, report_run_id);

ALTER TABLE ONLY public.report_skips
    ADD CONSTRAINT report_skips_pkey PRIMARY KEY (shop_id, report_on, subject, outcome, reason, channel, purpose, variant_id);

ALTER TABLE ONLY public.report_subscription
    ADD CONSTRAINT report_subscription_pkey PRIMARY KEY (shop_id, report_subscription_id);

ALTER TABLE ONLY public.report_watchdog
    ADD CONSTRAINT report_watchdog_pkey PRIMARY KEY (shop_id, kind, subject);

ALTER TABLE ONLY public.restock_event
    ADD CONSTRAINT restock_event_pkey PRIMARY KEY (shop_id, restock_event_id);

ALTER TABLE ONLY public.rule_override
    ADD CONSTRAINT rule_override_pkey PRIMARY KEY (rule_set_id, entry_number);

ALTER TABLE ONLY public.rule_set
    ADD CONSTRAINT rule_set_pkey PRIMARY KEY (rule_set_id);

ALTER TABLE ONLY public.schema_migration
    ADD CONSTRAINT schema_migration_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.send_rate
    ADD CONSTRAINT send_rate_pkey PRIMARY KEY (channel, domain);

ALTER TABLE ONLY public.shop
    ADD CONSTRAINT shop_pkey PRIMARY KEY (shop_id);

ALTER TABLE ONLY public.snapshot
    ADD CONSTRAINT snapshot_pkey PRIMARY KEY (shop_id, snapshot_id);

ALTER TABLE ONLY public.stock_change
    ADD CONSTRAINT stock_change_pkey PRIMARY KEY (shop_id, variant_id, location_id, observed_at);

ALTER TABLE ONLY public.stock_drift
    ADD CONSTRAINT stock_drift_pkey PRIMARY KEY (shop_id, snapshot_id);

ALTER TABLE ONLY public.stock_level
    ADD CONSTRAINT stock_level_pkey PRIMARY KEY (shop_id, variant_id, location_id);

ALTER TABLE ONLY public.stock_report
    ADD CONSTRAINT stock_report_pkey PRIMARY KEY (shop_id, variant_id, location_id);

ALTER TABLE ONLY public.subscription
    ADD CONSTRAINT subscription_pkey PRIMARY KEY (shop_id, subscription_id);

ALTER TABLE ONLY public.suppression
    ADD CONSTRAINT suppression_pkey PRIMARY KEY (shop_id, channel, address_key);

ALTER TABLE ONLY public.variant_change
    ADD CONSTRAINT variant_change_pkey PRIMARY KEY (shop_id, variant_id, observed_at);

ALTER TABLE ONLY public.variant
    ADD CONSTRAINT variant_pkey PRIMARY KEY (shop_id, variant_id);

ALTER TABLE ONLY public.variant_stock
    ADD CONSTRAINT variant_stock_pkey PRIMARY KEY (shop_id, variant_id);

ALTER TABLE ONLY public.webhook_delivery
    ADD CONSTRAINT webhook_delivery_pkey PRIMARY KEY (shop_id, webhook_id);

ALTER TABLE ONLY public.webhook_key
    ADD CONSTRAINT webhook_key_pkey PRIMARY KEY (shop_id);

CREATE INDEX batch_by_run ON public.batch USING btree (run_id);

CREATE INDEX batch_by_time ON public.batch USING btree (shop_id, decided_at);

CREATE INDEX batch_by_variant ON public.batch USING btree (shop_id, variant_id, decided_at);

CREATE INDEX bundle_component_by_component ON public.bundle_component USING btree (shop_id, component_variant_id);

CREATE INDEX catalog_detail_by_sku ON public.catalog_detail USING btree (shop_id, sku) WHERE (sku IS NOT NULL);

CREATE INDEX delivery_attempt_by_time ON public.delivery_attempt USING btree (shop_id, attempted_at);

CREATE INDEX enrolment_due ON public.enrolment USING btree (flow_name, step_id, due_at) WHERE (state = 'active'::text);

CREATE INDEX enrolment_due_by_flow ON public.enrolment USING btree (flow_name, due_at) WHERE (state = 'active'::text);

CREATE INDEX event_by_time ON public.event USING btree (shop_id, happened_at, event_id);

CREATE INDEX message_by_batch ON public.message USING btree (shop_id, batch_id, message_id) WHERE (batch_id IS NOT NULL);

CREATE INDEX message_by_end ON public.message USING btree (shop_id, ended_at) WHERE (ended_at IS NOT NULL);

CREATE INDEX message_by_person ON public.message USING btree (shop_id, profile_id, channel, ended_at) WHERE (state = ANY (ARRAY['sent'::text, 'failed'::text]));

CREATE INDEX message_by_report ON public.message USING btree (shop_id, report_run_id) WHERE (report_run_id IS NOT NULL);

CREATE INDEX message_by_subscription ON public.message USING btree (shop_id, subscription_id) WHERE (subscription_id IS NOT NULL);

CREATE INDEX message_due ON public.message USING btree (channel, due_at) WHERE ((state = 'queued'::text) AND (parked_domain IS NULL));

CREATE INDEX message_held ON public.message USING btree (shop_id, message_id) WHERE (state = 'held'::text);

CREATE INDEX message_leased ON public.message USING btree (lease_until) WHERE (lease_until IS NOT NULL);

CREATE INDEX message_on_hold ON public.message USING btree (shop_id, variant_id) WHERE ((state = 'queued'::text) AND (reason = 'hold'::text));

CREATE INDEX message_parked ON public.message USING btree (channel, parked_domain, priority, due_at, message_id) WHERE (parked_domain IS NOT NULL);

CREATE INDEX message_queue ON public.message USING btree (channel, priority, due_at, message_id) WHERE ((state = 'queued'::text) AND (parked_domain IS NULL));

CREATE INDEX message_sending ON public.message USING btree (shop_id, profile_id, channel, message_id) WHERE (state = 'sending'::text);

CREATE INDEX message_waiting_for_stock ON public.message USING btree (shop_id) WHERE ((state = 'queued'::text) AND (reason = 'stale_stock'::text));

CREATE UNIQUE INDEX one_mail_per_period ON public.report_run USING btree (shop_id, report_subscription_id, first_on, last_on) WHERE (NOT is_test);

COMMENT ON INDEX public.one_mail_per_period IS 'A retried, cleared or backfilled run mails once (SEMANTICS 9.3).';

CREATE UNIQUE INDEX one_open_alert_per_subject ON public.alert USING btree (kind, subject) WHERE (ended_at IS NULL);

CREATE UNIQUE INDEX one_open_proposal_per_variant ON public.batch USING btree (shop_id, variant_id) WHERE (state = 'proposed'::text);

CREATE UNIQUE INDEX one_open_request_per_person_and_product ON public.subscription USING btree (shop_id, product_id, profile_id) WHERE ((product_id IS NOT NULL) AND (state = ANY (ARRAY['unconfirmed'::text, 'waiting'::text, 'released'::text])));

COMMENT ON INDEX public.one_open_request_per_person_and_product IS 'Asking twice is one place; also finds who waits for any variant of a product, and costs nothing where nobody does.';

CREATE UNIQUE INDEX one_open_request_per_person_and_variant ON public.subscription USING btree (shop_id, variant_id, profile_id) WHERE (state = ANY (ARRAY['unconfirmed'::text, 'waiting'::text, 'released'::text]));

COMMENT ON INDEX public.one_open_request_per_person_and_variant IS 'Asking twice is one place in the queue (SEMANTICS 3.3).';

CREATE UNIQUE INDEX one_report_per_name ON public.report_subscription USING btree (shop_id, name) WHERE (state <> 'ended'::text);

COMMENT ON INDEX public.one_report_per_name IS 'A name means one subscription; an ended one leaves its name free.';

CREATE INDEX order_line_by_buyer ON public.order_line USING btree (shop_id, profile_id, variant_id, ordered_at) WHERE (profile_id IS NOT NULL);

CREATE INDEX order_line_by_time ON public.order_line USING btree (shop_id, ordered_at);

CREATE INDEX presence_change_by_time ON public.presence_change USING btree (shop_id, observed_at);

CREATE INDEX price_change_by_time ON public.price_change USING btree (shop_id, observed_at);

CREATE UNIQUE INDEX profile_by_email ON public.profile USING btree (shop_id, email_key) WHERE (email_key IS NOT NULL);

CREATE UNIQUE INDEX profile_by_external_id ON public.profile USING btree (shop_id, external_id) WHERE (external_id IS NOT NULL);

CREATE UNIQUE INDEX profile_by_phone ON public.profile USING btree (shop_id, phone) WHERE (phone IS NOT NULL);

CREATE INDEX report_activity_by_variant ON public.report_activity USING btree (shop_id, variant_id, report_on);

CREATE INDEX restock_event_by_time ON public.restock_event USING btree (shop_id, opened_at);

CREATE INDEX snapshot_by_time ON public.snapshot USING btree (shop_id, observed_at);

CREATE INDEX snapshot_newest ON public.snapshot USING btree (shop_id, kind, observed_at DESC) WHERE (state = 'complete'::text);

CREATE INDEX snapshot_pulled ON public.snapshot USING btree (shop_id, observed_at DESC) WHERE ((detected_at IS NOT NULL) AND (NOT is_delivery));

CREATE INDEX snapshot_refused ON public.snapshot USING btree (shop_id, observed_at) WHERE (state = 'rejected'::text);

CREATE INDEX stock_change_by_time ON public.stock_change USING btree (shop_id, observed_at);

CREATE INDEX stock_level_missed ON public.stock_level USING btree (shop_id, variant_id) WHERE (missed_count > 0);

CREATE INDEX subscription_by_age ON public.subscription USING brin (subscribed_at) WITH (autosummarize='on');

COMMENT ON INDEX public.subscription_by_age IS 'Finds what may expire; nearly free for shops where nothing does.';

CREATE INDEX subscription_by_batch ON public.subscription USING btree (shop_id, batch_id) WHERE (batch_id IS NOT NULL);

CREATE INDEX subscription_by_end ON public.subscription USING btree (shop_id, ended_at) WHERE (state = ANY (ARRAY['skipped'::text, 'cancelled'::text, 'expired'::text]));

CREATE INDEX subscription_by_person ON public.subscription USING btree (shop_id, profile_id, variant_id);

CREATE INDEX subscription_by_time ON public.subscription USING btree (shop_id, subscribed_at);

CREATE INDEX subscription_covered ON public.subscription USING btree (shop_id, covered_by) WHERE (covered_by IS NOT NULL);

CREATE INDEX subscription_deferred ON public.subscription USING btree (shop_id, variant_id, not_before) WHERE ((state = 'waiting'::text) AND (not_before IS NOT NULL));

CREATE INDEX subscription_in_flight ON public.subscription USING btree (shop_id, variant_id) WHERE (state = 'released'::text);

CREATE INDEX subscription_queue ON public.subscription USING btree (shop_id, variant_id, subscribed_at, subscription_id) WHERE (state = 'waiting'::text);

CREATE INDEX subscription_unconfirmed ON public.subscription USING btree (created_at) WHERE (state = 'unconfirmed'::text);

CREATE INDEX suppression_by_time ON public.suppression USING btree (shop_id, suppressed_at);

CREATE INDEX variant_by_age ON public.variant USING btree (shop_id, first_seen_at, variant_id);

COMMENT ON INDEX public.variant_by_age IS 'Pages of catalog variants, oldest or newest first.';

CREATE INDEX variant_by_inventory_item ON public.variant USING btree (shop_id, inventory_item_id) WHERE (inventory_item_id IS NOT NULL);

CREATE INDEX variant_by_product ON public.variant USING btree (shop_id, product_id, variant_id) WHERE (product_id IS NOT NULL);

CREATE INDEX variant_change_by_time ON public.variant_change USING btree (shop_id, observed_at);

CREATE INDEX variant_stock_due ON public.variant_stock USING btree (next_check_at) WHERE (next_check_at IS NOT NULL);

CREATE INDEX variant_stock_guarded ON public.variant_stock USING btree (shop_id, observed_at) WHERE (guard_reason IS NOT NULL);

CREATE INDEX variant_stock_held ON public.variant_stock USING btree (shop_id, hold_reason) WHERE (hold_reason IS NOT NULL);

CREATE INDEX variant_stock_unconfirmed ON public.variant_stock USING btree (shop_id, variant_id) WHERE ((confirmations > 0) AND (NOT is_open));

CREATE INDEX webhook_delivery_applied ON public.webhook_delivery USING btree (shop_id, applied_at) WHERE (applied_at IS NOT NULL);

CREATE INDEX webhook_delivery_waiting ON public.webhook_delivery USING btree (shop_id, delivery_id) WHERE (applied_at IS NULL);

CREATE TRIGGER changed_events AFTER UPDATE ON public.restock_event REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION public.note_late('opened_at');

CREATE TRIGGER changed_orders AFTER UPDATE ON public.order_line REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION public.note_late('ordered_at');

CREATE TRIGGER changed_snapshots AFTER UPDATE ON public.snapshot REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION public.note_late('observed_at');

CREATE TRIGGER changed_suppressions AFTER UPDATE ON public.suppression REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION public.note_late('suppressed_at');

CREATE TRIGGER late_events AFTER INSERT ON public.restock_event REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION public.note_late('opened_at');

CREATE TRIGGER late_orders AFTER INSERT ON public.order_line REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION public.note_late('ordered_at');

CREATE TRIGGER late_snapshots AFTER INSERT ON public.snapshot REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION public.note_late('observed_at');

CREATE TRIGGER moved_orders AFTER UPDATE ON public.order_line REFERENCING OLD TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION public.note_late('ordered_at');

CREATE TRIGGER removed_events AFTER DELETE ON public.restock_event REFERENCING OLD TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION public.note_late('opened_at');

CREATE TRIGGER removed_orders AFTER DELETE ON public.order_line REFERENCING OLD TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION public.note_late('ordered_at');

CREATE TRIGGER reopened_requests AFTER UPDATE OF ended_at ON public.subscription FOR EACH ROW WHEN (((old.ended_at IS NOT NULL) AND (new.ended_at IS DISTINCT FROM old.ended_at))) EXECUTE FUNCTION public.note_reopened();

ALTER TABLE ONLY public.api_key
    ADD CONSTRAINT api_key_shop_id_fkey FOREIGN KEY (shop_id) REFERENCES public.shop(shop_id);

ALTER TABLE ONLY public.backfill_summary
    ADD CONSTRAINT backfill_summary_shop_id_snapshot_id_fkey FOREIGN KEY (shop_id, snapshot_id) REFERENCES public.snapshot(shop_id, snapshot_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.batch
    ADD CONSTRAINT batch_rule_set_id_fkey FOREIGN KEY (rule_set_id) REFERENCES public.rule_set(rule_set_id);

ALTER TABLE ONLY public.bundle_component
    ADD CONSTRAINT bundle_component_shop_id_fkey FOREIGN KEY (shop_id) REFERENCES public.shop(shop_id);

ALTER TABLE ONLY public.catalog_detail
    ADD CONSTRAINT catalog_detail_shop_id_fkey FOREIGN KEY (shop_id) REFERENCES public.shop(shop_id);

ALTER TABLE ONLY public.catalog_item
    ADD CONSTRAINT catalog_item_shop_id_fkey FOREIGN KEY (shop_id) REFERENCES public.shop(shop_id);

ALTER TABLE ONLY public.catalog_job
    ADD CONSTRAINT catalog_job_shop_id_fkey FOREIGN KEY (shop_id) REFERENCES public.shop(shop_id);

ALTER TABLE ONLY public.consent
    ADD CONSTRAINT consent_shop_id_profile_id_fkey FOREIGN KEY (shop_id, profile_id) REFERENCES public.profile(shop_id, profile_id);

ALTER TABLE ONLY public.enrolment
    ADD CONSTRAINT enrolment_flow_name_fkey FOREIGN KEY (flow_name) REFERENCES public.flow(flow_name);

ALTER TABLE ONLY public.enrolment
    ADD CONSTRAINT enrolment_shop_id_profile_id_fkey FOREIGN KEY (shop_id, profile_id) REFERENCES public.profile(shop_id, profile_id);

ALTER TABLE ONLY public.enrolment
    ADD CONSTRAINT enrolment_shop_id_subscription_id_fkey FOREIGN KEY (shop_id, subscription_id) REFERENCES public.subscription(shop_id, subscription_id);

ALTER TABLE ONLY public.event
    ADD CONSTRAINT event_shop_id_metric_id_fkey FOREIGN KEY (shop_id, metric_id) REFERENCES public.metric(shop_id, metric_id);

ALTER TABLE ONLY public.event
    ADD CONSTRAINT event_shop_id_profile_id_fkey FOREIGN KEY (shop_id, profile_id) REFERENCES public.profile(shop_id, profile_id);

ALTER TABLE ONLY public.flow_step
    ADD CONSTRAINT flow_step_flow_name_fkey FOREIGN KEY (flow_name) REFERENCES public.flow(flow_name);

ALTER TABLE ONLY public.message
    ADD CONSTRAINT message_channel_fkey FOREIGN KEY (channel) REFERENCES public.channel(channel);

ALTER TABLE ONLY public.message_feedback
    ADD CONSTRAINT message_feedback_shop_id_message_id_fkey FOREIGN KEY (shop_id, message_id) REFERENCES public.message(shop_id, message_id);

ALTER TABLE ONLY public.metric
    ADD CONSTRAINT metric_shop_id_fkey FOREIGN KEY (shop_id) REFERENCES public.shop(shop_id);

ALTER TABLE ONLY public.order_line
    ADD CONSTRAINT order_line_shop_id_fkey FOREIGN KEY (shop_id) REFERENCES public.shop(shop_id);

ALTER TABLE ONLY public.privacy_request
    ADD CONSTRAINT privacy_request_shop_id_fkey FOREIGN KEY (shop_id) REFERENCES public.shop(shop_id);

ALTER TABLE ONLY public.profile
    ADD CONSTRAINT profile_shop_id_fkey FOREIGN KEY (shop_id) REFERENCES public.shop(shop_id);

ALTER TABLE ONLY public.rejected_row
    ADD CONSTRAINT rejected_row_shop_id_snapshot_id_fkey FOREIGN KEY (shop_id, snapshot_id) REFERENCES public.snapshot(shop_id, snapshot_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.report_part
    ADD CONSTRAINT report_part_shop_id_report_run_id_fkey FOREIGN KEY (shop_id, report_run_id) REFERENCES public.report_run(shop_id, report_run_id);

ALTER TABLE ONLY public.report_progress
    ADD CONSTRAINT report_progress_shop_id_fkey FOREIGN KEY (shop_id) REFERENCES public.shop(shop_id);

ALTER TABLE ONLY public.report_recipient
    ADD CONSTRAINT report_recipient_shop_id_report_subscription_id_fkey FOREIGN KEY (shop_id, report_subscription_id) REFERENCES public.report_subscription(shop_id, report_subscription_id);

ALTER TABLE ONLY public.report_run
    ADD CONSTRAINT report_run_shop_id_report_subscription_id_fkey FOREIGN KEY (shop_id, report_subscription_id) REFERENCES public.report_subscription(shop_id, report_subscription_id);

ALTER TABLE ONLY public.report_subscription
    ADD CONSTRAINT report_subscription_shop_id_fkey FOREIGN KEY (shop_id) REFERENCES public.shop(shop_id);

ALTER TABLE ONLY public.rule_override
    ADD CONSTRAINT rule_override_rule_set_id_fkey FOREIGN KEY (rule_set_id) REFERENCES public.rule_set(rule_set_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.send_rate
    ADD CONSTRAINT send_rate_channel_fkey FOREIGN KEY (channel) REFERENCES public.channel(channel);

ALTER TABLE ONLY public.snapshot
    ADD CONSTRAINT snapshot_shop_id_fkey FOREIGN KEY (shop_id) REFERENCES public.shop(shop_id);

ALTER TABLE ONLY public.stock_drift
    ADD CONSTRAINT stock_drift_shop_id_snapshot_id_fkey FOREIGN KEY (shop_id, snapshot_id) REFERENCES public.snapshot(shop_id, snapshot_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.subscription
    ADD CONSTRAINT subscription_shop_id_batch_id_fkey FOREIGN KEY (shop_id, batch_id) REFERENCES public.batch(shop_id, batch_id);

ALTER TABLE ONLY public.subscription
    ADD CONSTRAINT subscription_shop_id_profile_id_fkey FOREIGN KEY (shop_id, profile_id) REFERENCES public.profile(shop_id, profile_id);

ALTER TABLE ONLY public.webhook_key
    ADD CONSTRAINT webhook_key_shop_id_fkey FOREIGN KEY (shop_id) REFERENCES public.shop(shop_id);
