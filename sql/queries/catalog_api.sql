-- name: find_variants
-- Which of these variants are there, and not deleted.
SELECT variant.variant_id
FROM variant
LEFT JOIN catalog_detail AS detail
    ON detail.shop_id = variant.shop_id AND detail.variant_id = variant.variant_id
WHERE
    variant.shop_id = :shop_id
    AND variant.variant_id = ANY (CAST(:variant_ids AS text[]))
    AND (detail.deleted_at IS NULL OR variant.is_published)
ORDER BY variant.variant_id;

-- name: find_items
-- Which of these products are there: told by the API, or named by variants of a feed, which bring a deleted one back.
SELECT given.product_id
FROM unnest(CAST(:product_ids AS text[])) AS given (product_id)
LEFT JOIN catalog_item AS item ON item.shop_id = :shop_id AND item.product_id = given.product_id
WHERE
    (item.product_id IS NOT NULL AND item.deleted_at IS NULL)
    OR EXISTS (
        SELECT 1
        FROM variant
        WHERE
            variant.shop_id = :shop_id
            AND variant.product_id = given.product_id
            AND (item.product_id IS NULL OR variant.is_published)
    )
GROUP BY given.product_id
ORDER BY given.product_id;

-- name: write_details
-- What the API tells of variants, member by member; a deleted one is there again.
INSERT INTO catalog_detail AS known (
    shop_id, variant_id, integration, sku, attributes, created_at, changed_at
)
SELECT
    :shop_id,
    told.variant_id,
    told.integration,
    told.attributes ->> 'sku',
    told.attributes,
    :now,
    :now
FROM jsonb_to_recordset(CAST(:details AS jsonb)) AS told (variant_id text, integration text, attributes jsonb)
ORDER BY told.variant_id
ON CONFLICT (shop_id, variant_id) DO UPDATE
    SET
        integration = excluded.integration,
        sku = coalesce(excluded.sku, known.sku),
        attributes = CASE WHEN known.deleted_at IS NULL THEN known.attributes ELSE '{}' END || excluded.attributes,
        changed_at = excluded.changed_at,
        deleted_at = NULL;

-- name: delete_variants
-- Deleted by the API.
INSERT INTO catalog_detail AS known (shop_id, variant_id, integration, attributes, created_at, changed_at, deleted_at)
SELECT
    :shop_id,
    gone.variant_id,
    '$custom',
    '{}',
    :now,
    :now,
    :now
FROM unnest(CAST(:variant_ids AS text[])) AS gone (variant_id)
GROUP BY gone.variant_id
ORDER BY gone.variant_id
ON CONFLICT (shop_id, variant_id) DO UPDATE
    SET deleted_at = excluded.deleted_at;

-- name: list_variants_of_items
-- The variants of some products.
SELECT
    variant.variant_id,
    variant.product_id
FROM variant
LEFT JOIN catalog_detail AS detail
    ON detail.shop_id = variant.shop_id AND detail.variant_id = variant.variant_id
WHERE
    variant.shop_id = :shop_id
    AND variant.product_id = ANY (CAST(:product_ids AS text[]))
    AND (detail.deleted_at IS NULL OR variant.is_published)
ORDER BY variant.product_id, variant.variant_id
LIMIT :most;

-- name: find_hidden_variants
-- Which of these variants are of a product that the API has unpublished; product_ids are those of new variants.
SELECT given.variant_id
FROM unnest(CAST(:variant_ids AS text[]), CAST(:product_ids AS text[])) AS given (variant_id, product_id)
LEFT JOIN variant ON variant.shop_id = :shop_id AND variant.variant_id = given.variant_id
JOIN catalog_item AS item
    ON item.shop_id = :shop_id AND item.product_id = coalesce(given.product_id, variant.product_id)
WHERE item.deleted_at IS NULL AND item.attributes ->> 'published' = 'false'
ORDER BY given.variant_id;

-- name: restore_details
-- Variants that the API deleted and a pull brought back are there as the pull tells them.
UPDATE catalog_detail AS detail
SET
    attributes = '{}',
    deleted_at = NULL
FROM variant
WHERE
    variant.shop_id = :shop_id
    AND variant.product_id = ANY (CAST(:product_ids AS text[]))
    AND variant.is_published
    AND detail.shop_id = variant.shop_id
    AND detail.variant_id = variant.variant_id
    AND detail.deleted_at IS NOT NULL;

-- name: list_variants_to_publish
-- The variants of products that were published or not, as told now, and what the API said of each itself.
SELECT
    variant.variant_id,
    told.is_published AND coalesce(CAST(detail.attributes ->> 'published' AS boolean), true) AS is_published
FROM unnest(CAST(:product_ids AS text[]), CAST(:are_published AS boolean[])) AS told (product_id, is_published)
JOIN variant ON variant.shop_id = :shop_id AND variant.product_id = told.product_id
LEFT JOIN catalog_item AS item ON item.shop_id = variant.shop_id AND item.product_id = variant.product_id
LEFT JOIN catalog_detail AS detail
    ON detail.shop_id = variant.shop_id AND detail.variant_id = variant.variant_id
WHERE
    detail.deleted_at IS NULL
    -- What was published all along stays as a pull or the API left it.
    AND (NOT told.is_published OR item.attributes ->> 'published' = 'false')
ORDER BY variant.variant_id;

-- name: write_items
-- What the API tells of products, member by member.
INSERT INTO catalog_item AS known (shop_id, product_id, integration, attributes, created_at, changed_at)
SELECT
    :shop_id,
    told.product_id,
    told.integration,
    told.attributes,
    :now,
    :now
FROM jsonb_to_recordset(CAST(:items AS jsonb)) AS told (product_id text, integration text, attributes jsonb)
ORDER BY told.product_id
ON CONFLICT (shop_id, product_id) DO UPDATE
    SET
        integration = excluded.integration,
        attributes = CASE WHEN known.deleted_at IS NULL THEN known.attributes ELSE '{}' END || excluded.attributes,
        changed_at = excluded.changed_at,
        deleted_at = NULL;

-- name: delete_items
-- Products that the API deleted.
INSERT INTO catalog_item AS known (shop_id, product_id, integration, attributes, created_at, changed_at, deleted_at)
SELECT
    :shop_id,
    gone.product_id,
    '$custom',
    '{}',
    :now,
    :now,
    :now
FROM unnest(CAST(:product_ids AS text[])) AS gone (product_id)
GROUP BY gone.product_id
ORDER BY gone.product_id
ON CONFLICT (shop_id, product_id) DO UPDATE
    SET deleted_at = excluded.deleted_at;

-- name: page_of_variants
-- Ids of one page of variants, by id.
SELECT
    variant.variant_id AS id,
    variant.first_seen_at AS created_at
FROM variant
LEFT JOIN catalog_detail AS detail
    ON detail.shop_id = variant.shop_id AND detail.variant_id = variant.variant_id
WHERE
    variant.shop_id = :shop_id
    AND variant.variant_id > :after_id
    AND (detail.deleted_at IS NULL OR variant.is_published)
    AND (CAST(:ids AS text[]) IS NULL OR variant.variant_id = ANY (CAST(:ids AS text[])))
    AND (CAST(:product_id AS text) IS NULL OR variant.product_id = :product_id)
    AND (CAST(:sku AS text) IS NULL OR coalesce(detail.sku, variant.variant_id) = :sku)
    AND (
        -- Few have a SKU, and an index knows them; without this line all variants of the shop would be asked.
        CAST(:sku AS text) IS NULL
        OR variant.variant_id = ANY (ARRAY(
            SELECT known.variant_id
            FROM catalog_detail AS known
            WHERE known.shop_id = :shop_id AND known.sku = :sku
            UNION ALL
            SELECT CAST(:sku AS text)
        ))
    )
    AND (CAST(:title AS text) IS NULL OR strpos(lower(variant.title), lower(:title)) > 0)
    AND (CAST(:is_published AS boolean) IS NULL OR variant.is_published = :is_published)
ORDER BY variant.variant_id
LIMIT :most;

-- name: page_of_variants_by_age
-- Ids of one page of variants, by when they were first seen: direction 1 oldest, -1 newest first.
WITH page AS (
    (
        SELECT
            variant.variant_id,
            variant.first_seen_at
        FROM variant
        LEFT JOIN catalog_detail AS detail
            ON detail.shop_id = variant.shop_id AND detail.variant_id = variant.variant_id
        WHERE
            CAST(:direction AS integer) > 0
            AND variant.shop_id = :shop_id
            AND (variant.first_seen_at, variant.variant_id) > (CAST(:after_at AS timestamptz), CAST(:after_id AS text))
            AND (detail.deleted_at IS NULL OR variant.is_published)
            AND (CAST(:ids AS text[]) IS NULL OR variant.variant_id = ANY (CAST(:ids AS text[])))
            AND (CAST(:product_id AS text) IS NULL OR variant.product_id = :product_id)
            AND (CAST(:sku AS text) IS NULL OR coalesce(detail.sku, variant.variant_id) = :sku)
            AND (CAST(:title AS text) IS NULL OR strpos(lower(variant.title), lower(:title)) > 0)
            AND (CAST(:is_published AS boolean) IS NULL OR variant.is_published = :is_published)
        ORDER BY variant.first_seen_at, variant.variant_id
        LIMIT :most
    )
    UNION ALL
    (
        SELECT
            variant.variant_id,
            variant.first_seen_at
        FROM variant
        LEFT JOIN catalog_detail AS detail
            ON detail.shop_id = variant.shop_id AND detail.variant_id = variant.variant_id
        WHERE
            CAST(:direction AS integer) < 0
            AND variant.shop_id = :shop_id
            AND (variant.first_seen_at, variant.variant_id) < (CAST(:after_at AS timestamptz), CAST(:after_id AS text))
            AND (detail.deleted_at IS NULL OR variant.is_published)
            AND (CAST(:ids AS text[]) IS NULL OR variant.variant_id = ANY (CAST(:ids AS text[])))
            AND (CAST(:product_id AS text) IS NULL OR variant.product_id = :product_id)
            AND (CAST(:sku AS text) IS NULL OR coalesce(detail.sku, variant.variant_id) = :sku)
            AND (CAST(:title AS text) IS NULL OR strpos(lower(variant.title), lower(:title)) > 0)
            AND (CAST(:is_published AS boolean) IS NULL OR variant.is_published = :is_published)
        ORDER BY variant.first_seen_at DESC, variant.variant_id DESC
        LIMIT :most
    )
)

SELECT
    variant_id AS id,
    first_seen_at AS created_at
FROM page
ORDER BY
    extract(EPOCH FROM first_seen_at) * CAST(:direction AS integer),
    CASE WHEN CAST(:direction AS integer) = 1 THEN variant_id END,
    variant_id DESC;

-- name: read_variants
-- Some variants with all that is known of them.
SELECT
    variant.variant_id,
    variant.product_id,
    variant.title,
    variant.url,
    variant.image_url,
    variant.price,
    variant.is_published,
    variant.first_seen_at AS created_at,
    greatest(variant.changed_at, detail.changed_at, stock.observed_at) AS changed_at,
    coalesce(detail.integration, '$custom') AS integration,
    coalesce(item.integration, '$custom') AS item_integration,
    detail.sku,
    coalesce(detail.attributes, '{}') AS attributes,
    stock.available
FROM variant
LEFT JOIN catalog_detail AS detail
    ON detail.shop_id = variant.shop_id AND detail.variant_id = variant.variant_id
LEFT JOIN catalog_item AS item
    ON item.shop_id = variant.shop_id AND item.product_id = variant.product_id
LEFT JOIN variant_stock AS stock
    ON stock.shop_id = variant.shop_id AND stock.variant_id = variant.variant_id
WHERE
    variant.shop_id = :shop_id
    AND variant.variant_id = ANY (CAST(:variant_ids AS text[]))
    AND (detail.deleted_at IS NULL OR variant.is_published)
ORDER BY variant.variant_id;

-- name: page_of_items
-- Ids of one page of products, by id: told by the API, or named by variants of a feed.
SELECT
    page.product_id AS id,
    page.created_at
FROM (
    (
        SELECT
            product_id,
            created_at
        FROM catalog_item
        WHERE
            shop_id = :shop_id
            AND deleted_at IS NULL
            AND product_id > CAST(:after_id AS text)
            AND (CAST(:ids AS text[]) IS NULL OR product_id = ANY (CAST(:ids AS text[])))
            AND (CAST(:title AS text) IS NULL OR strpos(lower(attributes ->> 'title'), lower(:title)) > 0)
            AND (
                CAST(:is_published AS boolean) IS NULL
                OR coalesce(CAST(attributes ->> 'published' AS boolean), true) = :is_published
            )
        ORDER BY product_id
        LIMIT :most
    )
    UNION ALL
    (
        SELECT
            variant.product_id,
            min(variant.first_seen_at)
        FROM variant
        WHERE
            variant.shop_id = :shop_id
            AND variant.product_id > CAST(:after_id AS text)
            AND (CAST(:ids AS text[]) IS NULL OR variant.product_id = ANY (CAST(:ids AS text[])))
            AND CAST(:title AS text) IS NULL
            AND coalesce(CAST(:is_published AS boolean), true)
            AND NOT EXISTS (
                SELECT 1
                FROM catalog_item
                WHERE
                    catalog_item.shop_id = :shop_id
                    AND catalog_item.product_id = variant.product_id
                    AND (catalog_item.deleted_at IS NULL OR NOT variant.is_published)
            )
        GROUP BY variant.product_id
        ORDER BY variant.product_id
        LIMIT :most
    )
) AS page
ORDER BY page.product_id
LIMIT :most;

-- name: page_of_items_by_age
-- Ids of one page of products by when they were first seen: direction 1 oldest, -1 newest first.
WITH item AS (
    SELECT
        catalog_item.product_id,
        catalog_item.created_at,
        catalog_item.attributes
    FROM catalog_item
    WHERE catalog_item.shop_id = :shop_id AND catalog_item.deleted_at IS NULL
    UNION ALL
    SELECT
        variant.product_id,
        min(variant.first_seen_at),
        '{}'::jsonb
    FROM variant
    WHERE
        variant.shop_id = :shop_id
        AND variant.product_id IS NOT NULL
        AND NOT EXISTS (
            SELECT 1
            FROM catalog_item
            WHERE
                catalog_item.shop_id = :shop_id
                AND catalog_item.product_id = variant.product_id
                AND (catalog_item.deleted_at IS NULL OR NOT variant.is_published)
        )
    GROUP BY variant.product_id
)

SELECT
    item.product_id AS id,
    item.created_at
FROM item
WHERE
    CASE CAST(:direction AS integer)
        WHEN 1 THEN (item.created_at, item.product_id) > (CAST(:after_at AS timestamptz), CAST(:after_id AS text))
        ELSE (item.created_at, item.product_id) < (CAST(:after_at AS timestamptz), CAST(:after_id AS text))
    END
    AND (CAST(:ids AS text[]) IS NULL OR item.product_id = ANY (CAST(:ids AS text[])))
    AND (CAST(:title AS text) IS NULL OR strpos(lower(item.attributes ->> 'title'), lower(:title)) > 0)
    AND (
        CAST(:is_published AS boolean) IS NULL
        OR coalesce(CAST(item.attributes ->> 'published' AS boolean), true) = :is_published
    )
ORDER BY
    extract(EPOCH FROM item.created_at) * CAST(:direction AS integer),
    CASE WHEN CAST(:direction AS integer) = 1 THEN item.product_id END,
    item.product_id DESC
LIMIT :most;

-- name: read_items
-- Some products with all that is known of them.
SELECT
    given.product_id,
    coalesce(item.integration, '$custom') AS integration,
    coalesce(item.attributes, '{}') AS attributes,
    coalesce(item.created_at, seen.created_at) AS created_at,
    coalesce(item.changed_at, seen.changed_at) AS changed_at
FROM unnest(CAST(:product_ids AS text[])) AS given (product_id)
LEFT JOIN catalog_item AS item
    ON item.shop_id = :shop_id AND item.product_id = given.product_id AND item.deleted_at IS NULL
LEFT JOIN catalog_item AS gone
    ON gone.shop_id = :shop_id AND gone.product_id = given.product_id AND gone.deleted_at IS NOT NULL
LEFT JOIN LATERAL (
    SELECT
        min(variant.first_seen_at) AS created_at,
        max(variant.changed_at) AS changed_at
    FROM variant
    WHERE
        variant.shop_id = :shop_id
        AND variant.product_id = given.product_id
        AND (gone.product_id IS NULL OR variant.is_published)
) AS seen ON true
WHERE coalesce(item.created_at, seen.created_at) IS NOT NULL
ORDER BY given.product_id;

-- name: insert_job
-- A bulk job, done.
INSERT INTO catalog_job (shop_id, kind, total_count, failed_count, errors, target_ids, created_at)
VALUES (
    :shop_id, :kind, :total_count, :failed_count, CAST(:errors AS jsonb), CAST(:target_ids AS text[]), :now
)
RETURNING
    job_id,
    kind,
    total_count,
    failed_count,
    errors,
    target_ids,
    created_at;

-- name: find_job
-- One bulk job.
SELECT
    job_id,
    kind,
    total_count,
    failed_count,
    errors,
    target_ids,
    created_at
FROM catalog_job
WHERE shop_id = :shop_id AND kind = :kind AND job_id = :job_id;

-- name: list_jobs
-- Bulk jobs of one kind, the newest first.
SELECT
    job_id,
    kind,
    total_count,
    failed_count,
    errors,
    target_ids,
    created_at
FROM catalog_job
WHERE shop_id = :shop_id AND kind = :kind AND job_id < :before_id
ORDER BY job_id DESC
LIMIT :most;

-- name: forget_jobs
-- Jobs are kept for a week.
DELETE FROM catalog_job WHERE created_at < CAST(:now AS timestamptz) - INTERVAL '7 days';
