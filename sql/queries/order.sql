-- name: record_lines
-- Lines of orders, as they stand now; the same line again changes what differs. Who bought is found by the address.
INSERT INTO order_line AS known (
    shop_id, order_id, line_number, variant_id, profile_id, quantity, amount, currency, ordered_at, returned_quantity,
    returned_amount, recorded_at
)
SELECT
    :shop_id,
    line.order_id,
    line.line_number,
    line.variant_id,
    profile.profile_id,
    line.quantity,
    line.amount,
    line.currency,
    line.ordered_at,
    line.returned_quantity,
    line.returned_amount,
    :now
FROM jsonb_to_recordset(CAST(:lines AS jsonb)) AS line (
    order_id text, line_number integer, variant_id text, email_key text, quantity numeric, amount numeric,
    currency text, ordered_at timestamptz, returned_quantity numeric, returned_amount numeric
)
LEFT JOIN profile ON profile.shop_id = :shop_id AND profile.email_key = line.email_key
ORDER BY line.order_id, line.line_number
ON CONFLICT (shop_id, order_id, line_number) DO UPDATE
    SET
        variant_id = excluded.variant_id,
        profile_id = excluded.profile_id,
        quantity = excluded.quantity,
        amount = excluded.amount,
        currency = excluded.currency,
        ordered_at = excluded.ordered_at,
        returned_quantity = excluded.returned_quantity,
        returned_amount = excluded.returned_amount,
        recorded_at = excluded.recorded_at
    WHERE
        (
            known.variant_id, known.profile_id, known.quantity, known.amount, known.currency, known.ordered_at,
            known.returned_quantity, known.returned_amount
        ) IS DISTINCT FROM (
            excluded.variant_id, excluded.profile_id, excluded.quantity, excluded.amount, excluded.currency,
            excluded.ordered_at, excluded.returned_quantity, excluded.returned_amount
        );
