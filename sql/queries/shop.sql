-- name: register_shop
-- A shop as its operator describes it now.
INSERT INTO shop (
    shop_id, name, currency, time_zone, locale, included_locations, excluded_locations, max_stock_age,
    double_opt_in, preferred_channels, registered_at
)
VALUES (
    :shop_id, :name, :currency, :time_zone, :locale, CAST(:included_locations AS text[]),
    CAST(:excluded_locations AS text[]), make_interval(secs => :max_stock_age_seconds),
    :double_opt_in, CAST(:preferred_channels AS text[]), :now
)
ON CONFLICT (shop_id) DO UPDATE
    SET
        name = excluded.name,
        currency = excluded.currency,
        time_zone = excluded.time_zone,
        locale = excluded.locale,
        included_locations = excluded.included_locations,
        excluded_locations = excluded.excluded_locations,
        max_stock_age = excluded.max_stock_age,
        double_opt_in = excluded.double_opt_in,
        preferred_channels = excluded.preferred_channels,
        needs_recount = shop.needs_recount
        OR (shop.included_locations, shop.excluded_locations)
        IS DISTINCT FROM (excluded.included_locations, excluded.excluded_locations)
    WHERE
        (shop.name, shop.currency, shop.time_zone, shop.locale, shop.included_locations, shop.excluded_locations,
            shop.max_stock_age, shop.double_opt_in, shop.preferred_channels)
        IS DISTINCT FROM
        (excluded.name, excluded.currency, excluded.time_zone, excluded.locale, excluded.included_locations,
            excluded.excluded_locations, excluded.max_stock_age, excluded.double_opt_in,
            excluded.preferred_channels);

-- name: find_shop
-- A registered shop.
SELECT
    shop_id,
    name,
    locale,
    currency,
    double_opt_in
FROM shop
WHERE shop_id = :shop_id;

-- name: take_recount
-- Whether the locations or bundles of a shop changed since its last detect; asked once.
UPDATE shop
SET needs_recount = false
WHERE shop_id = :shop_id AND needs_recount
RETURNING shop_id;

-- name: replace_bundles
-- The bundles of a shop as its operator describes them now; a difference asks for a recount (SEMANTICS 1.5).
WITH given AS (
    SELECT
        part.bundle_variant_id,
        part.component_variant_id,
        part.units_per_bundle
    FROM jsonb_to_recordset(CAST(:parts AS jsonb))
        AS part (bundle_variant_id text, component_variant_id text, units_per_bundle integer)
),

gone AS (
    DELETE FROM bundle_component AS known
    WHERE known.shop_id = :shop_id AND NOT EXISTS (
        SELECT 1
        FROM given
        WHERE
            given.bundle_variant_id = known.bundle_variant_id
            AND given.component_variant_id = known.component_variant_id
    )
    RETURNING 1
),

written AS (
    INSERT INTO bundle_component AS known (shop_id, bundle_variant_id, component_variant_id, units_per_bundle)
    SELECT
        :shop_id,
        bundle_variant_id,
        component_variant_id,
        units_per_bundle
    FROM given
    ORDER BY bundle_variant_id, component_variant_id
    ON CONFLICT (shop_id, bundle_variant_id, component_variant_id) DO UPDATE
        SET units_per_bundle = excluded.units_per_bundle
        WHERE known.units_per_bundle <> excluded.units_per_bundle
    RETURNING 1
)

UPDATE shop
SET needs_recount = true
WHERE shop_id = :shop_id AND (EXISTS (SELECT 1 FROM gone) OR EXISTS (SELECT 1 FROM written));

-- name: name_store
-- How the platform names the shop's store.
UPDATE shop
SET store_domain = :store_domain
WHERE shop_id = :shop_id AND store_domain IS DISTINCT FROM CAST(:store_domain AS text);

-- name: find_store
-- The shop of a store first, then the shop that was told; is_another: it has another store.
SELECT
    shop_id,
    coalesce(store_domain <> :store_domain, false) AS is_another
FROM shop
WHERE store_domain = :store_domain OR shop_id = :shop_id
ORDER BY store_domain = :store_domain DESC NULLS LAST, shop_id = :shop_id DESC
LIMIT 1;
