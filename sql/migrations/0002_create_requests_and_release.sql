-- People, what they asked for, the rules, and who was released why (SEMANTICS 3, 4, 7, 10).

CREATE TABLE profile (
    shop_id text COLLATE "C" NOT NULL REFERENCES shop,
    profile_id bigint GENERATED ALWAYS AS IDENTITY,
    email text,
    email_key text COLLATE "C",
    phone text COLLATE "C",
    external_id text COLLATE "C",
    first_name text,
    last_name text,
    locale text,
    time_zone text,
    properties jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL,
    PRIMARY KEY (shop_id, profile_id),
    CONSTRAINT an_address_is_kept_with_its_key CHECK ((email IS NULL) = (email_key IS NULL))
);
COMMENT ON COLUMN profile.email_key IS 'Case-folded address: the key by which a person is found (SEMANTICS 3.3).';
COMMENT ON COLUMN profile.phone IS 'E.164.';
CREATE UNIQUE INDEX profile_by_email ON profile (shop_id, email_key) WHERE email_key IS NOT NULL;
CREATE UNIQUE INDEX profile_by_phone ON profile (shop_id, phone) WHERE phone IS NOT NULL;
CREATE UNIQUE INDEX profile_by_external_id ON profile (shop_id, external_id) WHERE external_id IS NOT NULL;

CREATE TABLE suppression (
    shop_id text COLLATE "C" NOT NULL,
    channel text NOT NULL CHECK (channel IN ('EMAIL', 'SMS')),
    address_key text COLLATE "C" NOT NULL,
    reason text NOT NULL CHECK (reason IN ('unsubscribed', 'invalid_address', 'complaint', 'manual')),
    suppressed_at timestamptz NOT NULL,
    PRIMARY KEY (shop_id, channel, address_key)
);
COMMENT ON TABLE suppression IS 'Addresses that must not be written to (SEMANTICS 5, 6.2, 10.2).';

CREATE TABLE rule_set (
    rule_set_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    min_inventory bigint NOT NULL CHECK (min_inventory >= 1),
    customers_per_unit bigint CHECK (customers_per_unit >= 1),
    wait_minutes double precision NOT NULL CHECK (wait_minutes > 0),
    rules jsonb NOT NULL,
    created_at timestamptz NOT NULL
);
COMMENT ON TABLE rule_set IS 'Validated rules as they stood; the newest is in force (SEMANTICS 4.9).';
COMMENT ON COLUMN rule_set.customers_per_unit IS 'NULL: everyone who waits ("all").';
COMMENT ON COLUMN rule_set.rules IS 'Every rule of the set, the columns before it included.';

CREATE TABLE batch (
    shop_id text COLLATE "C" NOT NULL,
    batch_id bigint GENERATED ALWAYS AS IDENTITY,
    variant_id text COLLATE "C" NOT NULL,
    run_id text NOT NULL,
    state text NOT NULL CHECK (state IN ('released', 'proposed', 'declined')),
    decided_at timestamptz NOT NULL,
    cycle integer NOT NULL,
    rule_set_id bigint NOT NULL REFERENCES rule_set,
    available numeric NOT NULL,
    units bigint NOT NULL,
    observed_at timestamptz NOT NULL,
    min_inventory bigint NOT NULL,
    customers_per_unit bigint,
    wait_minutes double precision NOT NULL,
    ordering text NOT NULL DEFAULT 'oldest',
    waiting_count bigint NOT NULL,
    in_flight_count bigint NOT NULL,
    allowed_count bigint,
    released_count bigint NOT NULL,
    skipped_count bigint NOT NULL,
    next_release_at timestamptz,
    PRIMARY KEY (shop_id, batch_id),
    CONSTRAINT one_batch_per_run_and_variant UNIQUE (shop_id, variant_id, run_id)
);
COMMENT ON TABLE batch IS 'People told together, with everything that decided how many (SEMANTICS 4.8).';
COMMENT ON COLUMN batch.allowed_count IS 'units * customers_per_unit - in flight; NULL: everyone.';
CREATE INDEX batch_by_time ON batch (shop_id, decided_at);
CREATE INDEX batch_by_variant ON batch (shop_id, variant_id, decided_at);
CREATE INDEX batch_by_run ON batch (run_id);

CREATE TABLE subscription (
    shop_id text COLLATE "C" NOT NULL,
    subscription_id bigint GENERATED ALWAYS AS IDENTITY,
    variant_id text COLLATE "C" NOT NULL,
    profile_id bigint NOT NULL,
    channels text[] NOT NULL CHECK (channels <> '{}' AND channels <@ '{EMAIL,SMS,PUSH,WHATSAPP}'),
    wanted_quantity integer NOT NULL DEFAULT 1 CHECK (wanted_quantity >= 1),
    locale text,
    source text NOT NULL,
    subscribed_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    restock_after timestamptz,
    not_before timestamptz,
    state text NOT NULL CHECK (state IN
        ('unconfirmed', 'waiting', 'released', 'notified', 'skipped', 'cancelled', 'expired')),
    reason text,
    batch_id bigint,
    released_at timestamptz,
    notified_at timestamptz,
    ended_at timestamptz,
    PRIMARY KEY (shop_id, subscription_id),
    FOREIGN KEY (shop_id, profile_id) REFERENCES profile,
    FOREIGN KEY (shop_id, batch_id) REFERENCES batch,
    CONSTRAINT who_was_released_has_a_batch
        CHECK (state NOT IN ('released', 'notified') OR (batch_id IS NOT NULL AND released_at IS NOT NULL)),
    CONSTRAINT who_waits_was_not_notified CHECK (state <> 'waiting' OR (notified_at IS NULL AND ended_at IS NULL)),
    CONSTRAINT who_was_notified_has_a_time CHECK ((state = 'notified') = (notified_at IS NOT NULL)),
    CONSTRAINT what_ended_has_a_time
        CHECK ((state IN ('notified', 'skipped', 'cancelled', 'expired')) = (ended_at IS NOT NULL)),
    CONSTRAINT what_was_skipped_says_why CHECK (state <> 'skipped' OR reason IS NOT NULL)
) WITH (fillfactor = 90);
COMMENT ON TABLE subscription IS 'One request to be told; the waiting ones are the queue of the back-in-stock delay (SEMANTICS 3).';
COMMENT ON COLUMN subscription.restock_after IS 'Set: counts only restocks later than this (next_restock, SEMANTICS 3.5).';
COMMENT ON COLUMN subscription.not_before IS 'Set: told about this variant less than 24 h ago (SEMANTICS 3.3).';
COMMENT ON COLUMN subscription.subscribed_at IS 'The place in the queue; kept when it is sold out again (SEMANTICS 3.9).';
CREATE UNIQUE INDEX one_open_request_per_person_and_variant ON subscription (shop_id, variant_id, profile_id)
    WHERE state IN ('unconfirmed', 'waiting', 'released');
CREATE INDEX subscription_queue ON subscription (shop_id, variant_id, subscribed_at, subscription_id)
    WHERE state = 'waiting';
CREATE INDEX subscription_deferred ON subscription (shop_id, variant_id, not_before)
    WHERE state = 'waiting' AND not_before IS NOT NULL;
CREATE INDEX subscription_in_flight ON subscription (shop_id, variant_id) WHERE state = 'released';
CREATE INDEX subscription_by_person ON subscription (shop_id, profile_id, variant_id);
CREATE INDEX subscription_by_batch ON subscription (shop_id, batch_id) WHERE batch_id IS NOT NULL;

CREATE TABLE import_reject (
    shop_id text COLLATE "C" NOT NULL,
    import_reject_id bigint GENERATED ALWAYS AS IDENTITY,
    file_digest text NOT NULL,
    line_number bigint NOT NULL,
    reason text NOT NULL,
    imported_at timestamptz NOT NULL,
    PRIMARY KEY (shop_id, import_reject_id),
    CONSTRAINT a_line_is_refused_once UNIQUE (shop_id, file_digest, line_number)
);
COMMENT ON TABLE import_reject IS 'Lines of an imported waiting list that were refused, each with its reason (SEMANTICS 3.7).';

CREATE TABLE flow (
    flow_name text COLLATE "C" PRIMARY KEY,
    title text NOT NULL,
    metric text NOT NULL,
    first_step_id text,
    definition jsonb NOT NULL,
    is_telling boolean NOT NULL,
    is_registered boolean NOT NULL,
    registered_at timestamptz NOT NULL
);
COMMENT ON COLUMN flow.first_step_id IS 'Where enrolments enter: the step after a back-in-stock delay, else the first one.';
COMMENT ON COLUMN flow.is_telling IS 'Has a live or manual message; without one nobody is released (SEMANTICS 3.8).';
COMMENT ON COLUMN flow.is_registered IS 'False once its file is gone: it enrols nobody, those inside go on.';

CREATE TABLE flow_step (
    flow_name text COLLATE "C" NOT NULL REFERENCES flow,
    step_id text COLLATE "C" NOT NULL,
    position integer NOT NULL,
    kind text NOT NULL,
    channel text,
    template text,
    status text,
    next_step_id text,
    PRIMARY KEY (flow_name, step_id)
);

CREATE TABLE enrolment (
    shop_id text COLLATE "C" NOT NULL,
    enrolment_id bigint GENERATED ALWAYS AS IDENTITY,
    flow_name text COLLATE "C" NOT NULL REFERENCES flow,
    profile_id bigint NOT NULL,
    subscription_id bigint,
    batch_id bigint,
    step_id text COLLATE "C",
    due_at timestamptz,
    state text NOT NULL CHECK (state IN ('active', 'completed', 'ended')),
    reason text,
    entered_at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (shop_id, enrolment_id),
    FOREIGN KEY (shop_id, profile_id) REFERENCES profile,
    FOREIGN KEY (shop_id, subscription_id) REFERENCES subscription,
    CONSTRAINT one_enrolment_per_flow_request_and_batch UNIQUE (shop_id, subscription_id, batch_id, flow_name),
    CONSTRAINT an_active_one_stands_at_a_step CHECK ((state = 'active') = (step_id IS NOT NULL AND due_at IS NOT NULL)),
    CONSTRAINT an_ended_one_has_a_time CHECK ((state = 'active') = (ended_at IS NULL))
) WITH (fillfactor = 90);
COMMENT ON TABLE enrolment IS 'One person inside one flow, standing at a step (SEMANTICS 3.9, 7).';
CREATE INDEX enrolment_due ON enrolment (flow_name, step_id, due_at) WHERE state = 'active';
CREATE INDEX enrolment_due_by_flow ON enrolment (flow_name, due_at) WHERE state = 'active';
