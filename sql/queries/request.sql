-- name: insert_requests
-- New requests; one that is open already takes the channels and the wanted quantity and keeps its place (3.3), and
-- so does the first of several of one person among those given.
-- A request that was taken before, with this very date, is not taken again (3.7); one for what is in stock may be
-- refused (3.5).
WITH given AS (
    SELECT DISTINCT ON (request.profile_id, request.variant_id)
        request.profile_id,
        request.variant_id,
        string_agg(request.channels, ',') OVER theirs AS channels,
        last_value(request.wanted_quantity) OVER theirs AS wanted_quantity,
        request.locale,
        request.subscribed_at,
        request.proof
    FROM unnest(
        CAST(:profile_ids AS bigint[]), CAST(:variant_ids AS text[]), CAST(:channels AS text[]),
        CAST(:wanted_quantities AS integer[]), CAST(:locales AS text[]), CAST(:subscribed_at AS timestamptz[]),
        CAST(:proofs AS jsonb[])
    ) WITH ORDINALITY
        AS request (profile_id, variant_id, channels, wanted_quantity, locale, subscribed_at, proof, position)
    WINDOW theirs AS (
        PARTITION BY request.profile_id, request.variant_id
        ORDER BY request.subscribed_at, request.position
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    )
    ORDER BY request.profile_id, request.variant_id, request.subscribed_at, request.position
),

refused AS (
    SELECT
        given.profile_id,
        given.variant_id
    FROM given
    JOIN variant_stock AS stock ON stock.shop_id = :shop_id AND stock.variant_id = given.variant_id
    WHERE CAST(:is_refused_in_stock AS boolean) AND stock.is_open
),

fresh AS (
    SELECT
        given.*,
        (
            SELECT max(earlier.notified_at) + INTERVAL '24 hours'
            FROM subscription AS earlier
            WHERE
                earlier.shop_id = :shop_id
                AND earlier.profile_id = given.profile_id
                AND earlier.variant_id = given.variant_id
        ) AS not_before
    FROM given
    WHERE
        NOT EXISTS (
            SELECT 1
            FROM subscription AS earlier
            WHERE
                earlier.shop_id = :shop_id
                AND earlier.profile_id = given.profile_id
                AND earlier.variant_id = given.variant_id
                AND earlier.subscribed_at = given.subscribed_at
        )
        AND NOT EXISTS (
            SELECT 1
            FROM refused
            WHERE refused.profile_id = given.profile_id AND refused.variant_id = given.variant_id
        )
),

written AS (
    INSERT INTO subscription AS open_request (
        shop_id, variant_id, profile_id, channels, wanted_quantity, locale, source, subscribed_at, created_at,
        restock_after, not_before, state, proof
    )
    SELECT
        :shop_id,
        variant_id,
        profile_id,
        ARRAY(
            SELECT channel
            FROM string_to_table(channels, ',') WITH ORDINALITY AS asked_for (channel, position)
            GROUP BY channel
            ORDER BY min(position)
        ),
        wanted_quantity,
        locale,
        :source,
        subscribed_at,
        :now,
        CASE WHEN CAST(:needs_restock AS boolean) THEN CAST(:now AS timestamptz) END,
        CASE WHEN not_before > :now THEN not_before END,
        :state,
        proof
    FROM fresh
    ORDER BY subscribed_at, profile_id
    ON CONFLICT (shop_id, variant_id, profile_id) WHERE state IN ('unconfirmed', 'waiting', 'released')
    DO UPDATE
        SET
            channels = ARRAY(
                SELECT DISTINCT channel
                FROM unnest(open_request.channels || excluded.channels) AS channel
                ORDER BY channel
            ),
            wanted_quantity = excluded.wanted_quantity,
            -- Who asks to be told at once is told at once, whatever an import said of the request before (3.5).
            restock_after = CASE WHEN excluded.restock_after IS NOT NULL THEN open_request.restock_after END,
            -- Who is imported need not confirm any more (3.6).
            state = CASE WHEN open_request.state = 'unconfirmed' THEN excluded.state ELSE open_request.state END
        -- A request for any variant stands aside first, then this one is written: product_request.step_aside.
        WHERE open_request.product_id IS NULL OR open_request.state <> 'waiting'
    RETURNING
        open_request.variant_id,
        open_request.restock_after,
        open_request.not_before,
        open_request.state,
        open_request.created_at = :now AND open_request.xmax = 0 AS is_new
),

woken AS (
    UPDATE variant_stock AS stock
    SET next_check_at = earliest.check_at
    FROM (
        SELECT
            awaited.variant_id,
            greatest(
                :now, min(coalesce(awaited.not_before, :now)), min(coalesce(known.next_release_at, :now))
            ) AS check_at
        FROM written AS awaited
        JOIN variant_stock AS known
            ON known.shop_id = :shop_id AND known.variant_id = awaited.variant_id
        WHERE
            known.is_open
            AND awaited.state = 'waiting'
            AND (awaited.restock_after IS NULL OR awaited.restock_after < known.restocked_at)
        GROUP BY awaited.variant_id
    ) AS earliest
    WHERE
        stock.shop_id = :shop_id
        AND stock.variant_id = earliest.variant_id
        AND (stock.next_check_at IS NULL OR stock.next_check_at > earliest.check_at)
    RETURNING 1
)

SELECT
    count(*) FILTER (WHERE is_new) AS new_count,
    count(*) FILTER (WHERE NOT is_new) AS merged_count,
    (SELECT count(*) FROM refused) AS refused_count,
    (SELECT count(*) FROM woken) AS woken_count,
    (SELECT count(*) FROM fresh) - count(*) AS unwritten_count,
    (
        SELECT min(product_id) IS NOT NULL
        FROM subscription
        WHERE
            shop_id = :shop_id
            AND product_id IS NOT NULL
            AND state IN ('unconfirmed', 'waiting', 'released')
    ) AS has_product_requests
FROM written;

-- name: find_asked
-- What each of these people asked for: the request that is open, else the one of that very date.
SELECT DISTINCT ON (asked.position)
    asked.position,
    subscription.subscription_id,
    subscription.state
FROM unnest(
    CAST(:profile_ids AS bigint[]), CAST(:variant_ids AS text[]), CAST(:product_ids AS text[]),
    CAST(:subscribed_at AS timestamptz[])
) WITH ORDINALITY AS asked (profile_id, variant_id, product_id, subscribed_at, position)
JOIN subscription
    ON
        subscription.shop_id = :shop_id
        AND subscription.profile_id = asked.profile_id
        AND CASE
            WHEN asked.product_id IS NULL
                THEN subscription.product_id IS NULL AND subscription.variant_id = asked.variant_id
            ELSE subscription.product_id = asked.product_id
        END
        AND (
            subscription.state IN ('unconfirmed', 'waiting', 'released')
            OR subscription.subscribed_at = asked.subscribed_at
        )
ORDER BY
    asked.position,
    subscription.state IN ('unconfirmed', 'waiting', 'released') DESC,
    subscription.subscription_id DESC;

-- name: count_open_now
-- Of those who wait: for what is open now, for what no catalog knows yet (3.4), on channels that have no sender (3.1).
SELECT
    count(*) FILTER (WHERE stock.is_open) AS open_count,
    count(*) FILTER (
        WHERE
        CASE
            WHEN subscription.product_id IS NULL THEN variant.variant_id IS NULL
            ELSE subscription.variant_id IS NULL AND NOT EXISTS (
                SELECT 1
                FROM variant AS any_variant
                WHERE
                    any_variant.shop_id = subscription.shop_id
                    AND any_variant.product_id = subscription.product_id
            )
        END
    ) AS unmatched_count,
    count(*) FILTER (WHERE NOT (subscription.channels && CAST(:sending_channels AS text[]))) AS undeliverable_count,
    count(*) AS waiting_count,
    (
        SELECT count(*)
        FROM subscription AS unconfirmed
        WHERE unconfirmed.shop_id = :shop_id AND unconfirmed.state = 'unconfirmed'
    ) AS unconfirmed_count
FROM subscription
LEFT JOIN variant_stock AS stock
    ON stock.shop_id = subscription.shop_id AND stock.variant_id = subscription.variant_id
LEFT JOIN variant
    ON variant.shop_id = subscription.shop_id AND variant.variant_id = subscription.variant_id
WHERE subscription.shop_id = :shop_id AND subscription.state = 'waiting';

-- name: note_import_rejects
-- Refused lines of an import, each with its reason; the same file again adds nothing.
INSERT INTO import_reject (shop_id, file_digest, line_number, reason, imported_at)
SELECT
    :shop_id,
    :file_digest,
    line_number,
    reason,
    :now
FROM unnest(CAST(:line_numbers AS bigint[]), CAST(:reasons AS text[])) AS refused (line_number, reason)
ON CONFLICT (shop_id, file_digest, line_number) DO NOTHING;

-- name: list_import_rejects
-- Refused lines of a shop's imports, the newest import first; no address.
SELECT
    left(file_digest, 12) AS file,
    line_number,
    reason,
    imported_at
FROM import_reject
WHERE shop_id = :shop_id
ORDER BY imported_at DESC, file_digest, line_number
LIMIT :most;

-- name: export_waiting
-- The waiting list of a shop in the form that an import takes, oldest first.
SELECT
    profile.email,
    profile.phone,
    profile.external_id,
    CASE WHEN subscription.product_id IS NULL THEN subscription.variant_id END AS variant_id,
    subscription.product_id,
    subscription.subscribed_at,
    array_to_string(subscription.channels, ',') AS channels,
    subscription.wanted_quantity,
    profile.first_name,
    profile.last_name,
    subscription.locale
FROM subscription
JOIN profile USING (shop_id, profile_id)
WHERE subscription.shop_id = :shop_id AND subscription.state = 'waiting'
ORDER BY subscription.subscribed_at, subscription.subscription_id;

-- name: cancel_request
-- One request ends with its flows and the messages that have not left; the others of the person stay (SEMANTICS 3.6).
WITH cancelled AS (
    UPDATE subscription
    SET
        state = 'cancelled',
        reason = 'cancelled',
        ended_at = :now
    WHERE
        shop_id = :shop_id
        AND subscription_id = :subscription_id
        AND state IN ('unconfirmed', 'waiting', 'released')
    RETURNING
        profile_id,
        variant_id,
        product_id
),

stopped AS (
    UPDATE enrolment
    SET
        state = 'ended',
        reason = 'cancelled',
        step_id = NULL,
        due_at = NULL,
        ended_at = :now
    WHERE shop_id = :shop_id AND subscription_id = :subscription_id AND state = 'active'
    RETURNING enrolment_id
),

unsent AS (
    UPDATE message
    SET
        state = 'skipped',
        reason = 'cancelled',
        parked_domain = NULL,
        ended_at = :now
    WHERE shop_id = :shop_id AND subscription_id = :subscription_id AND state = 'queued'
    RETURNING message_id
)

SELECT
    (SELECT count(*) FROM cancelled) AS request_count,
    (SELECT profile_id FROM cancelled) AS profile_id,
    (SELECT variant_id FROM cancelled) AS variant_id,
    (SELECT product_id FROM cancelled) AS product_id,
    (SELECT count(*) FROM stopped) AS enrolment_count,
    (SELECT count(*) FROM unsent) AS message_count;

-- name: suppress_profile
-- Somebody does not want to be written to; it holds before the next message leaves (SEMANTICS 10.2).
INSERT INTO suppression (shop_id, channel, address_key, reason, suppressed_at)
SELECT
    shop_id,
    'EMAIL',
    email_key,
    'unsubscribed',
    :now
FROM profile
WHERE shop_id = :shop_id AND profile_id = :profile_id AND email_key IS NOT NULL
ON CONFLICT DO NOTHING
RETURNING address_key;

-- name: list_requests
-- Requests of a shop in the order of their ids, with who they are of.
SELECT
    subscription.subscription_id,
    subscription.variant_id,
    subscription.product_id,
    subscription.channels,
    subscription.wanted_quantity,
    subscription.locale,
    subscription.source,
    subscription.subscribed_at,
    subscription.state,
    subscription.reason,
    subscription.released_at,
    subscription.notified_at,
    subscription.ended_at,
    profile.profile_id,
    profile.email,
    profile.phone,
    profile.external_id
FROM subscription
JOIN profile ON profile.shop_id = subscription.shop_id AND profile.profile_id = subscription.profile_id
WHERE
    subscription.shop_id = :shop_id
    AND subscription.subscription_id > :after_id
    AND (CAST(:subscription_id AS bigint) IS NULL OR subscription.subscription_id = :subscription_id)
    AND (CAST(:state AS text) IS NULL OR subscription.state = :state)
    AND (CAST(:variant_id AS text) IS NULL OR subscription.variant_id = :variant_id)
    AND (CAST(:product_id AS text) IS NULL OR subscription.product_id = :product_id)
    AND (CAST(:email_key AS text) IS NULL OR profile.email_key = :email_key)
ORDER BY subscription.subscription_id
LIMIT :most;
