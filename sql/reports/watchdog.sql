-- Report: watchdog
-- Title: Watchdog
-- Grain: one row per shop, kind and subject that needs a person, as of the last look.
-- Source: subscription, variant, variant_stock, flow_step, snapshot, channel, message, alert
-- Columns:
--   shop_id    the shop
--   kind       what is wrong: see docs/runbook.md
--   subject    variant, product, snapshot, channel or flow that it is about
--   amount     people, messages or snapshots that it concerns
--   since_at   time: since when it is so, as far as is known
--   found_at   time: first found
--   detail     what to do

-- name: find
-- What needs a person at this moment (SEMANTICS 9.5); one row per shop, kind and subject.
WITH waiting AS MATERIALIZED (
    SELECT
        shop_id,
        variant_id,
        CASE WHEN variant_id IS NULL THEN product_id END AS product_id,
        count(*) AS people,
        min(subscribed_at) AS oldest_at
    FROM subscription
    WHERE state = 'waiting'
    GROUP BY 1, 2, 3
),

per_item AS (
    SELECT
        shop_id,
        variant_id,
        product_id,
        coalesce(variant_id, 'any variant of ' || product_id) AS subject,
        people,
        oldest_at
    FROM waiting
),

of_product AS (
    SELECT
        per_item.shop_id,
        per_item.subject,
        per_item.people,
        per_item.oldest_at,
        bool_or(variant.is_published) AS is_published,
        bool_or(variant.is_published AND variant.is_tracked) AS is_tracked
    FROM per_item
    JOIN variant ON variant.shop_id = per_item.shop_id AND variant.product_id = per_item.product_id
    WHERE per_item.variant_id IS NULL
    GROUP BY per_item.shop_id, per_item.subject, per_item.people, per_item.oldest_at
),

found AS (
    SELECT
        per_item.shop_id,
        'unmatched_variant' AS kind,
        per_item.subject,
        per_item.people AS amount,
        per_item.oldest_at AS since_at,
        'No catalog row has this id. Correct it in the shop or the import; nobody is told until it is known.' AS detail
    FROM per_item
    WHERE CASE
        WHEN per_item.variant_id IS NULL THEN NOT EXISTS (
            SELECT 1
            FROM variant
            WHERE variant.shop_id = per_item.shop_id AND variant.product_id = per_item.product_id
        )
        ELSE NOT EXISTS (
            SELECT 1
            FROM variant
            WHERE variant.shop_id = per_item.shop_id AND variant.variant_id = per_item.variant_id
        )
    END
    UNION ALL
    SELECT
        per_item.shop_id,
        'discontinued_with_waiting',
        per_item.subject,
        per_item.people,
        per_item.oldest_at,
        'Not published any more, and people wait. Publish it again, or cancel their requests.'
    FROM per_item
    JOIN variant ON variant.shop_id = per_item.shop_id AND variant.variant_id = per_item.variant_id
    WHERE NOT variant.is_published
    UNION ALL
    SELECT
        per_item.shop_id,
        'stock_not_tracked',
        per_item.subject,
        per_item.people,
        per_item.oldest_at,
        'The shop does not track its stock, so it never restocks. Track it, or cancel the requests.'
    FROM per_item
    JOIN variant ON variant.shop_id = per_item.shop_id AND variant.variant_id = per_item.variant_id
    WHERE variant.is_published AND NOT variant.is_tracked
    UNION ALL
    SELECT
        of_product.shop_id,
        'discontinued_with_waiting',
        of_product.subject,
        of_product.people,
        of_product.oldest_at,
        'None of its variants is published any more, and people wait. Publish one again, or cancel their requests.'
    FROM of_product
    WHERE NOT of_product.is_published
    UNION ALL
    SELECT
        of_product.shop_id,
        'stock_not_tracked',
        of_product.subject,
        of_product.people,
        of_product.oldest_at,
        'The shop tracks the stock of none of its variants, so it never restocks. Track it, or cancel the requests.'
    FROM of_product
    WHERE of_product.is_published AND NOT of_product.is_tracked
    UNION ALL
    SELECT
        per_item.shop_id,
        'long_waiting_list',
        per_item.subject,
        per_item.people,
        per_item.oldest_at,
        'More people wait than restock_watchdog_waiting_above allows. Reorder, or raise the limit.'
    FROM per_item
    WHERE per_item.people > CAST(:waiting_above AS bigint)
    UNION ALL
    SELECT
        waiting.shop_id,
        'no_live_message',
        'back_in_stock',
        sum(waiting.people),
        min(waiting.oldest_at),
        'People wait and no back-in-stock flow has a live or manual message: set one live.'
    FROM waiting
    WHERE NOT EXISTS (
        SELECT 1
        FROM flow
        JOIN flow_step ON flow_step.flow_name = flow.flow_name
        WHERE
            flow.is_registered
            AND flow.purpose = 'back_in_stock'
            AND NOT flow_step.is_deleted
            AND flow_step.status IN ('live', 'manual')
    )
    GROUP BY waiting.shop_id
    UNION ALL
    SELECT
        shop.shop_id,
        'stale_stock',
        'stock',
        0,
        newest.observed_at,
        'The newest complete pull is older than max_stock_age: nobody is told. See the Dag catalog_sync.'
    FROM shop
    CROSS JOIN LATERAL (
        SELECT max(snapshot.observed_at) AS observed_at
        FROM snapshot
        WHERE snapshot.shop_id = shop.shop_id AND NOT snapshot.is_delivery AND snapshot.state = 'complete'
    ) AS newest
    WHERE newest.observed_at < CAST(:now AS timestamptz) - shop.max_stock_age
    UNION ALL
    SELECT
        refused.shop_id,
        'rejected_snapshot',
        CAST(max(refused.snapshot_id) AS text),
        count(*),
        min(refused.observed_at),
        'Refused since the last good pull: `restock snapshots list` says why, `restock snapshots accept` takes it.'
    FROM snapshot AS refused
    WHERE
        refused.state = 'rejected'
        AND NOT EXISTS (
            SELECT 1
            FROM snapshot AS later
            WHERE
                later.shop_id = refused.shop_id
                AND later.kind = 'full'
                AND later.state = 'complete'
                AND later.observed_at > refused.observed_at
        )
    GROUP BY refused.shop_id
    UNION ALL
    SELECT
        queued.shop_id,
        'paused_channel',
        channel.channel,
        queued.messages,
        channel.paused_at,
        'Paused: ' || channel.pause_reason || '. Messages wait: `restock channels resume ' || channel.channel || '`.'
    FROM channel
    CROSS JOIN LATERAL (
        SELECT
            shop.shop_id,
            count(message.message_id) AS messages
        FROM shop
        LEFT JOIN message
            ON message.shop_id = shop.shop_id AND message.channel = channel.channel AND message.state = 'queued'
        GROUP BY shop.shop_id
    ) AS queued
    WHERE channel.paused_at IS NOT NULL
    UNION ALL
    SELECT
        message.shop_id,
        'message_in_doubt',
        message.channel,
        count(*),
        min(message.due_at),
        'Nobody knows whether these were sent: `restock messages doubts` lists them.'
    FROM message
    WHERE message.state = 'held' AND message.reason = 'in_doubt'
    GROUP BY
        message.shop_id,
        message.channel
),

gone AS (
    DELETE FROM report_watchdog
    WHERE NOT EXISTS (
        SELECT 1
        FROM found
        WHERE
            found.shop_id = report_watchdog.shop_id
            AND found.kind = report_watchdog.kind
            AND found.subject = report_watchdog.subject
    )
)

INSERT INTO report_watchdog (shop_id, kind, subject, amount, since_at, found_at, detail)
SELECT
    shop_id,
    kind,
    subject,
    amount,
    since_at,
    :now,
    detail
FROM found
ORDER BY
    shop_id,
    kind,
    subject
ON CONFLICT (shop_id, kind, subject) DO UPDATE
    SET
        amount = excluded.amount,
        since_at = excluded.since_at,
        detail = excluded.detail
RETURNING
    kind,
    xmax = 0 AS is_new;

-- name: select_days
-- What needs a person, in the order in which it is exported; it is of the last look, whatever days are asked for.
SELECT
    shop_id,
    kind,
    subject,
    amount,
    since_at,
    found_at,
    detail
FROM report_watchdog
WHERE shop_id = :shop_id
ORDER BY
    kind,
    subject;
