-- Report tables (SEMANTICS 9.1) and the record of how they were built.

CREATE TABLE report_activity (
    shop_id text COLLATE "C" NOT NULL,
    report_on date NOT NULL,
    variant_id text COLLATE "C" NOT NULL,
    title text,
    request_count bigint NOT NULL,
    restock_count bigint NOT NULL,
    restocked_units bigint NOT NULL,
    released_count bigint NOT NULL,
    notified_count bigint NOT NULL,
    skipped_count bigint NOT NULL,
    PRIMARY KEY (shop_id, report_on, variant_id)
);
COMMENT ON TABLE report_activity IS 'Back-in-stock activity per variant and day of the shop.';

CREATE TABLE report_queue (
    shop_id text COLLATE "C" NOT NULL,
    subscription_id bigint NOT NULL,
    variant_id text COLLATE "C" NOT NULL,
    title text,
    place bigint NOT NULL,
    subscribed_at timestamptz NOT NULL,
    wanted_quantity integer NOT NULL,
    channels text NOT NULL,
    units bigint,
    built_at timestamptz NOT NULL,
    PRIMARY KEY (shop_id, subscription_id)
);
COMMENT ON TABLE report_queue IS 'Every waiting request with its place, as of built_at; no addresses.';

CREATE TABLE report_batches (
    shop_id text COLLATE "C" NOT NULL,
    batch_id bigint NOT NULL,
    report_on date NOT NULL,
    decided_at timestamptz NOT NULL,
    variant_id text COLLATE "C" NOT NULL,
    title text,
    units bigint NOT NULL,
    observed_at timestamptz NOT NULL,
    min_inventory bigint NOT NULL,
    customers_per_unit text NOT NULL,
    wait_minutes double precision NOT NULL,
    waiting_count bigint NOT NULL,
    in_flight_count bigint NOT NULL,
    allowed_count bigint,
    released_count bigint NOT NULL,
    notified_count bigint NOT NULL,
    skipped_count bigint NOT NULL,
    next_release_at timestamptz,
    PRIMARY KEY (shop_id, batch_id)
);
COMMENT ON TABLE report_batches IS 'Every batch with its inputs and what became of its people.';
CREATE INDEX report_batches_by_day ON report_batches (shop_id, report_on);
