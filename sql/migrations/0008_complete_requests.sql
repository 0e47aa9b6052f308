-- Requests complete: any variant of a product, phones, consent, double opt-in, expiry, channels (SEMANTICS 1.6, 3).

ALTER TABLE shop
    ADD COLUMN double_opt_in boolean NOT NULL DEFAULT false,
    ADD COLUMN preferred_channels text[] NOT NULL DEFAULT '{EMAIL,SMS}';
COMMENT ON COLUMN shop.double_opt_in IS 'A request waits only once it was confirmed by its link (SEMANTICS 3.6).';
COMMENT ON COLUMN shop.preferred_channels IS
'The first of these that a person asked for and can be reached on is used; the others are the fallback (SEMANTICS 3.1).';

CREATE TABLE consent (
    shop_id text COLLATE "C" NOT NULL,
    profile_id bigint NOT NULL,
    channel text NOT NULL CHECK (channel IN ('EMAIL', 'SMS')),
    purpose text NOT NULL CHECK (purpose IN ('alert', 'marketing')),
    state text NOT NULL CHECK (state IN ('given', 'withdrawn')),
    changed_at timestamptz NOT NULL,
    source text NOT NULL,
    proof jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (shop_id, profile_id, channel, purpose),
    FOREIGN KEY (shop_id, profile_id) REFERENCES profile
);
COMMENT ON TABLE consent IS
'What a person said per channel and purpose. Alerts by e-mail need none, by SMS one that is given (SEMANTICS 10.1).';
COMMENT ON COLUMN consent.purpose IS 'alert: to be told of what was asked for; marketing: anything else that is not transactional.';
COMMENT ON COLUMN consent.state IS 'withdrawn for alert: an objection, which also stops alerts by e-mail.';
COMMENT ON COLUMN consent.proof IS 'The text shown and the like; no address.';

CREATE INDEX variant_by_product ON variant (shop_id, product_id, variant_id) WHERE product_id IS NOT NULL;

ALTER TABLE subscription
    ALTER COLUMN variant_id DROP NOT NULL,
    ADD COLUMN product_id text COLLATE "C",
    ADD COLUMN covered_by bigint,
    ADD COLUMN confirmed_at timestamptz,
    ADD COLUMN kept_at timestamptz,
    ADD COLUMN asked_at timestamptz,
    ADD CONSTRAINT it_is_for_a_variant_or_a_product CHECK (variant_id IS NOT NULL OR product_id IS NOT NULL),
    ADD CONSTRAINT who_was_released_has_a_variant
        CHECK (state NOT IN ('released', 'notified') OR variant_id IS NOT NULL),
    ADD CONSTRAINT who_is_unconfirmed_was_never_released
        CHECK (state <> 'unconfirmed' OR (confirmed_at IS NULL AND batch_id IS NULL AND notified_at IS NULL)),
    ADD CONSTRAINT what_expired_says_why CHECK (state <> 'expired' OR reason IS NOT NULL),
    ADD CONSTRAINT only_the_covered_are_covered
        CHECK (covered_by IS NULL OR (state = 'skipped' AND reason = 'covered'));
COMMENT ON COLUMN subscription.variant_id IS
'The variant whose queue it stands in; NULL: for any variant of a product, and none of them is open (SEMANTICS 1.6).';
COMMENT ON COLUMN subscription.product_id IS 'Set: asked for any variant of this product (SEMANTICS 1.6).';
COMMENT ON COLUMN subscription.covered_by IS 'The request of the same person whose release ended this one.';
COMMENT ON COLUMN subscription.confirmed_at IS 'Set: confirmed by its link in a shop with double opt-in (SEMANTICS 3.6).';
COMMENT ON COLUMN subscription.kept_at IS 'Set: the person still wanted it then; its age counts from here (SEMANTICS 3.6).';
COMMENT ON COLUMN subscription.asked_at IS 'Set: asked then whether it is still wanted, and not answered yet (SEMANTICS 3.6).';
COMMENT ON CONSTRAINT who_was_released_has_a_batch ON subscription IS 'waiting -> released happens in a batch only.';
COMMENT ON CONSTRAINT who_waits_was_not_notified ON subscription IS 'Nothing leads from notified back to waiting.';
COMMENT ON CONSTRAINT who_was_notified_has_a_time ON subscription IS 'notified and its time are set together.';
COMMENT ON CONSTRAINT what_ended_has_a_time ON subscription IS 'notified, skipped, cancelled and expired are ends.';
COMMENT ON CONSTRAINT what_was_skipped_says_why ON subscription IS 'skipped(reason), see SEMANTICS 5.';
COMMENT ON CONSTRAINT it_is_for_a_variant_or_a_product ON subscription IS 'Nobody waits for nothing.';
COMMENT ON CONSTRAINT who_was_released_has_a_variant ON subscription IS 'Told of one variant, also when any would do.';
COMMENT ON CONSTRAINT who_is_unconfirmed_was_never_released ON subscription IS 'unconfirmed leads to waiting first.';
COMMENT ON CONSTRAINT what_expired_says_why ON subscription IS 'too_old or unconfirmed.';
COMMENT ON CONSTRAINT only_the_covered_are_covered ON subscription IS 'covered_by goes with skipped(covered).';
COMMENT ON INDEX one_open_request_per_person_and_variant IS 'Asking twice is one place in the queue (SEMANTICS 3.3).';

CREATE UNIQUE INDEX one_open_request_per_person_and_product ON subscription (shop_id, product_id, profile_id)
    WHERE product_id IS NOT NULL AND state IN ('unconfirmed', 'waiting', 'released');
COMMENT ON INDEX one_open_request_per_person_and_product IS
'Asking twice is one place; also finds who waits for any variant of a product, and costs nothing where nobody does.';
CREATE INDEX subscription_unconfirmed ON subscription (created_at) WHERE state = 'unconfirmed';
CREATE INDEX subscription_covered ON subscription (shop_id, covered_by) WHERE covered_by IS NOT NULL;
CREATE INDEX subscription_by_age ON subscription USING brin (subscribed_at) WITH (autosummarize = on);
COMMENT ON INDEX subscription_by_age IS 'Finds what may expire; nearly free for shops where nothing does.';

CREATE FUNCTION channel_obstacle(of_shop text, of_channel text, of_profile bigint) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN of_channel NOT IN ('EMAIL', 'SMS') THEN 'undeliverable'
        WHEN of_channel = 'EMAIL' AND profile.email IS NULL THEN 'missing_email'
        WHEN of_channel = 'SMS' AND profile.phone IS NULL THEN 'missing_phone'
        WHEN suppression.reason = 'invalid_address' THEN 'invalid_address'
        WHEN suppression.reason IS NOT NULL THEN 'suppressed'
        WHEN EXISTS (
            SELECT 1
            FROM consent
            WHERE
                consent.shop_id = of_shop
                AND consent.profile_id = of_profile
                AND consent.channel = of_channel
                AND consent.purpose = 'alert'
                AND consent.state = 'withdrawn'
        ) THEN 'missing_consent'
        WHEN of_channel = 'SMS' AND NOT EXISTS (
            SELECT 1
            FROM consent
            WHERE
                consent.shop_id = of_shop
                AND consent.profile_id = of_profile
                AND consent.channel = 'SMS'
                AND consent.state = 'given'
        ) THEN 'missing_consent'
    END
    FROM profile
    LEFT JOIN suppression
        ON
            suppression.shop_id = of_shop
            AND suppression.channel = of_channel
            AND suppression.address_key = CASE of_channel WHEN 'EMAIL' THEN profile.email_key ELSE profile.phone END
    WHERE profile.shop_id = of_shop AND profile.profile_id = of_profile
$$;
COMMENT ON FUNCTION channel_obstacle IS
'Why a person can''t be alerted on a channel; NULL: can be (SEMANTICS 4.6, 10.1). For few people or flows that use SMS;
specification: include/domain/channel.py.';

CREATE FUNCTION unreachable_reason(
    requested text[], telling text[], has_email boolean, email_suppression text, email_consent text,
    of_shop text, of_profile bigint
) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN NOT requested && telling THEN 'undeliverable'
        WHEN NOT 'EMAIL' = ANY (telling) OR NOT 'EMAIL' = ANY (requested)
            THEN channel_obstacle(of_shop, 'SMS', of_profile)
        WHEN has_email AND email_suppression IS NULL AND email_consent IS DISTINCT FROM 'withdrawn' THEN NULL
        WHEN 'SMS' = ANY (telling) AND 'SMS' = ANY (requested)
            AND channel_obstacle(of_shop, 'SMS', of_profile) IS NULL
            THEN NULL
        WHEN NOT has_email THEN 'missing_email'
        WHEN email_suppression = 'invalid_address' THEN 'invalid_address'
        WHEN email_suppression IS NOT NULL THEN 'suppressed'
        ELSE 'missing_consent'
    END
$$;
COMMENT ON FUNCTION unreachable_reason IS
'Why no telling message reaches a person on a requested channel; NULL: one does (SEMANTICS 4.6). What e-mail needs comes
with the row, so that flows without SMS call nothing per person; specification: include/domain/channel.py.';

CREATE FUNCTION pick_channel(of_shop text, of_profile bigint, asked text[], offered text[]) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT preferred.channel
    FROM shop
    CROSS JOIN LATERAL unnest(shop.preferred_channels) WITH ORDINALITY AS preferred (channel, place)
    WHERE
        shop.shop_id = of_shop
        AND preferred.channel = ANY (asked)
        AND preferred.channel = ANY (offered)
        AND channel_obstacle(of_shop, preferred.channel, of_profile) IS NULL
    ORDER BY preferred.place
    LIMIT 1
$$;
COMMENT ON FUNCTION pick_channel IS
'The one channel on which a person is told, NULL where there is none (SEMANTICS 3.1); specification: include/domain/channel.py.';

ALTER TABLE flow_step
    ADD COLUMN without_stock text NOT NULL DEFAULT 'hold' CHECK (without_stock IN ('hold', 'skip'));
COMMENT ON COLUMN flow_step.without_stock IS
'What a later message of the flow does while there is no stock; a first one never waits for it (SEMANTICS 3.9).';

CREATE FUNCTION waits_for_stock(of_shop text, of_message bigint) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT flow_step.without_stock = 'hold' AND EXISTS (
        SELECT 1
        FROM message AS earlier
        WHERE
            earlier.shop_id = of_shop
            AND earlier.subscription_id = message.subscription_id
            AND earlier.enrolment_id = message.enrolment_id
            AND earlier.message_id < of_message
    )
    FROM message
    JOIN flow_step USING (flow_name, step_id)
    WHERE message.shop_id = of_shop AND message.message_id = of_message
$$;
COMMENT ON FUNCTION waits_for_stock IS
'Whether a message that finds no stock is a later one of its flow that holds until there is some (SEMANTICS 3.9).';

ALTER TABLE message
    DROP CONSTRAINT message_purpose_check,
    ADD CONSTRAINT message_purpose_check CHECK (purpose IN (
        'back_in_stock', 'transactional', 'marketing', 'report', 'confirm_request', 'keep_request'
    ));
COMMENT ON COLUMN message.purpose IS
'confirm_request asks for double opt-in, keep_request whether it is still wanted (SEMANTICS 3.6).';
CREATE INDEX message_on_hold ON message (shop_id, variant_id) WHERE state = 'queued' AND reason = 'hold';

ALTER TABLE report_queue
    ALTER COLUMN variant_id DROP NOT NULL,
    ADD COLUMN product_id text COLLATE "C";
COMMENT ON COLUMN report_queue.product_id IS 'Set: asked for any variant of this product; place is among those of its queue.';
