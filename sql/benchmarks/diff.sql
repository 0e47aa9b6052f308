-- name: new_snapshot
-- A snapshot that was loaded and believed.
INSERT INTO snapshot
    (shop_id, window_key, kind, state, source, observed_at, row_count, variant_count, loaded_at)
VALUES ('bench', :key, 'full', 'complete', 'bench', :observed_at, :rows, :rows, :observed_at)
RETURNING snapshot_id;

-- name: stage
-- In the feed's order: every hundredth variant, another one each time, differs in its quantity.
INSERT INTO staged_row
SELECT
    :snapshot_id, row_number() OVER (ORDER BY variant.variant_id), variant.variant_id, level.location_id,
    CASE
        WHEN CAST(variant.variant_id AS bigint) % 100 = :number % 100
            THEN CASE WHEN level.quantity > 0 THEN 0 ELSE 12 END
        ELSE level.quantity
    END,
    product_id, title, url, image_url, price, compare_at_price, collections,
    is_published, is_tracked, continue_selling
FROM variant
JOIN stock_level AS level USING (shop_id, variant_id)
WHERE shop_id = 'bench'
ORDER BY variant.variant_id;

-- name: floor
-- The bare join.
SELECT count(*)
FROM staged_row
JOIN stock_level ON stock_level.variant_id = staged_row.variant_id AND stock_level.location_id = staged_row.location_id
WHERE staged_row.snapshot_id = :snapshot_id AND stock_level.quantity <> staged_row.quantity;
