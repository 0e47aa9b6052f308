-- Everything that leaves is a row here first (SEMANTICS 6).

CREATE TABLE channel (
    channel text PRIMARY KEY CHECK (channel IN ('EMAIL', 'SMS')),
    consecutive_errors integer NOT NULL DEFAULT 0,
    paused_at timestamptz,
    pause_reason text,
    probe_at timestamptz,
    CONSTRAINT a_paused_channel_says_why_and_when_it_probes
        CHECK ((paused_at IS NULL) = (pause_reason IS NULL) AND (paused_at IS NULL) = (probe_at IS NULL))
);
INSERT INTO channel (channel) VALUES ('EMAIL'), ('SMS');

CREATE TABLE message (
    shop_id text COLLATE "C" NOT NULL,
    message_id bigint GENERATED ALWAYS AS IDENTITY,
    message_key text COLLATE "C" NOT NULL,
    channel text NOT NULL REFERENCES channel,
    purpose text NOT NULL CHECK (purpose IN ('back_in_stock', 'transactional', 'marketing', 'report')),
    priority smallint NOT NULL DEFAULT 5,
    profile_id bigint,
    subscription_id bigint,
    enrolment_id bigint,
    batch_id bigint,
    variant_id text COLLATE "C",
    flow_name text COLLATE "C",
    step_id text COLLATE "C",
    template text NOT NULL,
    state text NOT NULL CHECK (state IN ('queued', 'sending', 'sent', 'failed', 'skipped')),
    reason text,
    due_at timestamptz NOT NULL,
    lease_until timestamptz,
    lane text,
    attempt_count integer NOT NULL DEFAULT 0,
    is_recorded_only boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (shop_id, message_id),
    CONSTRAINT a_key_is_a_sentence_said_once UNIQUE (shop_id, message_key),
    CONSTRAINT what_is_sending_has_a_lease CHECK ((state = 'sending') = (lease_until IS NOT NULL AND lane IS NOT NULL)),
    CONSTRAINT what_ended_has_a_time CHECK ((state IN ('sent', 'failed', 'skipped')) = (ended_at IS NOT NULL)),
    CONSTRAINT what_was_not_sent_says_why CHECK (state NOT IN ('failed', 'skipped') OR reason IS NOT NULL)
) WITH (fillfactor = 80);
COMMENT ON TABLE message IS 'The outbox: queued -> sending -> sent | failed | skipped (SEMANTICS 6.1, 6.2).';
COMMENT ON COLUMN message.reason IS 'Why it was skipped or failed, or what a queued one waits for (SEMANTICS 5).';
CREATE INDEX message_queue ON message (channel, priority, due_at, message_id) WHERE state = 'queued';
CREATE INDEX message_due ON message (channel, due_at) WHERE state = 'queued';
CREATE INDEX message_leased ON message (lease_until) WHERE state = 'sending';
CREATE INDEX message_by_subscription ON message (shop_id, subscription_id) WHERE subscription_id IS NOT NULL;
CREATE INDEX message_by_person ON message (shop_id, profile_id, channel, ended_at) WHERE state = 'sent';
CREATE INDEX message_waiting_for_stock ON message (shop_id) WHERE state = 'queued' AND reason = 'stale_stock';
CREATE INDEX message_by_batch ON message (shop_id, batch_id) WHERE batch_id IS NOT NULL;
CREATE INDEX message_by_end ON message (shop_id, ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE delivery_attempt (
    shop_id text COLLATE "C" NOT NULL,
    message_id bigint NOT NULL,
    attempt_number integer NOT NULL,
    attempted_at timestamptz NOT NULL,
    outcome text NOT NULL,
    code text,
    detail text,
    PRIMARY KEY (shop_id, message_id, attempt_number)
);
COMMENT ON TABLE delivery_attempt IS 'Attempts that did not end in a sent message; detail holds no address.';

CREATE VIEW due_time AS
SELECT 'release' AS target, min(next_check_at) AS due_at
FROM variant_stock
WHERE next_check_at IS NOT NULL
UNION ALL
SELECT 'flow:' || flow.flow_name, earliest.due_at
FROM flow
CROSS JOIN LATERAL (
    SELECT min(enrolment.due_at) AS due_at
    FROM enrolment
    WHERE enrolment.flow_name = flow.flow_name AND enrolment.state = 'active'
) AS earliest
UNION ALL
SELECT 'dispatch', min(greatest(earliest.due_at, channel.probe_at))
FROM channel
CROSS JOIN LATERAL (
    SELECT least(
        (SELECT min(due_at) FROM message WHERE message.channel = channel.channel AND state = 'queued'),
        (SELECT min(lease_until) FROM message WHERE state = 'sending')
    ) AS due_at
) AS earliest
WHERE earliest.due_at IS NOT NULL;
COMMENT ON VIEW due_time IS 'When each Dag that is woken has something to do; NULL: nothing.';
