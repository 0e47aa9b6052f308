-- Whether somebody who was told has bought since (SEMANTICS 4.4).
CREATE INDEX order_line_by_buyer ON order_line (shop_id, profile_id, variant_id, ordered_at) WHERE profile_id IS NOT NULL;
