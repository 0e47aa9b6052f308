-- What the checks before a message leaves need to know (SEMANTICS 5).

ALTER TABLE flow
    ADD COLUMN purpose text NOT NULL DEFAULT 'back_in_stock'
        CHECK (purpose IN ('back_in_stock', 'transactional', 'marketing'));
UPDATE flow
SET purpose = 'marketing'
WHERE metric <> 'Subscribed to Back in Stock';
ALTER TABLE flow ALTER COLUMN purpose DROP DEFAULT;
COMMENT ON COLUMN flow.purpose IS 'What its messages are for: decides consent, quiet hours, Smart Sending and priority.';

ALTER TABLE flow_step
    ADD COLUMN is_deleted boolean NOT NULL DEFAULT false,
    ADD COLUMN uses_smart_sending boolean NOT NULL DEFAULT false,
    ADD COLUMN requires_stock boolean NOT NULL DEFAULT true;
ALTER TABLE flow_step
    ALTER COLUMN uses_smart_sending DROP DEFAULT,
    ALTER COLUMN requires_stock DROP DEFAULT;
COMMENT ON COLUMN flow_step.is_deleted IS 'The file holds it no more: its queued messages are skipped as step_deleted.';
COMMENT ON COLUMN flow_step.uses_smart_sending IS 'Skipped for people who got something on this channel lately.';
COMMENT ON COLUMN flow_step.requires_stock IS 'Leaves only while the variant can be bought; always so in back-in-stock.';

ALTER TABLE message ADD COLUMN approved_at timestamptz;
COMMENT ON COLUMN message.approved_at IS 'Set: a person let it go then; a manual step holds it no more (SEMANTICS 7.3).';

-- A check of one person's messages must not find this index as good as theirs: it lists everybody's.
DROP INDEX message_leased;
CREATE INDEX message_leased ON message (lease_until) WHERE lease_until IS NOT NULL;
-- Failed ones left too: they count as attempts (Smart Sending).
DROP INDEX message_by_person;
CREATE INDEX message_by_person ON message (shop_id, profile_id, channel, ended_at)
    WHERE state IN ('sent', 'failed');
-- The first message of a batch beyond what the stock still allows is found in order.
DROP INDEX message_by_batch;
CREATE INDEX message_by_batch ON message (shop_id, batch_id, message_id) WHERE batch_id IS NOT NULL;

-- Which message is a later one is decided by include/domain/checks.py.
DROP FUNCTION waits_for_stock;
