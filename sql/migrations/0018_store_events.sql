-- Events (metric occurrences) of people, and how often each did what (SEMANTICS 7).

CREATE TABLE metric (
    shop_id text COLLATE "C" NOT NULL REFERENCES shop (shop_id),
    metric_id bigint GENERATED ALWAYS AS IDENTITY,
    name text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (shop_id, metric_id),
    CONSTRAINT a_metric_has_one_name UNIQUE (shop_id, name)
);
COMMENT ON TABLE metric IS 'What people do, by name: Placed Order.';

CREATE TABLE event (
    shop_id text COLLATE "C" NOT NULL,
    event_id bigint GENERATED ALWAYS AS IDENTITY,
    metric_id bigint NOT NULL,
    profile_id bigint NOT NULL,
    unique_id text COLLATE "C" NOT NULL,
    happened_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    value numeric,
    value_currency text,
    properties jsonb NOT NULL,
    is_backfill boolean NOT NULL,
    PRIMARY KEY (shop_id, event_id),
    FOREIGN KEY (shop_id, profile_id) REFERENCES profile (shop_id, profile_id),
    FOREIGN KEY (shop_id, metric_id) REFERENCES metric (shop_id, metric_id),
    CONSTRAINT an_event_is_recorded_once UNIQUE (shop_id, profile_id, metric_id, unique_id)
);
COMMENT ON TABLE event IS 'One occurrence of a metric.';
COMMENT ON COLUMN event.unique_id IS 'Given by the sender, else the second in which it happened.';
COMMENT ON COLUMN event.is_backfill IS 'Recorded without triggering flows (SEMANTICS 7.6).';
COMMENT ON CONSTRAINT an_event_is_recorded_once ON event IS 'The first one with a unique_id wins.';
CREATE INDEX event_by_time ON event (shop_id, happened_at, event_id);

CREATE TABLE profile_metric (
    shop_id text COLLATE "C" NOT NULL,
    profile_id bigint NOT NULL,
    metric_id bigint NOT NULL,
    event_count bigint NOT NULL,
    value_sum numeric NOT NULL,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    PRIMARY KEY (shop_id, profile_id, metric_id)
) WITH (fillfactor = 80);
COMMENT ON TABLE profile_metric IS 'How often somebody did what, kept with every event that is recorded.';
COMMENT ON COLUMN profile_metric.value_sum IS 'Sum of $value, in whatever currency it came.';

-- What providers tell of messages later, and whom a shop was asked to forget.

CREATE TABLE message_feedback (
    shop_id text COLLATE "C" NOT NULL,
    message_id bigint NOT NULL,
    kind text NOT NULL CHECK (kind IN ('delivered', 'bounced', 'deferred', 'complained', 'unsubscribed')),
    told_at timestamptz NOT NULL,
    code text,
    PRIMARY KEY (shop_id, message_id, kind),
    FOREIGN KEY (shop_id, message_id) REFERENCES message (shop_id, message_id)
);
COMMENT ON TABLE message_feedback IS 'What became of a sent message, as its provider tells it later; each kind once.';
COMMENT ON COLUMN message_feedback.code IS 'The provider''s code; no address.';

CREATE TABLE privacy_request (
    shop_id text COLLATE "C" NOT NULL REFERENCES shop (shop_id),
    privacy_request_id bigint GENERATED ALWAYS AS IDENTITY,
    kind text NOT NULL CHECK (kind IN ('export', 'erase', 'erase_shop')),
    source text NOT NULL,
    person_digest text,
    asked_at timestamptz NOT NULL,
    done_at timestamptz,
    PRIMARY KEY (shop_id, privacy_request_id)
);
COMMENT ON TABLE privacy_request IS 'That somebody asked for their data, or to be forgotten, and when that was done (SEMANTICS 10.3).';
COMMENT ON COLUMN privacy_request.person_digest IS 'Keyed hash of the address: proves a request without keeping whose it was.';
COMMENT ON COLUMN privacy_request.done_at IS 'NULL: a person of the shop must still hand the export over.';
