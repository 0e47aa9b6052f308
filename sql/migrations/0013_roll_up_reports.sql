-- Reports by day that follow what is new, orders, and who is credited for them (SEMANTICS 9.1, 9.4).

CREATE TABLE order_line (
    shop_id text COLLATE "C" NOT NULL REFERENCES shop,
    order_id text COLLATE "C" NOT NULL,
    line_number integer NOT NULL,
    variant_id text COLLATE "C" NOT NULL,
    profile_id bigint,
    quantity numeric NOT NULL CHECK (quantity > 0),
    amount numeric NOT NULL,
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    ordered_at timestamptz NOT NULL,
    returned_quantity numeric NOT NULL DEFAULT 0,
    returned_amount numeric NOT NULL DEFAULT 0,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (shop_id, order_id, line_number),
    CONSTRAINT no_more_comes_back_than_was_sold CHECK (returned_quantity BETWEEN 0 AND quantity)
);
COMMENT ON TABLE order_line IS 'One line of an order, for attribution (SEMANTICS 9.4); what came back is subtracted.';
COMMENT ON COLUMN order_line.profile_id IS 'Who bought; NULL: nobody whom Restock knows.';
COMMENT ON COLUMN order_line.amount IS 'What the whole line costs, in its currency.';
COMMENT ON CONSTRAINT no_more_comes_back_than_was_sold ON order_line IS 'A return belongs to what was bought.';
CREATE INDEX order_line_by_time ON order_line (shop_id, ordered_at);

CREATE FUNCTION credited_line(
    of_shop text, start_at timestamptz, end_at timestamptz, attribution_days double precision
) RETURNS TABLE (
    order_id text, line_number integer, variant_id text, ordered_at timestamptz, quantity numeric, amount numeric,
    currency text, message_id bigint, sent_at timestamptz
)
LANGUAGE sql STABLE AS $$
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
COMMENT ON FUNCTION credited_line IS
'Order lines of a span with the one alert that each credits (SEMANTICS 9.4); specification:
include/domain/attribution.py.';

CREATE FUNCTION spreadsheet_text(cell text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN left(cell, 1) IN ('=', '+', '-', '@', E'\t', E'\r', E'\n') THEN '''' || cell ELSE cell END
$$;
COMMENT ON FUNCTION spreadsheet_text IS
'A text that no spreadsheet takes for a formula (SEMANTICS 9.2); specification: include/domain/text.py.';

CREATE FUNCTION spreadsheet_time(moment timestamptz) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
$$;
COMMENT ON FUNCTION spreadsheet_time IS 'A moment as ISO 8601 in UTC, to the second.';

-- What the days of a report are read by.
CREATE INDEX subscription_by_time ON subscription (shop_id, subscribed_at);
CREATE INDEX subscription_by_end ON subscription (shop_id, ended_at) WHERE state IN ('skipped', 'cancelled', 'expired');
CREATE INDEX delivery_attempt_by_time ON delivery_attempt (shop_id, attempted_at);
CREATE INDEX suppression_by_time ON suppression (shop_id, suppressed_at);
CREATE INDEX snapshot_by_time ON snapshot (shop_id, observed_at);

CREATE TABLE report_progress (
    shop_id text COLLATE "C" PRIMARY KEY REFERENCES shop,
    basis jsonb NOT NULL,
    read_from timestamptz NOT NULL,
    log_from timestamptz NOT NULL,
    read_after_request bigint NOT NULL,
    log_after_request bigint NOT NULL,
    fence xid8,
    CONSTRAINT what_is_not_read_again_is_logged CHECK (read_from <= log_from)
);
COMMENT ON TABLE report_progress IS
'How far the days of a shop are built. The next build reads again what happened from read_from on; what happened earlier
it must find in report_late. Whoever writes learns of a new log_from only after the commit that set it, so read_from
follows one build later, once every transaction that may not have known it has ended.';
COMMENT ON COLUMN report_progress.basis IS 'What every day was built under; when it changes, all days are built again.';
COMMENT ON COLUMN report_progress.log_from IS 'Who writes what happened before this also writes report_late.';
COMMENT ON COLUMN report_progress.read_after_request IS 'Requests with a higher id are looked at: imports keep their old dates.';
COMMENT ON COLUMN report_progress.fence IS
'Older transactions may not have known log_from; NULL: not known yet which, so none is taken to have ended.';
COMMENT ON CONSTRAINT what_is_not_read_again_is_logged ON report_progress IS 'There is no gap between the two.';

CREATE TABLE report_late (
    shop_id text COLLATE "C" NOT NULL,
    late_id bigint GENERATED ALWAYS AS IDENTITY,
    happened_at timestamptz NOT NULL,
    PRIMARY KEY (shop_id, late_id)
);
COMMENT ON TABLE report_late IS 'Moments whose days were built before this was known of them; emptied by the next build.';

CREATE TABLE report_due (
    report text COLLATE "C" NOT NULL,
    shop_id text COLLATE "C" NOT NULL,
    report_on date NOT NULL,
    PRIMARY KEY (report, shop_id, report_on)
);
COMMENT ON TABLE report_due IS 'Days that a report has still to build; a build that fails leaves them for the next.';

CREATE TABLE report_build (
    report text COLLATE "C" NOT NULL,
    shop_id text COLLATE "C" NOT NULL,
    built_at timestamptz NOT NULL,
    day_count integer NOT NULL,
    row_count bigint NOT NULL,
    PRIMARY KEY (report, shop_id)
);
COMMENT ON TABLE report_build IS 'The last build of each report: when, of how many days, with how many rows.';

CREATE FUNCTION note_late() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format(
        'INSERT INTO report_late (shop_id, happened_at)
         SELECT DISTINCT written.shop_id, date_bin(''15 minutes'', written.%1$I, ''epoch'')
         FROM written
         JOIN report_progress AS progress ON progress.shop_id = written.shop_id
         WHERE written.%1$I < progress.log_from', tg_argv[0]);
    RETURN NULL;
END $$;
COMMENT ON FUNCTION note_late IS
'Logs when written rows happened that lie in days already built, by quarters of an hour, of which every time zone''s days
consist; the argument names their time.';

CREATE TRIGGER late_events AFTER INSERT ON restock_event
REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION note_late('opened_at');
CREATE TRIGGER changed_events AFTER UPDATE ON restock_event
REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION note_late('opened_at');
CREATE TRIGGER removed_events AFTER DELETE ON restock_event
REFERENCING OLD TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION note_late('opened_at');
CREATE TRIGGER late_snapshots AFTER INSERT ON snapshot
REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION note_late('observed_at');
CREATE TRIGGER changed_snapshots AFTER UPDATE ON snapshot
REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION note_late('observed_at');
CREATE TRIGGER late_orders AFTER INSERT ON order_line
REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION note_late('ordered_at');
CREATE TRIGGER changed_orders AFTER UPDATE ON order_line
REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION note_late('ordered_at');
CREATE TRIGGER moved_orders AFTER UPDATE ON order_line
REFERENCING OLD TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION note_late('ordered_at');
CREATE TRIGGER removed_orders AFTER DELETE ON order_line
REFERENCING OLD TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION note_late('ordered_at');

CREATE FUNCTION note_reopened() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO report_late (shop_id, happened_at) VALUES (OLD.shop_id, OLD.ended_at);
    RETURN NULL;
END $$;
CREATE TRIGGER reopened_requests AFTER UPDATE OF ended_at ON subscription
FOR EACH ROW WHEN (OLD.ended_at IS NOT NULL AND NEW.ended_at IS DISTINCT FROM OLD.ended_at)
EXECUTE FUNCTION note_reopened();
COMMENT ON FUNCTION note_reopened IS 'A request that had ended is open again: the day of its end changes (SEMANTICS 1.6).';

DROP TABLE report_activity;
CREATE TABLE report_activity (
    shop_id text COLLATE "C" NOT NULL,
    report_on date NOT NULL,
    variant_id text COLLATE "C" NOT NULL,
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
    revenue numeric NOT NULL,
    PRIMARY KEY (shop_id, report_on, variant_id)
);
CREATE INDEX report_activity_by_variant ON report_activity (shop_id, variant_id, report_on);
COMMENT ON TABLE report_activity IS 'Report: what happened per variant and day; see sql/reports/activity.sql.';

CREATE TABLE report_demand (
    shop_id text COLLATE "C" NOT NULL,
    product_id text COLLATE "C" NOT NULL,
    variant_id text COLLATE "C" NOT NULL,
    waiting_count bigint NOT NULL,
    wanted_units bigint NOT NULL,
    oldest_at timestamptz NOT NULL,
    units bigint NOT NULL,
    price numeric,
    waiting_value numeric,
    buying_percent numeric,
    lost_revenue numeric,
    reorder_units bigint NOT NULL,
    PRIMARY KEY (shop_id, product_id, variant_id)
);
COMMENT ON TABLE report_demand IS 'Report: who waits for what, as of the last build; see sql/reports/demand.sql.';

DROP TABLE report_queue;
CREATE VIEW report_queue AS
SELECT
    subscription.shop_id,
    subscription.variant_id,
    subscription.product_id,
    row_number() OVER (
        PARTITION BY subscription.shop_id, subscription.variant_id,
        CASE WHEN subscription.variant_id IS NULL THEN subscription.product_id END
        ORDER BY subscription.subscribed_at, subscription.subscription_id
    ) AS place,
    subscription.subscription_id,
    subscription.subscribed_at,
    subscription.wanted_quantity,
    array_to_string(subscription.channels, ',') AS channels
FROM subscription
WHERE subscription.state = 'waiting';
COMMENT ON VIEW report_queue IS 'Report: every waiting request with its place, now; see sql/reports/queue.sql.';

DROP TABLE report_batches;
CREATE VIEW report_batches AS
SELECT
    batch.shop_id,
    CAST(batch.decided_at AT TIME ZONE shop.time_zone AS date) AS report_on,
    batch.batch_id,
    batch.decided_at,
    batch.variant_id,
    batch.units,
    batch.observed_at,
    batch.min_inventory,
    coalesce(CAST(batch.customers_per_unit AS text), 'all') AS customers_per_unit,
    batch.wait_minutes,
    batch.waiting_count,
    batch.in_flight_count,
    batch.allowed_count,
    batch.released_count,
    batch.passed_count,
    outcome.sent_count AS notified_count,
    batch.skipped_count + outcome.stopped_count AS skipped_count,
    outcome.first_sent_at,
    outcome.last_sent_at,
    batch.next_release_at
FROM batch
JOIN shop ON shop.shop_id = batch.shop_id
CROSS JOIN LATERAL (
    SELECT
        count(*) FILTER (WHERE message.state = 'sent') AS sent_count,
        count(*) FILTER (WHERE message.state IN ('skipped', 'failed')) AS stopped_count,
        min(message.ended_at) FILTER (WHERE message.state = 'sent') AS first_sent_at,
        max(message.ended_at) FILTER (WHERE message.state = 'sent') AS last_sent_at
    FROM message
    WHERE message.shop_id = batch.shop_id AND message.batch_id = batch.batch_id
) AS outcome
WHERE batch.state = 'released';
COMMENT ON VIEW report_batches IS 'Report: every batch and what became of its people; see sql/reports/batches.sql.';

CREATE TABLE report_skips (
    shop_id text COLLATE "C" NOT NULL,
    report_on date NOT NULL,
    subject text NOT NULL CHECK (subject IN ('request', 'message')),
    outcome text NOT NULL CHECK (outcome IN ('skipped', 'failed')),
    reason text COLLATE "C" NOT NULL,
    channel text COLLATE "C" NOT NULL,
    purpose text COLLATE "C" NOT NULL,
    variant_id text COLLATE "C" NOT NULL,
    skipped_count bigint NOT NULL,
    PRIMARY KEY (shop_id, report_on, subject, outcome, reason, channel, purpose, variant_id)
);
COMMENT ON TABLE report_skips IS 'Report: who and what was not told, by reason; see sql/reports/skips.sql.';

CREATE TABLE report_deliverability (
    shop_id text COLLATE "C" NOT NULL,
    report_on date NOT NULL,
    channel text COLLATE "C" NOT NULL,
    sent_count bigint NOT NULL,
    recorded_count bigint NOT NULL,
    failed_count bigint NOT NULL,
    skipped_count bigint NOT NULL,
    error_count bigint NOT NULL,
    invalid_count bigint NOT NULL,
    unsubscribed_count bigint NOT NULL,
    complaint_count bigint NOT NULL,
    PRIMARY KEY (shop_id, report_on, channel)
);
COMMENT ON TABLE report_deliverability IS 'Report: what became of messages per channel and day; see sql/reports/deliverability.sql.';

CREATE TABLE report_data_quality (
    shop_id text COLLATE "C" NOT NULL,
    report_on date NOT NULL,
    source text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
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
    PRIMARY KEY (shop_id, report_on, source, kind)
);
COMMENT ON TABLE report_data_quality IS 'Report: what was pulled, refused and corrected; see sql/reports/data_quality.sql.';

CREATE VIEW report_restocks AS
SELECT
    event.shop_id,
    CAST(event.opened_at AT TIME ZONE shop.time_zone AS date) AS report_on,
    event.variant_id,
    event.opened_at,
    event.units_before,
    event.units_after,
    told.waiting_count,
    told.batch_count,
    told.notified_count,
    told.first_batch_at,
    told.first_sent_at,
    round(extract(EPOCH FROM told.first_sent_at - event.opened_at) / 60, 1) AS minutes_to_first_message
FROM restock_event AS event
JOIN shop ON shop.shop_id = event.shop_id
LEFT JOIN LATERAL (
    SELECT later.opened_at
    FROM restock_event AS later
    WHERE
        later.shop_id = event.shop_id
        AND later.variant_id = event.variant_id
        AND later.cycle > event.cycle
    ORDER BY later.cycle
    LIMIT 1
) AS next ON true
CROSS JOIN LATERAL (
    SELECT
        (array_agg(batch.waiting_count ORDER BY batch.decided_at, batch.batch_id))[1] AS waiting_count,
        count(*) AS batch_count,
        coalesce(sum(outcome.sent_count), 0) AS notified_count,
        min(batch.decided_at) AS first_batch_at,
        min(outcome.first_sent_at) AS first_sent_at
    FROM batch
    CROSS JOIN LATERAL (
        SELECT
            count(*) AS sent_count,
            min(message.ended_at) AS first_sent_at
        FROM message
        WHERE
            message.shop_id = batch.shop_id
            AND message.batch_id = batch.batch_id
            AND message.state = 'sent'
    ) AS outcome
    WHERE
        batch.shop_id = event.shop_id
        AND batch.variant_id = event.variant_id
        AND batch.state = 'released'
        AND batch.decided_at >= event.opened_at
        AND batch.decided_at < coalesce(next.opened_at, 'infinity')
) AS told;
COMMENT ON VIEW report_restocks IS 'Report: every restock and how soon somebody was told; see sql/reports/restocks.sql.';

CREATE TABLE report_attribution (
    shop_id text COLLATE "C" NOT NULL,
    report_on date NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    line_number integer NOT NULL,
    variant_id text COLLATE "C" NOT NULL,
    ordered_at timestamptz NOT NULL,
    message_id bigint NOT NULL,
    sent_at timestamptz NOT NULL,
    hours_to_order numeric NOT NULL,
    quantity numeric NOT NULL,
    amount numeric NOT NULL,
    currency text NOT NULL,
    attribution_days double precision NOT NULL,
    PRIMARY KEY (shop_id, report_on, order_id, line_number)
);
COMMENT ON TABLE report_attribution IS 'Report: order lines and the alert that each credits; see sql/reports/attribution.sql.';
