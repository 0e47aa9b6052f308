-- Data quality says what increments and webhooks had missed until the next full pull.
ALTER TABLE report_data_quality
    ADD COLUMN drifted_count bigint NOT NULL DEFAULT 0,
    ADD COLUMN drifted_units numeric NOT NULL DEFAULT 0;

COMMENT ON CONSTRAINT an_applied_one_says_how ON webhook_delivery IS
'Applied is what has a time and a count of what it told; what waits has neither.';
