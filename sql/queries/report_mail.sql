-- name: find_shop
-- What a report subscription takes from its shop.
SELECT
    shop_id,
    name,
    time_zone
FROM shop
WHERE shop_id = :shop_id;

-- name: list_subscriptions
-- Report subscriptions that have not ended, of one shop or all.
SELECT
    subscription.shop_id,
    subscription.report_subscription_id,
    subscription.name,
    subscription.report,
    subscription.frequency,
    subscription.send_at,
    coalesce(subscription.time_zone, shop.time_zone) AS time_zone,
    subscription.time_zone AS own_time_zone,
    subscription.condition,
    subscription.attachment,
    subscription.has_chart,
    subscription.skips_empty,
    subscription.origin,
    subscription.state,
    subscription.active_since,
    shop.name AS shop_name,
    shop.time_zone AS shop_time_zone,
    shop.currency,
    (
        SELECT count(*)
        FROM report_recipient AS recipient
        WHERE
            recipient.shop_id = subscription.shop_id
            AND recipient.report_subscription_id = subscription.report_subscription_id
            AND recipient.ended_at IS NULL
    ) AS recipient_count
FROM report_subscription AS subscription
JOIN shop ON shop.shop_id = subscription.shop_id
WHERE
    subscription.state <> 'ended'
    AND (CAST(:shop_id AS text) IS NULL OR subscription.shop_id = :shop_id)
ORDER BY subscription.shop_id, subscription.name;

-- name: lock_subscriptions
-- Whoever changes the subscriptions of a shop waits for the other.
SELECT pg_advisory_xact_lock(hashtextextended('restock.report_subscription.' || CAST(:shop_id AS text), 0));

-- name: insert_subscription
-- A new report subscription.
INSERT INTO report_subscription (
    shop_id, name, report, frequency, send_at, time_zone, condition, attachment, has_chart, skips_empty, origin,
    state, active_since, created_at
)
VALUES (
    :shop_id, :name, :report, :frequency, :send_at, :time_zone, :condition, :attachment, :has_chart, :skips_empty,
    :origin, 'active', :now, :now
)
RETURNING report_subscription_id;

-- name: update_subscription
-- The same subscription, described anew; its history stays. A new frequency begins with the next period that comes due.
UPDATE report_subscription
SET
    active_since = CASE WHEN frequency = :frequency THEN active_since ELSE CAST(:now AS timestamptz) END,
    report = :report,
    frequency = :frequency,
    send_at = :send_at,
    time_zone = :time_zone,
    condition = :condition,
    attachment = :attachment,
    has_chart = :has_chart,
    skips_empty = :skips_empty
WHERE shop_id = :shop_id AND report_subscription_id = :report_subscription_id
RETURNING report_subscription_id;

-- name: pause_subscription
-- Nothing is mailed until it is resumed.
UPDATE report_subscription
SET state = 'paused'
WHERE shop_id = :shop_id AND report_subscription_id = :report_subscription_id AND state = 'active';

-- name: resume_subscription
-- Mailed again, from the next period that comes due.
UPDATE report_subscription
SET
    state = 'active',
    active_since = :now
WHERE shop_id = :shop_id AND report_subscription_id = :report_subscription_id AND state = 'paused';

-- name: end_subscription
-- Nothing more of it is mailed; its history stays.
UPDATE report_subscription
SET
    state = 'ended',
    ended_at = :now
WHERE shop_id = :shop_id AND report_subscription_id = :report_subscription_id AND state <> 'ended';

-- name: cancel_mails
-- What is still queued of a subscription does not leave.
UPDATE message
SET
    state = 'skipped',
    reason = 'cancelled',
    parked_domain = NULL,
    ended_at = :now
FROM report_run AS run
WHERE
    run.shop_id = :shop_id
    AND run.report_subscription_id = :report_subscription_id
    AND message.shop_id = run.shop_id
    AND message.report_run_id = run.report_run_id
    AND message.state IN ('queued', 'held');

-- name: add_recipients
-- Recipients as listed; one that was removed is back, one that unsubscribed or does not exist is not.
INSERT INTO report_recipient (shop_id, report_subscription_id, address, address_key)
SELECT
    :shop_id,
    :report_subscription_id,
    listed.address,
    listed.address_key
FROM unnest(CAST(:addresses AS text[]), CAST(:address_keys AS text[])) WITH ORDINALITY
    AS listed (address, address_key, place)
ORDER BY listed.place
ON CONFLICT (shop_id, report_subscription_id, address_key) DO UPDATE
    SET
        ended_at = NULL,
        end_reason = NULL
    WHERE report_recipient.end_reason = 'removed';

-- name: remove_recipients
-- Recipients that are listed no more.
UPDATE report_recipient
SET
    ended_at = :now,
    end_reason = 'removed'
WHERE
    shop_id = :shop_id
    AND report_subscription_id = :report_subscription_id
    AND ended_at IS NULL
    AND NOT address_key = ANY (CAST(:address_keys AS text[]));

-- name: list_recipients
-- Who is listed for a report and still gets it, or why not.
SELECT
    recipient_id,
    address,
    address_key,
    end_reason
FROM report_recipient
WHERE shop_id = :shop_id AND report_subscription_id = :report_subscription_id
ORDER BY recipient_id;

-- name: end_recipient
-- By the recipient's own link.
UPDATE report_recipient
SET
    ended_at = :now,
    end_reason = 'unsubscribed'
WHERE shop_id = :shop_id AND recipient_id = :recipient_id AND end_reason IS DISTINCT FROM 'unsubscribed'
RETURNING recipient_id;

-- name: refuse_recipients
-- The addresses of some report messages do not exist, or want no more.
UPDATE report_recipient AS recipient
SET
    ended_at = :now,
    end_reason = :reason
FROM unnest(CAST(:shop_ids AS text[]), CAST(:message_ids AS bigint[])) AS refused (shop_id, message_id)
JOIN message ON message.shop_id = refused.shop_id AND message.message_id = refused.message_id
WHERE
    recipient.shop_id = message.shop_id
    AND recipient.recipient_id = message.recipient_id
    AND recipient.ended_at IS NULL;

-- name: is_mailed
-- Whether a period was mailed, or skipped for good.
SELECT EXISTS (
    SELECT 1
    FROM report_run
    WHERE
        shop_id = :shop_id
        AND report_subscription_id = :report_subscription_id
        AND first_on = :first_on
        AND last_on = :last_on
        AND NOT is_test
);

-- name: insert_run
-- One run per subscription and period; nothing is returned where there was one (SEMANTICS 9.3).
INSERT INTO report_run (
    shop_id, report_subscription_id, first_on, last_on, is_test, is_late, state, reason, mail, created_at
)
VALUES (
    :shop_id, :report_subscription_id, :first_on, :last_on, :is_test, :is_late, :state, :reason,
    CAST(:mail AS jsonb), :now
)
ON CONFLICT (shop_id, report_subscription_id, first_on, last_on) WHERE NOT is_test DO NOTHING
RETURNING report_run_id;

-- name: insert_part
-- A picture or file of a report mail.
INSERT INTO report_part (shop_id, report_run_id, kind, file_name, content, created_at)
VALUES (:shop_id, :report_run_id, :kind, :file_name, :content, :now);

-- name: insert_messages
-- A message per recipient, in the transaction that decided it (SEMANTICS 6.1).
INSERT INTO message (
    shop_id, message_key, channel, purpose, priority, report_run_id, recipient_id, template, state, due_at, created_at
)
SELECT
    recipient.shop_id,
    CAST(:key_start AS text) || ':' || recipient.recipient_id,
    'EMAIL',
    'report',
    :priority,
    :report_run_id,
    recipient.recipient_id,
    'report',
    'queued',
    :now,
    :now
FROM report_recipient AS recipient
WHERE recipient.shop_id = :shop_id AND recipient.recipient_id = ANY (CAST(:recipient_ids AS bigint[]))
ORDER BY recipient.recipient_id
ON CONFLICT (shop_id, message_key) DO NOTHING
RETURNING message_id;

-- name: find_run
-- What a report mail says.
SELECT mail
FROM report_run
WHERE shop_id = :shop_id AND report_run_id = :report_run_id;

-- name: list_parts
-- What a report mail carries.
SELECT
    kind,
    file_name,
    content
FROM report_part
WHERE shop_id = :shop_id AND report_run_id = :report_run_id
ORDER BY kind;

-- name: list_runs
-- The history of a subscription, newest first, with what became of the messages.
SELECT
    run.report_run_id,
    run.first_on,
    run.last_on,
    run.is_test,
    run.is_late,
    run.state,
    run.reason,
    run.created_at,
    count(message.message_id) FILTER (WHERE message.state = 'sent') AS sent_count,
    count(message.message_id) FILTER (WHERE message.state IN ('queued', 'sending', 'held')) AS open_count,
    count(message.message_id) FILTER (WHERE message.state IN ('failed', 'skipped')) AS unsent_count
FROM report_run AS run
LEFT JOIN message ON message.shop_id = run.shop_id AND message.report_run_id = run.report_run_id
WHERE run.shop_id = :shop_id AND run.report_subscription_id = :report_subscription_id
GROUP BY run.shop_id, run.report_run_id
ORDER BY run.report_run_id DESC
LIMIT :most;

-- name: drop_parts
-- Pictures and files of mails that have ended are in the mailboxes and the exports.
DELETE FROM report_part
WHERE
    created_at < :before
    AND NOT EXISTS (
        SELECT 1
        FROM message
        WHERE
            message.shop_id = report_part.shop_id
            AND message.report_run_id = report_part.report_run_id
            AND message.state IN ('queued', 'sending', 'held')
    );
