-- Shops, what they sell, what was seen of their stock, and when it came back (SEMANTICS 1, 2).

CREATE TABLE installation (
    is_the_one boolean PRIMARY KEY DEFAULT true CHECK (is_the_one),
    link_secret text NOT NULL,
    delivery text NOT NULL DEFAULT 'record_only' CHECK (delivery IN ('live', 'allow_list', 'record_only')),
    allow_list text[] NOT NULL DEFAULT '{}',
    bound_to text
);
COMMENT ON TABLE installation IS 'One row: how this database may deliver, and which database it was told so (SEMANTICS 6.6).';
COMMENT ON COLUMN installation.bound_to IS 'Identity of the database for which delivery was set: a restored copy differs and records only.';

CREATE TABLE shop (
    shop_id text COLLATE "C" PRIMARY KEY,
    name text NOT NULL,
    currency text NOT NULL,
    time_zone text NOT NULL,
    locale text NOT NULL,
    url text,
    included_locations text[],
    excluded_locations text[] NOT NULL DEFAULT '{}',
    max_stock_age interval NOT NULL,
    registered_at timestamptz NOT NULL
);
COMMENT ON COLUMN shop.included_locations IS 'Locations whose stock counts; NULL counts all (SEMANTICS 1.1).';
COMMENT ON COLUMN shop.max_stock_age IS 'Older observations tell nobody (SEMANTICS 2.7).';

CREATE FUNCTION is_counted(location_id text, included text[], excluded text[]) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT (included IS NULL OR location_id = ANY (included)) AND NOT (location_id = ANY (excluded))
$$;
COMMENT ON FUNCTION is_counted IS 'Whether a location''s stock belongs to what a variant has available (SEMANTICS 1.1).';

CREATE TABLE snapshot (
    shop_id text COLLATE "C" NOT NULL REFERENCES shop,
    snapshot_id bigint GENERATED ALWAYS AS IDENTITY,
    window_key text NOT NULL,
    window_start timestamptz,
    window_end timestamptz,
    kind text NOT NULL CHECK (kind IN ('full', 'partial')),
    state text NOT NULL CHECK (state IN ('loading', 'complete', 'rejected')),
    source text NOT NULL,
    observed_at timestamptz NOT NULL,
    row_count integer NOT NULL DEFAULT 0,
    reject_count integer NOT NULL DEFAULT 0,
    variant_count integer NOT NULL DEFAULT 0,
    zero_count integer NOT NULL DEFAULT 0,
    reason text,
    accepted_reason text,
    changed_count integer,
    opened_count integer,
    closed_count integer,
    event_count integer,
    loaded_at timestamptz,
    detected_at timestamptz,
    PRIMARY KEY (shop_id, snapshot_id),
    CONSTRAINT one_snapshot_per_window UNIQUE (shop_id, window_key),
    CONSTRAINT only_a_rejected_one_is_detected_never
        CHECK (detected_at IS NULL OR state = 'complete'),
    CONSTRAINT a_rejected_one_says_why CHECK (state <> 'rejected' OR reason IS NOT NULL)
);
CREATE INDEX snapshot_newest ON snapshot (shop_id, kind, observed_at DESC) WHERE state = 'complete';
COMMENT ON TABLE snapshot IS 'One read of a shop''s stock for a window (SEMANTICS 2.1).';

CREATE TABLE rejected_row (
    shop_id text COLLATE "C" NOT NULL,
    snapshot_id bigint NOT NULL,
    line_number bigint NOT NULL,
    reason text NOT NULL,
    excerpt text NOT NULL,
    PRIMARY KEY (shop_id, snapshot_id, line_number),
    FOREIGN KEY (shop_id, snapshot_id) REFERENCES snapshot ON DELETE CASCADE
);
COMMENT ON TABLE rejected_row IS 'Rows of a feed that could not be read, with the reason: nothing is lost in silence.';

-- The stage: one partition per snapshot, dropped when its changes are known.
CREATE TABLE staged_row (
    snapshot_id bigint NOT NULL,
    line_number bigint NOT NULL,
    variant_id text COLLATE "C" NOT NULL,
    location_id text COLLATE "C" NOT NULL,
    quantity numeric NOT NULL,
    product_id text COLLATE "C",
    title text,
    url text,
    image_url text,
    price numeric,
    compare_at_price numeric,
    collections text[] NOT NULL,
    is_published boolean NOT NULL,
    is_tracked boolean NOT NULL,
    continue_selling boolean NOT NULL
) PARTITION BY LIST (snapshot_id);

CREATE FUNCTION stage_name(snapshot bigint) RETURNS text
LANGUAGE sql IMMUTABLE AS $$ SELECT 'staged_row_' || snapshot $$;

CREATE PROCEDURE create_stage(snapshot bigint)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('DROP TABLE IF EXISTS %I', stage_name(snapshot));
    EXECUTE format(
        'CREATE UNLOGGED TABLE %I PARTITION OF staged_row FOR VALUES IN (%s) WITH (autovacuum_enabled = off)',
        stage_name(snapshot), snapshot);
END $$;

CREATE PROCEDURE drop_stage(snapshot bigint)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('DROP TABLE IF EXISTS %I', stage_name(snapshot));
END $$;

CREATE TABLE variant (
    shop_id text COLLATE "C" NOT NULL,
    variant_id text COLLATE "C" NOT NULL,
    product_id text COLLATE "C",
    title text,
    url text,
    image_url text,
    price numeric,
    compare_at_price numeric,
    collections text[] NOT NULL DEFAULT '{}',
    is_published boolean NOT NULL DEFAULT true,
    is_tracked boolean NOT NULL DEFAULT true,
    continue_selling boolean NOT NULL DEFAULT false,
    first_seen_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (shop_id, variant_id)
);
COMMENT ON TABLE variant IS 'The sellable unit and what messages say about it (SEMANTICS 1.1).';

CREATE TABLE stock_level (
    shop_id text COLLATE "C" NOT NULL,
    variant_id text COLLATE "C" NOT NULL,
    location_id text COLLATE "C" NOT NULL,
    quantity numeric NOT NULL,
    observed_at timestamptz NOT NULL,
    missed_count smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (shop_id, variant_id, location_id)
) WITH (fillfactor = 90);
COMMENT ON TABLE stock_level IS 'Current quantity per variant and location; unchanged rows are not rewritten.';
COMMENT ON COLUMN stock_level.observed_at IS 'When this quantity was first seen; a newer full snapshot confirms it without a write.';
COMMENT ON COLUMN stock_level.missed_count IS 'Full snapshots in a row that did not contain it (SEMANTICS 2.4).';
CREATE INDEX stock_level_missed ON stock_level (shop_id, variant_id) WHERE missed_count > 0;

CREATE TABLE stock_change (
    shop_id text COLLATE "C" NOT NULL,
    variant_id text COLLATE "C" NOT NULL,
    location_id text COLLATE "C" NOT NULL,
    observed_at timestamptz NOT NULL,
    quantity numeric NOT NULL,
    previous_quantity numeric,
    snapshot_id bigint,
    PRIMARY KEY (shop_id, variant_id, location_id, observed_at)
);
COMMENT ON TABLE stock_change IS 'History: a row where a quantity differed from the observation before it.';
CREATE INDEX stock_change_by_time ON stock_change (shop_id, observed_at);

CREATE UNLOGGED TABLE stock_difference (
    snapshot_id bigint NOT NULL,
    variant_id text COLLATE "C" NOT NULL,
    location_id text COLLATE "C" NOT NULL,
    quantity numeric NOT NULL,
    previous_quantity numeric,
    missed_count smallint NOT NULL
);
COMMENT ON TABLE stock_difference IS 'Work table of one detect: what differs from the level. Empty outside its transaction.';

CREATE UNLOGGED TABLE touched_variant (
    snapshot_id bigint NOT NULL,
    variant_id text COLLATE "C" NOT NULL
);
COMMENT ON TABLE touched_variant IS 'Work table of one detect: variants to judge again. Empty outside its transaction.';

CREATE TABLE variant_stock (
    shop_id text COLLATE "C" NOT NULL,
    variant_id text COLLATE "C" NOT NULL,
    available numeric NOT NULL,
    units bigint NOT NULL CHECK (units >= 0),
    is_open boolean NOT NULL,
    is_absent boolean NOT NULL DEFAULT false,
    last_below bigint,
    confirmations integer NOT NULL DEFAULT 0,
    cycle integer NOT NULL DEFAULT 0,
    observed_at timestamptz NOT NULL,
    opened_at timestamptz,
    closed_at timestamptz,
    restocked_at timestamptz,
    added_units bigint NOT NULL DEFAULT 0,
    next_release_at timestamptz,
    next_check_at timestamptz,
    hold_reason text,
    decided_at timestamptz,
    PRIMARY KEY (shop_id, variant_id)
) WITH (fillfactor = 90);
COMMENT ON TABLE variant_stock IS 'Per variant: what is available, whether it is open, and when release looks at it next (SEMANTICS 2.5, 4.1).';
COMMENT ON COLUMN variant_stock.units IS 'q = floor(max(0, available)), 0 while it can''t be announced (SEMANTICS 1.2, 1.3).';
COMMENT ON COLUMN variant_stock.last_below IS 'Last units below the minimum; NULL when never seen below.';
COMMENT ON COLUMN variant_stock.restocked_at IS 'Last opening that was a true restock; first sight of a stocked variant is none.';
COMMENT ON COLUMN variant_stock.next_check_at IS 'When release has a reason to look; NULL: nothing to do until something changes.';
CREATE INDEX variant_stock_due ON variant_stock (next_check_at) WHERE next_check_at IS NOT NULL;
CREATE INDEX variant_stock_held ON variant_stock (shop_id, hold_reason) WHERE hold_reason IS NOT NULL;
CREATE INDEX variant_stock_unconfirmed ON variant_stock (shop_id, variant_id) WHERE confirmations > 0 AND NOT is_open;

CREATE TABLE restock_event (
    shop_id text COLLATE "C" NOT NULL,
    restock_event_id bigint GENERATED ALWAYS AS IDENTITY,
    variant_id text COLLATE "C" NOT NULL,
    cycle integer NOT NULL,
    opened_at timestamptz NOT NULL,
    units_before bigint,
    units_after bigint NOT NULL,
    snapshot_id bigint,
    PRIMARY KEY (shop_id, restock_event_id),
    CONSTRAINT one_event_per_opening UNIQUE (shop_id, variant_id, cycle)
);
CREATE INDEX restock_event_by_time ON restock_event (shop_id, opened_at);
COMMENT ON TABLE restock_event IS 'A variant opened: enough units came back (SEMANTICS 2.5).';
