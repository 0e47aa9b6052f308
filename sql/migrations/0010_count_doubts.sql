-- A message that ends in doubt again and again is not repeated for ever (SEMANTICS 6.3).

ALTER TABLE message
    ADD COLUMN doubt_count smallint NOT NULL DEFAULT 0;
COMMENT ON COLUMN message.doubt_count IS
'How often nobody knew whether it was sent; after some times a person decides, since each may have arrived.';
