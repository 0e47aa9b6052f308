-- name: keep_key
-- What a shop's platform signs its webhooks with.
INSERT INTO webhook_key (shop_id, secret, stored_at)
VALUES (:shop_id, :secret, :now)
ON CONFLICT (shop_id) DO UPDATE
    SET secret = excluded.secret, stored_at = excluded.stored_at
    WHERE webhook_key.secret <> excluded.secret;

-- name: drop_key
-- The shop's Connection holds no secret any more.
DELETE FROM webhook_key WHERE shop_id = :shop_id;

-- name: find_key
-- What a shop's platform signs its webhooks with, and how it names the store.
SELECT
    webhook_key.secret,
    shop.store_domain
FROM webhook_key
JOIN shop ON shop.shop_id = webhook_key.shop_id
WHERE webhook_key.shop_id = :shop_id;

-- name: keep_deliveries
-- Store what came, each id once; the trigger is told where nothing was waiting yet.
WITH arrived AS (
    INSERT INTO webhook_delivery (shop_id, webhook_id, topic, said, occurred_at, received_at)
    SELECT DISTINCT ON (came.webhook_id)
        :shop_id,
        came.webhook_id,
        came.topic,
        came.said,
        came.occurred_at,
        :now
    FROM jsonb_to_recordset(CAST(:deliveries AS jsonb))
        AS came (webhook_id text, topic text, said jsonb, occurred_at timestamptz)
    ORDER BY came.webhook_id, came.occurred_at
    ON CONFLICT (shop_id, webhook_id) DO NOTHING
    RETURNING webhook_id
),

woken AS (
    SELECT pg_notify('restock_due', 'webhooks')
    WHERE EXISTS (SELECT 1 FROM arrived) AND NOT EXISTS (
        SELECT 1
        FROM webhook_delivery AS waiting
        WHERE waiting.shop_id = :shop_id AND waiting.applied_at IS NULL
    )
)

SELECT arrived.webhook_id
FROM arrived
LEFT JOIN woken ON true
ORDER BY arrived.webhook_id;

-- name: list_waiting_shops
-- Shops with deliveries to apply.
SELECT DISTINCT shop_id
FROM webhook_delivery
WHERE applied_at IS NULL
ORDER BY shop_id;

-- name: find_last_of_batch
-- Up to which delivery the next batch reaches; NULL: nothing waits.
SELECT max(waiting.delivery_id)
FROM (
    SELECT delivery_id
    FROM webhook_delivery
    WHERE shop_id = :shop_id AND applied_at IS NULL
    ORDER BY delivery_id
    LIMIT :row_limit
) AS waiting;

-- name: find_moment
-- The moment of a batch: now, or just after the newest snapshot, so that what it says is later than what that said.
SELECT greatest(CAST(:now AS timestamptz), max(observed_at) + interval '1 microsecond')
FROM snapshot
WHERE shop_id = :shop_id AND detected_at IS NOT NULL AND observed_at >= :now;

-- name: stage_deliveries
-- Put what a batch tells into the stage, and mark it applied. Of a level and of a variant only the newest words count,
-- and only where they are newer than what was reported before and than the newest pull (SEMANTICS 2.2).
WITH taken AS (
    SELECT
        delivery_id,
        said,
        occurred_at
    FROM webhook_delivery
    WHERE shop_id = :shop_id AND applied_at IS NULL AND delivery_id <= :last_id
),

pulled AS (
    SELECT coalesce(max(snapshot.observed_at), '-infinity') AS pulled_at
    FROM snapshot
    WHERE snapshot.shop_id = :shop_id AND snapshot.detected_at IS NOT NULL AND NOT snapshot.is_delivery
),

told_level AS (
    SELECT
        taken.delivery_id,
        taken.occurred_at,
        variant.variant_id,
        level.location AS location_id,
        level.available
    FROM taken
    CROSS JOIN LATERAL
        jsonb_to_recordset(taken.said -> 'levels') AS level (item text, location text, available numeric)
    JOIN variant ON variant.shop_id = :shop_id AND variant.inventory_item_id = level.item
    WHERE taken.said ? 'levels'
    UNION ALL
    SELECT
        taken.delivery_id,
        taken.occurred_at,
        total.variant,
        only_level.location_id,
        total.available
    FROM taken
    CROSS JOIN LATERAL jsonb_to_recordset(taken.said -> 'totals') AS total (variant text, available numeric)
    JOIN LATERAL (
        SELECT min(level.location_id) AS location_id
        FROM stock_level AS level
        WHERE level.shop_id = :shop_id AND level.variant_id = total.variant
        HAVING count(*) = 1
    ) AS only_level ON true
    WHERE taken.said ? 'totals'
),

level_news AS (
    SELECT DISTINCT ON (told_level.variant_id, told_level.location_id)
        told_level.delivery_id,
        told_level.occurred_at,
        told_level.variant_id,
        told_level.location_id,
        told_level.available
    FROM told_level
    CROSS JOIN pulled
    LEFT JOIN stock_report AS report
        ON
            report.shop_id = :shop_id
            AND report.variant_id = told_level.variant_id
            AND report.location_id = told_level.location_id
    WHERE
        told_level.occurred_at > pulled.pulled_at
        AND (report.reported_at IS NULL OR told_level.occurred_at >= report.reported_at)
    ORDER BY
        told_level.variant_id, told_level.location_id, told_level.occurred_at DESC, told_level.delivery_id DESC
),

told_fact AS (
    SELECT
        taken.delivery_id,
        taken.occurred_at,
        fact.variant AS variant_id,
        fact.title,
        fact.image_url,
        fact.price,
        fact.compare_at_price,
        fact.is_active AND (fact.is_on_store OR NOT CAST(:needs_store AS boolean)) AS is_published,
        fact.continue_selling,
        false AS is_deletion
    FROM taken
    CROSS JOIN LATERAL jsonb_to_recordset(taken.said -> 'variants') AS fact (
        variant text, title text, image_url text, price numeric, compare_at_price numeric, is_active boolean,
        is_on_store boolean, continue_selling boolean
    )
    WHERE taken.said ? 'variants'
    UNION ALL
    SELECT
        taken.delivery_id,
        taken.occurred_at,
        variant.variant_id,
        NULL,
        NULL,
        NULL,
        NULL,
        false,
        NULL,
        true
    FROM taken
    JOIN variant ON variant.shop_id = :shop_id AND variant.product_id = taken.said ->> 'deleted_product'
    WHERE taken.said ? 'deleted_product'
),

fact_news AS (
    SELECT DISTINCT ON (told_fact.variant_id) told_fact.*
    FROM told_fact
    JOIN variant ON variant.shop_id = :shop_id AND variant.variant_id = told_fact.variant_id
    CROSS JOIN pulled
    WHERE
        told_fact.occurred_at > pulled.pulled_at
        AND (variant.reported_at IS NULL OR told_fact.occurred_at >= variant.reported_at)
    ORDER BY told_fact.variant_id, told_fact.occurred_at DESC, told_fact.is_deletion DESC, told_fact.delivery_id DESC
),

told AS (
    SELECT
        variant_id,
        location_id,
        available AS quantity,
        occurred_at AS reported_at
    FROM level_news
    UNION ALL
    SELECT
        level.variant_id,
        level.location_id,
        level.quantity,
        NULL
    FROM fact_news
    JOIN stock_level AS level
        ON level.shop_id = :shop_id AND level.variant_id = fact_news.variant_id
    WHERE NOT EXISTS (
        SELECT 1
        FROM level_news
        WHERE level_news.variant_id = level.variant_id AND level_news.location_id = level.location_id
    )
),

staged AS (
    INSERT INTO staged_row (
        snapshot_id, line_number, variant_id, location_id, quantity, product_id, title, url, image_url, price,
        compare_at_price, collections, is_published, is_tracked, continue_selling, inventory_item_id, reported_at
    )
    SELECT
        :snapshot_id,
        row_number() OVER (ORDER BY told.variant_id, told.location_id),
        told.variant_id,
        told.location_id,
        told.quantity,
        variant.product_id,
        coalesce(fact_news.title, variant.title),
        variant.url,
        coalesce(fact_news.image_url, variant.image_url),
        coalesce(fact_news.price, variant.price),
        CASE
            WHEN fact_news.variant_id IS NULL OR fact_news.is_deletion THEN variant.compare_at_price
            ELSE fact_news.compare_at_price
        END,
        variant.collections,
        coalesce(fact_news.is_published, variant.is_published),
        variant.is_tracked,
        coalesce(fact_news.continue_selling, variant.continue_selling),
        variant.inventory_item_id,
        told.reported_at
    FROM told
    JOIN variant ON variant.shop_id = :shop_id AND variant.variant_id = told.variant_id
    LEFT JOIN fact_news ON fact_news.variant_id = told.variant_id
),

dated AS (
    UPDATE variant
    SET reported_at = fact_news.occurred_at
    FROM fact_news
    WHERE variant.shop_id = :shop_id AND variant.variant_id = fact_news.variant_id
),

news AS (
    SELECT
        counted.delivery_id,
        count(*) AS news_count
    FROM (
        SELECT delivery_id FROM level_news
        UNION ALL
        SELECT delivery_id FROM fact_news
    ) AS counted
    GROUP BY counted.delivery_id
),

marked AS (
    UPDATE webhook_delivery AS delivery
    SET applied_at = :now, applied_count = coalesce(news.news_count, 0)
    FROM taken
    LEFT JOIN news ON news.delivery_id = taken.delivery_id
    WHERE delivery.shop_id = :shop_id AND delivery.delivery_id = taken.delivery_id AND delivery.applied_at IS NULL
)

SELECT
    (SELECT count(*) FROM taken) AS delivery_count,
    (SELECT count(*) FROM told) AS row_count,
    (SELECT count(DISTINCT told.variant_id) FROM told) AS variant_count,
    (SELECT count(*) FROM told WHERE told.quantity < 1) AS zero_count;

-- name: pass_over
-- A batch told nothing new.
UPDATE webhook_delivery
SET applied_at = :now, applied_count = 0
WHERE shop_id = :shop_id AND applied_at IS NULL AND delivery_id <= :last_id;

-- name: remember_reports
-- Of which time the newest words of these levels are.
INSERT INTO stock_report (shop_id, variant_id, location_id, reported_at)
SELECT
    :shop_id,
    variant_id,
    location_id,
    reported_at
FROM staged_row
WHERE snapshot_id = :snapshot_id AND reported_at IS NOT NULL
ORDER BY variant_id, location_id
ON CONFLICT (shop_id, variant_id, location_id) DO UPDATE
    SET reported_at = excluded.reported_at
    WHERE stock_report.reported_at < excluded.reported_at;

-- name: forget_applied
-- What was applied long ago will not be sent again.
DELETE FROM webhook_delivery WHERE shop_id = :shop_id AND applied_at < :before;
