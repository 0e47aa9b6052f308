-- name: spread_totals
-- A variant's total as levels: it stands at its first location that counts, the others that count read 0.
WITH given AS (
    SELECT
        total.variant_id,
        total.quantity
    FROM unnest(CAST(:variant_ids AS text[]), CAST(:quantities AS numeric[])) AS total (variant_id, quantity)
),

counted AS (
    SELECT
        given.variant_id,
        given.quantity,
        level.location_id,
        row_number() OVER (PARTITION BY given.variant_id ORDER BY level.location_id) AS place
    FROM given
    JOIN shop ON shop.shop_id = :shop_id
    JOIN stock_level AS level
        ON
            level.shop_id = :shop_id
            AND level.variant_id = given.variant_id
            AND is_counted(level.location_id, shop.included_locations, shop.excluded_locations)
)

SELECT
    counted.variant_id,
    counted.location_id,
    CASE WHEN counted.place = 1 THEN counted.quantity ELSE 0 END AS quantity
FROM counted
UNION ALL
SELECT
    given.variant_id,
    coalesce(shop.included_locations[1], ''),
    given.quantity
FROM given
JOIN shop ON shop.shop_id = :shop_id
WHERE given.variant_id NOT IN (SELECT counted.variant_id FROM counted)
ORDER BY 1, 2;

-- name: write_facts
-- What is said of variants besides their stock, where it differs; the next pull compares all of it again.
WITH given AS (
    SELECT
        fact.variant_id,
        fact.product_id,
        fact.title,
        fact.url,
        fact.image_url,
        fact.price,
        fact.is_published,
        fact.said
    FROM jsonb_to_recordset(CAST(:facts AS jsonb)) AS fact (
        variant_id text, product_id text, title text, url text, image_url text, price numeric, is_published boolean,
        said text[]
    )
),

differing AS (
    SELECT
        given.*,
        known.variant_id IS NULL AS is_new,
        known.variant_id IS NOT NULL AND given.price IS NOT NULL AND given.price IS DISTINCT FROM known.price
            AS has_new_price,
        known.price AS previous_price,
        known.compare_at_price,
        'is_published' = ANY (given.said) AND given.is_published IS DISTINCT FROM coalesce(known.is_published, true)
            AS has_new_standing,
        coalesce(known.is_tracked, true) AS is_tracked,
        coalesce(known.continue_selling, false) AS continue_selling
    FROM given
    LEFT JOIN variant AS known ON known.shop_id = :shop_id AND known.variant_id = given.variant_id
),

touched AS (
    INSERT INTO touched_variant (snapshot_id, variant_id)
    SELECT
        0,
        variant_id
    FROM differing
    WHERE has_new_standing AND NOT is_new
),

standing AS (
    INSERT INTO variant_change (shop_id, variant_id, observed_at, is_published, is_tracked, continue_selling)
    SELECT
        :shop_id,
        variant_id,
        :observed_at,
        is_published,
        is_tracked,
        continue_selling
    FROM differing
    WHERE has_new_standing
    ORDER BY variant_id
    ON CONFLICT DO NOTHING
),

priced AS (
    INSERT INTO price_change (
        shop_id, variant_id, observed_at, price, compare_at_price, previous_price, previous_compare_at_price
    )
    SELECT
        :shop_id,
        variant_id,
        :observed_at,
        price,
        compare_at_price,
        previous_price,
        compare_at_price
    FROM differing
    WHERE has_new_price
    ORDER BY variant_id
    ON CONFLICT DO NOTHING
),

forgotten AS (
    UPDATE stock_level AS level
    SET facts_checksum = NULL
    FROM differing
    WHERE level.shop_id = :shop_id AND level.variant_id = differing.variant_id AND level.facts_checksum IS NOT NULL
)

INSERT INTO variant AS known (
    shop_id, variant_id, product_id, title, url, image_url, price, is_published, first_seen_at, changed_at
)
SELECT
    :shop_id,
    variant_id,
    product_id,
    title,
    url,
    image_url,
    price,
    coalesce(is_published, true),
    :observed_at,
    :observed_at
FROM differing
ORDER BY variant_id
ON CONFLICT (shop_id, variant_id) DO UPDATE
    SET
        product_id = coalesce(excluded.product_id, known.product_id),
        title = coalesce(excluded.title, known.title),
        url = coalesce(excluded.url, known.url),
        image_url = coalesce(excluded.image_url, known.image_url),
        price = coalesce(excluded.price, known.price),
        is_published = CASE
            WHEN EXISTS (
                SELECT 1
                FROM differing
                WHERE differing.variant_id = known.variant_id AND 'is_published' = ANY (differing.said)
            ) THEN excluded.is_published
            ELSE known.is_published
        END,
        changed_at = excluded.changed_at;

-- name: collect_differences
-- Which of these levels are new, differ, or were missing; an observation never overrides a newer one (SEMANTICS 2.2).
-- A full snapshot observed all of them at its time, also what it did not rewrite.
WITH given AS (
    SELECT
        entry.variant_id,
        entry.location_id,
        entry.quantity
    FROM unnest(
        CAST(:variant_ids AS text[]), CAST(:location_ids AS text[]), CAST(:quantities AS numeric[])
    ) AS entry (variant_id, location_id, quantity)
)

INSERT INTO stock_difference (
    snapshot_id, variant_id, location_id, quantity, previous_quantity, missed_count, previous_missed_count,
    has_other_stock, has_other_facts
)
SELECT
    0,
    given.variant_id,
    given.location_id,
    given.quantity,
    level.quantity,
    0,
    coalesce(level.missed_count, 0),
    true,
    false
FROM given
JOIN variant ON variant.shop_id = :shop_id AND variant.variant_id = given.variant_id
LEFT JOIN stock_level AS level
    ON
        level.shop_id = :shop_id
        AND level.variant_id = given.variant_id
        AND level.location_id = given.location_id
WHERE
    (
        level.variant_id IS NULL
        OR (
            level.observed_at < :observed_at
            AND (given.quantity <> level.quantity OR level.missed_count > 0)
        )
    )
    AND NOT EXISTS (
        SELECT 1
        FROM snapshot
        WHERE
            snapshot.shop_id = :shop_id
            AND snapshot.kind = 'full'
            AND snapshot.state = 'complete'
            AND snapshot.detected_at IS NOT NULL
            AND snapshot.observed_at >= :observed_at
    );

-- name: sort_given
-- Of the given levels: of variants that nobody knows, and older than what is known of them.
SELECT
    count(*) FILTER (WHERE variant.variant_id IS NULL) AS unknown_count,
    count(*) FILTER (WHERE level.observed_at >= :observed_at OR pulled.observed_at >= :observed_at) AS outdated_count
FROM unnest(CAST(:variant_ids AS text[]), CAST(:location_ids AS text[])) AS given (variant_id, location_id)
LEFT JOIN variant ON variant.shop_id = :shop_id AND variant.variant_id = given.variant_id
LEFT JOIN stock_level AS level
    ON
        level.shop_id = :shop_id
        AND level.variant_id = given.variant_id
        AND level.location_id = given.location_id
LEFT JOIN LATERAL (
    SELECT snapshot.observed_at
    FROM snapshot
    WHERE
        snapshot.shop_id = :shop_id
        AND snapshot.kind = 'full'
        AND snapshot.state = 'complete'
        AND snapshot.detected_at IS NOT NULL
    ORDER BY snapshot.observed_at DESC
    LIMIT 1
) AS pulled ON true;

-- name: touch_unconfirmed
-- Judge again what still waits for its restock to be confirmed and was observed once more (SEMANTICS 2.5).
INSERT INTO touched_variant (snapshot_id, variant_id)
SELECT
    0,
    variant_id
FROM variant_stock
WHERE
    shop_id = :shop_id
    AND variant_id = ANY (CAST(:variant_ids AS text[]))
    AND confirmations > 0
    AND NOT is_open
    AND observed_at < :observed_at;

-- name: remember_reports
-- These levels were spoken of at this time: an older webhook can't change them (SEMANTICS 2.2).
INSERT INTO stock_report (shop_id, variant_id, location_id, reported_at)
SELECT
    :shop_id,
    given.variant_id,
    given.location_id,
    :observed_at
FROM unnest(CAST(:variant_ids AS text[]), CAST(:location_ids AS text[])) AS given (variant_id, location_id)
JOIN variant ON variant.shop_id = :shop_id AND variant.variant_id = given.variant_id
ORDER BY given.variant_id, given.location_id
ON CONFLICT (shop_id, variant_id, location_id) DO UPDATE
    SET reported_at = excluded.reported_at
    WHERE stock_report.reported_at < excluded.reported_at;

-- name: confirm_levels
-- What was observed and did not change was seen last now: no older observation overrides it (SEMANTICS 2.2).
UPDATE stock_level AS level
SET observed_at = :observed_at
FROM unnest(CAST(:variant_ids AS text[]), CAST(:location_ids AS text[])) AS given (variant_id, location_id)
WHERE
    level.shop_id = :shop_id
    AND level.variant_id = given.variant_id
    AND level.location_id = given.location_id
    AND level.observed_at < :observed_at;

-- name: confirm_variants
-- What was observed and did not change is fresh (SEMANTICS 2.7), and release looks again at what was held for that.
UPDATE variant_stock AS stock
SET
    observed_at = :observed_at,
    next_check_at = CASE
        WHEN stock.hold_reason = 'stale_stock' AND stock.is_open
            THEN greatest(:now, coalesce(stock.next_release_at, :now))
        ELSE stock.next_check_at
    END,
    hold_reason = nullif(stock.hold_reason, 'stale_stock')
WHERE
    stock.shop_id = :shop_id
    AND stock.variant_id = ANY (CAST(:variant_ids AS text[]))
    AND stock.observed_at < :observed_at
    AND NOT EXISTS (
        SELECT 1
        FROM touched_variant
        WHERE touched_variant.snapshot_id = 0 AND touched_variant.variant_id = stock.variant_id
    );

-- name: find_moment
-- When the touched variants are judged: never before they were last looked at; NULL: nothing was touched.
SELECT
    CASE
        WHEN count(*) > 0 THEN greatest(CAST(:observed_at AS timestamptz), max(stock.observed_at))
    END AS judged_at
FROM touched_variant
LEFT JOIN variant_stock AS stock
    ON stock.shop_id = :shop_id AND stock.variant_id = touched_variant.variant_id
WHERE touched_variant.snapshot_id = 0;
