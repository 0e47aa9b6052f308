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
        preferred_channels = excluded.preferred_channels
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
