-- Dispatch under load and after crashes: doubts, rate limits, pauses by people, alerts (SEMANTICS 6.3, 6.5, 9.5).

ALTER TABLE message
    ADD COLUMN parked_domain text COLLATE "C",
    DROP CONSTRAINT message_state_check,
    ADD CONSTRAINT message_state_check
        CHECK (state IN ('queued', 'sending', 'held', 'sent', 'failed', 'skipped')),
    DROP CONSTRAINT what_was_not_sent_says_why,
    ADD CONSTRAINT what_was_not_sent_says_why
        CHECK (state NOT IN ('failed', 'skipped', 'held') OR reason IS NOT NULL),
    ADD CONSTRAINT what_is_parked_waits_for_a_token
        CHECK (parked_domain IS NULL OR (state = 'queued' AND reason = 'rate_limit'));
COMMENT ON TABLE message IS
'The outbox: queued -> sending -> sent | failed | skipped; sending -> held waits for a person (SEMANTICS 6.1-6.3).';
COMMENT ON COLUMN message.parked_domain IS
'Set: waits, in its old order, until the limit of this recipient domain has room; its due_at is over.';

DROP INDEX message_queue;
DROP INDEX message_due;
CREATE INDEX message_queue ON message (channel, priority, due_at, message_id)
    WHERE state = 'queued' AND parked_domain IS NULL;
CREATE INDEX message_due ON message (channel, due_at) WHERE state = 'queued' AND parked_domain IS NULL;
CREATE INDEX message_parked ON message (channel, parked_domain, priority, due_at, message_id)
    WHERE parked_domain IS NOT NULL;
CREATE INDEX message_held ON message (shop_id, message_id) WHERE state = 'held';
CREATE INDEX message_sending ON message (shop_id, profile_id, channel, message_id) WHERE state = 'sending';
CREATE INDEX snapshot_refused ON snapshot (shop_id, observed_at) WHERE state = 'rejected';

CREATE TABLE send_rate (
    channel text NOT NULL REFERENCES channel,
    domain text COLLATE "C" NOT NULL,
    per_second double precision NOT NULL CHECK (per_second > 0),
    empty_at timestamptz NOT NULL,
    taken_count integer NOT NULL CHECK (taken_count >= 0),
    PRIMARY KEY (channel, domain)
) WITH (fillfactor = 50);
COMMENT ON TABLE send_rate IS 'Token buckets that all lanes of all machines share; domain '''' is the whole channel.';
COMMENT ON COLUMN send_rate.empty_at IS
'When the bucket was last empty: it holds (now - empty_at) * per_second tokens, up to its size.';
COMMENT ON COLUMN send_rate.taken_count IS 'What the last taking was granted.';

CREATE FUNCTION bucket_size(per_second double precision, burst_seconds double precision) RETURNS double precision
LANGUAGE sql IMMUTABLE AS $$
    SELECT greatest(1, per_second * burst_seconds)
$$;

CREATE FUNCTION tokens_in(
    empty_at timestamptz, per_second double precision, burst_seconds double precision, at_time timestamptz
) RETURNS integer
LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT CAST(greatest(0, floor(0.001 + least(
        bucket_size(per_second, burst_seconds), extract(EPOCH FROM at_time - empty_at) * per_second
    ))) AS integer)
$$;
COMMENT ON FUNCTION tokens_in IS 'Whole tokens in a bucket; it never holds more than its size, which is one at least.';

ALTER TABLE channel
    ADD COLUMN refused_addresses integer NOT NULL DEFAULT 0,
    ADD COLUMN probe_count integer NOT NULL DEFAULT 0,
    DROP CONSTRAINT a_paused_channel_says_why_and_when_it_probes,
    ADD CONSTRAINT a_paused_channel_says_why CHECK ((paused_at IS NULL) = (pause_reason IS NULL)),
    ADD CONSTRAINT only_a_paused_channel_probes CHECK (probe_at IS NULL OR paused_at IS NOT NULL);
COMMENT ON COLUMN channel.refused_addresses IS 'Refused addresses in a row; many mean that the provider errs, not the people.';
COMMENT ON COLUMN channel.probe_at IS 'When a paused channel tries one message; NULL while paused: only a person resumes it.';

CREATE TABLE alert (
    alert_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    subject text NOT NULL,
    detail text NOT NULL,
    raised_at timestamptz NOT NULL,
    ended_at timestamptz
);
COMMENT ON TABLE alert IS 'What a person should look at; detail holds no address (SEMANTICS 6.5, 9.5).';
CREATE UNIQUE INDEX one_open_alert_per_subject ON alert (kind, subject) WHERE ended_at IS NULL;

CREATE OR REPLACE VIEW due_time AS
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
        (
            SELECT min(message.due_at)
            FROM message
            WHERE
                message.channel = channel.channel
                AND message.state = 'queued'
                AND message.parked_domain IS NULL
        ),
        (
            SELECT min(send_rate.empty_at + make_interval(secs => 1 / send_rate.per_second))
            FROM send_rate
            WHERE send_rate.channel = channel.channel AND EXISTS (
                SELECT 1
                FROM message
                WHERE
                    message.channel = send_rate.channel
                    AND message.parked_domain = send_rate.domain
            )
        ),
        (SELECT min(lease_until) FROM message WHERE state = 'sending')
    ) AS due_at
) AS earliest
WHERE earliest.due_at IS NOT NULL AND (channel.paused_at IS NULL OR channel.probe_at IS NOT NULL);
