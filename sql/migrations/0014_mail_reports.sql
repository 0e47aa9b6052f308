-- Who gets which report by mail and what came of it; what the watchdog found (SEMANTICS 9.3, 9.5).

CREATE TABLE report_subscription (
    shop_id text COLLATE "C" NOT NULL REFERENCES shop,
    report_subscription_id bigint GENERATED ALWAYS AS IDENTITY,
    name text COLLATE "C" NOT NULL,
    report text COLLATE "C" NOT NULL,
    frequency text NOT NULL CHECK (frequency IN ('daily', 'weekly', 'monthly')),
    send_at time NOT NULL,
    time_zone text,
    condition text,
    attachment text NOT NULL CHECK (attachment IN ('csv', 'none')),
    has_chart boolean NOT NULL,
    skips_empty boolean NOT NULL,
    origin text NOT NULL CHECK (origin IN ('command', 'variable')),
    state text NOT NULL CHECK (state IN ('active', 'paused', 'ended')),
    active_since timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (shop_id, report_subscription_id),
    CONSTRAINT an_ended_report_has_a_time CHECK ((state = 'ended') = (ended_at IS NOT NULL))
);
COMMENT ON TABLE report_subscription IS 'A report that goes out by mail: active <-> paused -> ended (SEMANTICS 9.3).';
COMMENT ON COLUMN report_subscription.condition IS 'Set: a mail goes only for a period whose figures fulfil it.';
COMMENT ON COLUMN report_subscription.time_zone IS 'NULL: the shop''s.';
COMMENT ON COLUMN report_subscription.origin IS 'Who keeps it: the commands, or the Variable restock_report_subscriptions.';
COMMENT ON COLUMN report_subscription.active_since IS 'Periods that were due before are not sent, also after a pause.';
COMMENT ON CONSTRAINT an_ended_report_has_a_time ON report_subscription IS 'ended is an end.';
CREATE UNIQUE INDEX one_report_per_name ON report_subscription (shop_id, name) WHERE state <> 'ended';
COMMENT ON INDEX one_report_per_name IS 'A name means one subscription; an ended one leaves its name free.';

CREATE TABLE report_recipient (
    shop_id text COLLATE "C" NOT NULL,
    recipient_id bigint GENERATED ALWAYS AS IDENTITY,
    report_subscription_id bigint NOT NULL,
    address text NOT NULL,
    address_key text COLLATE "C" NOT NULL,
    ended_at timestamptz,
    end_reason text CHECK (end_reason IN ('unsubscribed', 'invalid_address', 'removed')),
    PRIMARY KEY (shop_id, recipient_id),
    FOREIGN KEY (shop_id, report_subscription_id) REFERENCES report_subscription,
    CONSTRAINT who_gets_no_report_any_more_says_why CHECK ((ended_at IS NULL) = (end_reason IS NULL)),
    CONSTRAINT one_recipient_per_address UNIQUE (shop_id, report_subscription_id, address_key)
);
COMMENT ON TABLE report_recipient IS 'Who gets a report; who unsubscribed stays so, whatever a list says (SEMANTICS 10.2).';
COMMENT ON CONSTRAINT who_gets_no_report_any_more_says_why ON report_recipient IS 'Only removed leads back.';
COMMENT ON CONSTRAINT one_recipient_per_address ON report_recipient IS 'Nobody gets a report twice.';

CREATE TABLE report_run (
    shop_id text COLLATE "C" NOT NULL,
    report_run_id bigint GENERATED ALWAYS AS IDENTITY,
    report_subscription_id bigint NOT NULL,
    first_on date NOT NULL,
    last_on date NOT NULL,
    is_test boolean NOT NULL,
    is_late boolean NOT NULL,
    state text NOT NULL CHECK (state IN ('mailed', 'skipped')),
    reason text CHECK (reason IN ('empty', 'condition', 'no_recipient')),
    mail jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (shop_id, report_run_id),
    FOREIGN KEY (shop_id, report_subscription_id) REFERENCES report_subscription,
    CONSTRAINT what_was_not_mailed_says_why CHECK ((state = 'skipped') = (reason IS NOT NULL)),
    CONSTRAINT a_run_has_days CHECK (first_on <= last_on)
);
COMMENT ON TABLE report_run IS 'What became of a report subscription for a span of days; its messages say who got it.';
COMMENT ON COLUMN report_run.mail IS 'Title, figures and notes as mailed: a message that goes again is the same.';
COMMENT ON CONSTRAINT what_was_not_mailed_says_why ON report_run IS 'skipped(reason).';
COMMENT ON CONSTRAINT a_run_has_days ON report_run IS 'The last day is included.';
CREATE UNIQUE INDEX one_mail_per_period ON report_run (shop_id, report_subscription_id, first_on, last_on)
    WHERE NOT is_test;
COMMENT ON INDEX one_mail_per_period IS 'A retried, cleared or backfilled run mails once (SEMANTICS 9.3).';

CREATE TABLE report_part (
    shop_id text COLLATE "C" NOT NULL,
    report_run_id bigint NOT NULL,
    kind text NOT NULL CHECK (kind IN ('chart', 'csv')),
    file_name text NOT NULL,
    content bytea NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (shop_id, report_run_id, kind),
    FOREIGN KEY (shop_id, report_run_id) REFERENCES report_run
);
COMMENT ON TABLE report_part IS 'Picture and file of a report mail until all its messages have ended.';

ALTER TABLE message
    ADD COLUMN report_run_id bigint,
    ADD COLUMN recipient_id bigint,
    ADD CONSTRAINT a_report_has_a_run_and_a_recipient
        CHECK ((purpose = 'report') = (report_run_id IS NOT NULL AND recipient_id IS NOT NULL));
COMMENT ON CONSTRAINT a_report_has_a_run_and_a_recipient ON message IS 'A report goes to operators, not to shoppers.';
CREATE INDEX message_by_report ON message (shop_id, report_run_id) WHERE report_run_id IS NOT NULL;

CREATE TABLE report_watchdog (
    shop_id text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    amount bigint NOT NULL,
    since_at timestamptz NOT NULL,
    found_at timestamptz NOT NULL,
    detail text NOT NULL,
    PRIMARY KEY (shop_id, kind, subject)
);
COMMENT ON TABLE report_watchdog IS 'What needs a person, as of the last look; see sql/reports/watchdog.sql (SEMANTICS 9.5).';
COMMENT ON COLUMN report_watchdog.since_at IS 'Since when it is so, as far as is known.';
COMMENT ON COLUMN report_watchdog.found_at IS 'When it was first found.';

CREATE TABLE operator_notice (
    subject text COLLATE "C" PRIMARY KEY,
    noticed_at timestamptz NOT NULL
);
COMMENT ON TABLE operator_notice IS 'When operators were last told of something that failed, so that they are not told every minute.';
