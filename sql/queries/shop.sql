-- name: register_shop
-- A shop as its operator describes it now.
INSERT INTO shop (
    shop_id, name, currency, time_zone, locale, included_locations, excluded_locations, max_stock_age, registered_at
)
VALUES (
    :shop_id, :name, :currency, :time_zone, :locale, CAST(:included_locations AS text[]),
    CAST(:excluded_locations AS text[]), make_interval(secs => :max_stock_age_seconds), :now
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
        needs_recount = shop.needs_recount
        OR (shop.included_locations, shop.excluded_locations)
        IS DISTINCT FROM (excluded.included_locations, excluded.excluded_locations)
    WHERE
        (shop.name, shop.currency, shop.time_zone, shop.locale, shop.included_locations, shop.excluded_locations,
            shop.max_stock_age)
        IS DISTINCT FROM
        (excluded.name, excluded.currency, excluded.time_zone, excluded.locale, excluded.included_locations,
            excluded.excluded_locations, excluded.max_stock_age);

-- name: find_shop
-- A registered shop.
SELECT
    shop_id,
    name,
    locale,
    currency
FROM shop
WHERE shop_id = :shop_id;

-- name: take_recount
-- Whether the locations or bundles of a shop changed since its last detect; asked once.
UPDATE shop
SET needs_recount = false
WHERE shop_id = :shop_id AND needs_recount
RETURNING shop_id;
