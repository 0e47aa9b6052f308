-- name: which_orders
-- Ways of choosing that this look needs: by the queue's index, or by sorting a variant's queue.
SELECT DISTINCT CASE
    WHEN sizing = 'people' AND ordering IN ('oldest', 'newest') THEN ordering
    ELSE 'sorted'
END AS way
FROM release_decision
WHERE hold_reason IS NULL
ORDER BY way;

-- name: choose_oldest
-- The oldest who can be told, as many as each variant allows; the queue's index gives them in order (SEMANTICS 4.2).
-- `num_nonnulls`, since of two IS NULL the planner expects that nearly nobody passes, and sorts the whole queue.
INSERT INTO release_choice (shop_id, variant_id, subscription_id, subscribed_at, place, verdict)
SELECT
    decision.shop_id,
    decision.variant_id,
    choice.subscription_id,
    choice.subscribed_at,
    choice.place,
    'released'
FROM release_decision AS decision
CROSS JOIN LATERAL (
    SELECT
        subscription.subscription_id,
        subscription.subscribed_at,
        row_number() OVER (ORDER BY subscription.subscribed_at, subscription.subscription_id) AS place
    FROM subscription
    JOIN profile
        ON profile.shop_id = subscription.shop_id AND profile.profile_id = subscription.profile_id
    LEFT JOIN suppression
        ON
            suppression.shop_id = profile.shop_id
            AND suppression.channel = 'EMAIL'
            AND suppression.address_key = profile.email_key
    LEFT JOIN consent AS objection
        ON
            objection.shop_id = profile.shop_id
            AND objection.profile_id = profile.profile_id
            AND objection.channel = 'EMAIL'
            AND objection.purpose = 'alert'
            AND objection.state = 'withdrawn'
    WHERE
        subscription.shop_id = decision.shop_id
        AND subscription.variant_id = decision.variant_id
        AND subscription.state = 'waiting'
        AND num_nonnulls(
            deferral_reason(subscription.restock_after, decision.restocked_at, subscription.not_before, :now),
            unreachable_reason(
                subscription.channels, CAST(:telling_channels AS text[]), profile.email IS NOT NULL, suppression.reason,
                objection.state, profile.shop_id, profile.profile_id
            )
        ) < 1
    ORDER BY subscription.subscribed_at, subscription.subscription_id
    LIMIT decision.allowed_count
) AS choice
WHERE decision.hold_reason IS NULL AND decision.sizing = 'people' AND decision.ordering = 'oldest';

-- name: choose_newest
-- The same from the other end of the queue (SEMANTICS 4.2).
INSERT INTO release_choice (shop_id, variant_id, subscription_id, subscribed_at, place, verdict)
SELECT
    decision.shop_id,
    decision.variant_id,
    choice.subscription_id,
    choice.subscribed_at,
    choice.place,
    'released'
FROM release_decision AS decision
CROSS JOIN LATERAL (
    SELECT
        subscription.subscription_id,
        subscription.subscribed_at,
        row_number() OVER (ORDER BY subscription.subscribed_at DESC, subscription.subscription_id DESC) AS place
    FROM subscription
    JOIN profile
        ON profile.shop_id = subscription.shop_id AND profile.profile_id = subscription.profile_id
    LEFT JOIN suppression
        ON
            suppression.shop_id = profile.shop_id
            AND suppression.channel = 'EMAIL'
            AND suppression.address_key = profile.email_key
    LEFT JOIN consent AS objection
        ON
            objection.shop_id = profile.shop_id
            AND objection.profile_id = profile.profile_id
            AND objection.channel = 'EMAIL'
            AND objection.purpose = 'alert'
            AND objection.state = 'withdrawn'
    WHERE
        subscription.shop_id = decision.shop_id
        AND subscription.variant_id = decision.variant_id
        AND subscription.state = 'waiting'
        AND num_nonnulls(
            deferral_reason(subscription.restock_after, decision.restocked_at, subscription.not_before, :now),
            unreachable_reason(
                subscription.channels, CAST(:telling_channels AS text[]), profile.email IS NOT NULL, suppression.reason,
                objection.state, profile.shop_id, profile.profile_id
            )
        ) < 1
    ORDER BY subscription.subscribed_at DESC, subscription.subscription_id DESC
    LIMIT decision.allowed_count
) AS choice
WHERE decision.hold_reason IS NULL AND decision.sizing = 'people' AND decision.ordering = 'newest';

-- name: choose_scanned
-- Who stands before the last one chosen, or anywhere if nobody was left out, and can't be told: skipped or passed over.
-- Variant by variant and person by person (OFFSET 0): joined as a whole, it may read everybody there is.
WITH last AS (
    SELECT
        decision.shop_id,
        decision.variant_id,
        decision.ordering,
        choice.subscribed_at,
        choice.subscription_id
    FROM release_decision AS decision
    JOIN release_choice AS choice
        ON
            choice.shop_id = decision.shop_id
            AND choice.variant_id = decision.variant_id
            AND choice.place = decision.allowed_count
    WHERE decision.sizing = 'people' AND decision.ordering IN ('oldest', 'newest')
)

INSERT INTO release_choice (shop_id, variant_id, subscription_id, subscribed_at, verdict, reason)
SELECT
    decision.shop_id,
    decision.variant_id,
    scanned.subscription_id,
    scanned.subscribed_at,
    CASE WHEN scanned.deferral IS NULL THEN 'skipped' ELSE 'passed' END,
    coalesce(scanned.deferral, scanned.unreachable)
FROM release_decision AS decision
LEFT JOIN last AS up_to
    ON
        up_to.shop_id = decision.shop_id
        AND up_to.variant_id = decision.variant_id
        AND up_to.ordering = 'oldest'
LEFT JOIN last AS down_to
    ON
        down_to.shop_id = decision.shop_id
        AND down_to.variant_id = decision.variant_id
        AND down_to.ordering = 'newest'
CROSS JOIN LATERAL (
    SELECT
        subscription.subscription_id,
        subscription.subscribed_at,
        subscription.reason,
        deferral_reason(
            subscription.restock_after, decision.restocked_at, subscription.not_before, :now
        ) AS deferral,
        person.unreachable
    FROM subscription
    CROSS JOIN LATERAL (
        SELECT
            unreachable_reason(
                subscription.channels, CAST(:telling_channels AS text[]), profile.email IS NOT NULL, suppression.reason,
                objection.state, profile.shop_id, profile.profile_id
            ) AS unreachable
        FROM profile
        LEFT JOIN suppression
            ON
                suppression.shop_id = profile.shop_id
                AND suppression.channel = 'EMAIL'
                AND suppression.address_key = profile.email_key
        LEFT JOIN consent AS objection
            ON
                objection.shop_id = profile.shop_id
                AND objection.profile_id = profile.profile_id
                AND objection.channel = 'EMAIL'
                AND objection.purpose = 'alert'
                AND objection.state = 'withdrawn'
        WHERE profile.shop_id = subscription.shop_id AND profile.profile_id = subscription.profile_id
        OFFSET 0
    ) AS person
    WHERE
        subscription.shop_id = decision.shop_id
        AND subscription.variant_id = decision.variant_id
        AND subscription.state = 'waiting'
        AND (subscription.subscribed_at, subscription.subscription_id)
        < (coalesce(up_to.subscribed_at, 'infinity'), coalesce(up_to.subscription_id, 0))
        AND (subscription.subscribed_at, subscription.subscription_id)
        > (coalesce(down_to.subscribed_at, '-infinity'), coalesce(down_to.subscription_id, 0))
    OFFSET 0
) AS scanned
WHERE
    decision.hold_reason IS NULL
    AND decision.sizing = 'people'
    AND decision.ordering IN ('oldest', 'newest')
    AND CASE
        WHEN scanned.deferral IS NULL THEN scanned.unreachable IS NOT NULL
        ELSE scanned.reason IS DISTINCT FROM scanned.deferral
    END;

-- name: choose_sorted
-- VIPs first, a lottery, or by wanted units: each variant's queue is sorted and walked once (SEMANTICS 4.2, 4.5);
-- specification: include/domain/release.py: choose_people.
WITH queued AS (
    SELECT
        decision.shop_id,
        decision.variant_id,
        decision.allowed_count,
        decision.units,
        decision.sizing = 'wanted_units' AS counts_units,
        decision.allow_overtaking,
        decision.ordering = 'newest' AS is_reversed,
        subscription.subscription_id,
        subscription.subscribed_at,
        subscription.wanted_quantity,
        subscription.reason AS old_reason,
        queue_key(
            decision.ordering, decision.seed, is_vip(profile.properties, decision.vip_property),
            subscription.subscribed_at, subscription.subscription_id
        ) AS first_key,
        deferral_reason(
            subscription.restock_after, decision.restocked_at, subscription.not_before, :now
        ) AS deferral,
        unreachable_reason(
            subscription.channels, CAST(:telling_channels AS text[]), profile.email IS NOT NULL, suppression.reason,
            objection.state, profile.shop_id, profile.profile_id
        ) AS unreachable
    FROM release_decision AS decision
    JOIN subscription
        ON
            subscription.shop_id = decision.shop_id
            AND subscription.variant_id = decision.variant_id
            AND subscription.state = 'waiting'
    JOIN profile
        ON profile.shop_id = subscription.shop_id AND profile.profile_id = subscription.profile_id
    LEFT JOIN suppression
        ON
            suppression.shop_id = profile.shop_id
            AND suppression.channel = 'EMAIL'
            AND suppression.address_key = profile.email_key
    LEFT JOIN consent AS objection
        ON
            objection.shop_id = profile.shop_id
            AND objection.profile_id = profile.profile_id
            AND objection.channel = 'EMAIL'
            AND objection.purpose = 'alert'
            AND objection.state = 'withdrawn'
    WHERE
        decision.hold_reason IS NULL
        AND NOT (decision.sizing = 'people' AND decision.ordering IN ('oldest', 'newest'))
),

placed AS (
    SELECT
        queued.*,
        row_number() OVER in_order AS place,
        CASE
            WHEN deferral IS NOT NULL OR unreachable IS NOT NULL THEN 0
            WHEN NOT counts_units THEN 1
            WHEN wanted_quantity > units THEN 0
            ELSE wanted_quantity
        END AS size
    FROM queued
    WINDOW in_order AS (
        PARTITION BY shop_id, variant_id
        ORDER BY
            first_key COLLATE "C",
            CASE WHEN NOT is_reversed THEN subscribed_at END,
            CASE WHEN NOT is_reversed THEN subscription_id END,
            subscribed_at DESC,
            subscription_id DESC
    )
),

walked AS (
    SELECT
        placed.*,
        CASE
            WHEN allow_overtaking THEN units_taken(size, allowed_count) OVER so_far
            ELSE sum(size) OVER so_far
        END AS taken_units
    FROM placed
    WINDOW so_far AS (PARTITION BY shop_id, variant_id ORDER BY place ROWS UNBOUNDED PRECEDING)
),

taken AS (
    SELECT
        walked.*,
        size > 0 AND CASE
            WHEN allowed_count IS NULL THEN true
            WHEN allow_overtaking
                THEN taken_units > lag(taken_units, 1, 0) OVER (PARTITION BY shop_id, variant_id ORDER BY place)
            ELSE taken_units <= allowed_count
        END AS is_taken
    FROM walked
),

ended AS (
    SELECT
        taken.*,
        CASE
            WHEN coalesce(sum(size) FILTER (WHERE is_taken) OVER whole, 0) = allowed_count
                THEN max(place) FILTER (WHERE is_taken) OVER whole
            WHEN NOT allow_overtaking THEN min(place) FILTER (WHERE size > 0 AND NOT is_taken) OVER whole
        END AS last_place
    FROM taken
    WINDOW whole AS (PARTITION BY shop_id, variant_id)
),

judged AS (
    SELECT
        ended.*,
        CASE
            WHEN is_taken THEN 'released'
            WHEN deferral IS NULL AND unreachable IS NOT NULL THEN 'skipped'
            ELSE 'passed'
        END AS verdict,
        CASE
            WHEN is_taken THEN NULL
            ELSE coalesce(deferral, unreachable, CASE WHEN size = 0 THEN 'wants_more' ELSE 'does_not_fit' END)
        END AS reason
    FROM ended
    WHERE last_place IS NULL OR place <= last_place
)

INSERT INTO release_choice (shop_id, variant_id, subscription_id, subscribed_at, place, verdict, reason)
SELECT
    shop_id,
    variant_id,
    subscription_id,
    subscribed_at,
    place,
    verdict,
    reason
FROM judged
WHERE verdict <> 'passed' OR reason = 'does_not_fit' OR reason IS DISTINCT FROM old_reason
ORDER BY shop_id, variant_id, place;
