-- name: is_any_open
-- Whether anybody asked this shop for any variant of a product: without them nothing here runs (SEMANTICS 1.6).
-- The smallest id, since EXISTS reads the whole table where the planner does not know yet that there are none.
SELECT min(product_id) IS NOT NULL AS is_any
FROM subscription
WHERE
    shop_id = :shop_id
    AND product_id IS NOT NULL
    AND state IN ('unconfirmed', 'waiting', 'released');

-- name: list_shops
-- Shops with open requests for any variant of a product.
SELECT shop.shop_id
FROM shop
CROSS JOIN LATERAL (
    SELECT min(subscription.product_id) AS product_id
    FROM subscription
    WHERE
        subscription.shop_id = shop.shop_id
        AND subscription.product_id IS NOT NULL
        AND subscription.state IN ('unconfirmed', 'waiting', 'released')
) AS smallest
WHERE smallest.product_id IS NOT NULL
ORDER BY shop.shop_id;

-- name: insert_requests
-- New requests for any variant of a product; as request.insert_requests does for one variant (SEMANTICS 1.6, 3.3).
WITH given AS (
    SELECT DISTINCT ON (request.profile_id, request.product_id)
        request.profile_id,
        request.product_id,
        string_agg(request.channels, ',') OVER theirs AS channels,
        last_value(request.wanted_quantity) OVER theirs AS wanted_quantity,
        request.locale,
        request.subscribed_at,
        request.proof
    FROM unnest(
        CAST(:profile_ids AS bigint[]), CAST(:product_ids AS text[]), CAST(:channels AS text[]),
        CAST(:wanted_quantities AS integer[]), CAST(:locales AS text[]), CAST(:subscribed_at AS timestamptz[]),
        CAST(:proofs AS jsonb[])
    ) WITH ORDINALITY
        AS request (profile_id, product_id, channels, wanted_quantity, locale, subscribed_at, proof, position)
    WINDOW theirs AS (
        PARTITION BY request.profile_id, request.product_id
        ORDER BY request.subscribed_at, request.position
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    )
    ORDER BY request.profile_id, request.product_id, request.subscribed_at, request.position
),

refused AS (
    SELECT
        given.profile_id,
        given.product_id
    FROM given
    WHERE CAST(:is_refused_in_stock AS boolean) AND EXISTS (
        SELECT 1
        FROM variant
        JOIN variant_stock AS stock USING (shop_id, variant_id)
        WHERE variant.shop_id = :shop_id AND variant.product_id = given.product_id AND stock.is_open
    )
),

fresh AS (
    SELECT
        given.*,
        (
            SELECT max(earlier.notified_at) + INTERVAL '24 hours'
            FROM subscription AS earlier
            LEFT JOIN variant USING (shop_id, variant_id)
            WHERE
                earlier.shop_id = :shop_id
                AND earlier.profile_id = given.profile_id
                AND coalesce(earlier.product_id, variant.product_id) = given.product_id
        ) AS not_before
    FROM given
    WHERE
        NOT EXISTS (
            SELECT 1
            FROM subscription AS earlier
            WHERE
                earlier.shop_id = :shop_id
                AND earlier.profile_id = given.profile_id
                AND earlier.product_id = given.product_id
                AND earlier.subscribed_at = given.subscribed_at
        )
        AND NOT EXISTS (
            SELECT 1
            FROM refused
            WHERE refused.profile_id = given.profile_id AND refused.product_id = given.product_id
        )
),

written AS (
    INSERT INTO subscription AS open_request (
        shop_id, product_id, profile_id, channels, wanted_quantity, locale, source, subscribed_at, created_at,
        restock_after, not_before, state, proof
    )
    SELECT
        :shop_id,
        product_id,
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
    ON CONFLICT (shop_id, product_id, profile_id)
    WHERE product_id IS NOT NULL AND state IN ('unconfirmed', 'waiting', 'released')
    DO UPDATE
        SET
            channels = ARRAY(
                SELECT DISTINCT channel
                FROM unnest(open_request.channels || excluded.channels) AS channel
                ORDER BY channel
            ),
            wanted_quantity = excluded.wanted_quantity,
            restock_after = CASE WHEN excluded.restock_after IS NOT NULL THEN open_request.restock_after END,
            state = CASE WHEN open_request.state = 'unconfirmed' THEN excluded.state ELSE open_request.state END
    RETURNING open_request.created_at = :now AND open_request.xmax = 0 AS is_new
)

SELECT
    count(*) FILTER (WHERE is_new) AS new_count,
    count(*) FILTER (WHERE NOT is_new) AS merged_count,
    (SELECT count(*) FROM refused) AS refused_count
FROM written;

-- name: step_aside
-- Who asks for the very variant in whose queue their request for any variant stands: the variant's wins (SEMANTICS 1.6).
UPDATE subscription
SET variant_id = NULL
FROM unnest(CAST(:profile_ids AS bigint[]), CAST(:variant_ids AS text[])) AS given (profile_id, variant_id)
WHERE
    subscription.shop_id = :shop_id
    AND subscription.profile_id = given.profile_id
    AND subscription.variant_id = given.variant_id
    AND subscription.product_id IS NOT NULL
    AND subscription.state = 'waiting'
RETURNING
    given.profile_id,
    given.variant_id;

-- name: find_product
-- The product of a variant, if it has one.
SELECT product_id
FROM variant
WHERE shop_id = :shop_id AND variant_id = :variant_id AND product_id IS NOT NULL;

-- name: list_touched_products
-- Products of the touched variants that somebody waits for in any variant.
SELECT DISTINCT variant.product_id
FROM touched_variant
JOIN variant ON variant.shop_id = :shop_id AND variant.variant_id = touched_variant.variant_id
WHERE touched_variant.snapshot_id = :snapshot_id AND EXISTS (
    SELECT 1
    FROM subscription
    WHERE
        subscription.shop_id = :shop_id
        AND subscription.product_id = variant.product_id
        AND subscription.state = 'waiting'
)
ORDER BY variant.product_id;

-- name: place
-- Requests for any variant stand in the queue of the variant that opened first, the lowest id on a tie, and leave it
-- when it closes; who asked for an open variant by name waits for that one only (SEMANTICS 1.6). Those of all who wait
-- for some products, and those that some people have for the product of what they wish for.
WITH candidate AS MATERIALIZED (
    SELECT
        subscription_id,
        profile_id,
        product_id,
        variant_id,
        restock_after,
        not_before
    FROM subscription
    WHERE
        shop_id = :shop_id
        AND product_id = ANY (CAST(:product_ids AS text[]))
        AND state = 'waiting'
    UNION
    SELECT
        subscription.subscription_id,
        subscription.profile_id,
        subscription.product_id,
        subscription.variant_id,
        subscription.restock_after,
        subscription.not_before
    FROM unnest(
        CAST(:profile_ids AS bigint[]), CAST(:wished_variant_ids AS text[]), CAST(:wished_product_ids AS text[])
    ) AS wish (profile_id, variant_id, product_id)
    LEFT JOIN variant ON variant.shop_id = :shop_id AND variant.variant_id = wish.variant_id
    JOIN subscription
        ON
            subscription.shop_id = :shop_id
            AND subscription.product_id = coalesce(wish.product_id, variant.product_id)
            AND subscription.profile_id = wish.profile_id
    WHERE subscription.state = 'waiting'
),

goal AS MATERIALIZED (
    SELECT
        candidate.subscription_id,
        candidate.variant_id AS old_variant_id,
        candidate.not_before,
        choice.variant_id
    FROM candidate
    -- Looked up person by person: joined as a whole, it reads every request for a variant that is open.
    CROSS JOIN LATERAL (
        SELECT count(*) > 0 AS is_awaited
        FROM (
            SELECT
                shop_id,
                variant_id,
                restock_after
            FROM subscription
            WHERE
                shop_id = :shop_id
                AND profile_id = candidate.profile_id
                AND product_id IS NULL
                AND state IN ('waiting', 'released')
            OFFSET 0
        ) AS own
        JOIN variant USING (shop_id, variant_id)
        JOIN variant_stock AS stock USING (shop_id, variant_id)
        WHERE
            variant.product_id = candidate.product_id
            AND stock.is_open
            AND (own.restock_after IS NULL OR own.restock_after < stock.restocked_at)
    ) AS named
    LEFT JOIN LATERAL (
        SELECT stock.variant_id
        FROM variant
        JOIN variant_stock AS stock USING (shop_id, variant_id)
        WHERE
            variant.shop_id = :shop_id
            AND variant.product_id = candidate.product_id
            AND stock.is_open
            AND (candidate.restock_after IS NULL OR candidate.restock_after < stock.restocked_at)
            AND NOT EXISTS (
                SELECT 1
                FROM subscription AS own
                WHERE
                    own.shop_id = :shop_id
                    AND own.profile_id = candidate.profile_id
                    AND own.variant_id = stock.variant_id
                    AND own.subscription_id <> candidate.subscription_id
                    AND own.state IN ('unconfirmed', 'waiting', 'released')
            )
        ORDER BY stock.variant_id IS DISTINCT FROM candidate.variant_id, stock.opened_at, stock.variant_id
        LIMIT 1
    ) AS choice
        ON NOT named.is_awaited
),

placed AS (
    UPDATE subscription
    SET variant_id = goal.variant_id
    FROM goal
    WHERE
        subscription.shop_id = :shop_id
        AND subscription.subscription_id = goal.subscription_id
        AND subscription.state = 'waiting'
        AND goal.variant_id IS DISTINCT FROM goal.old_variant_id
    RETURNING
        subscription.variant_id,
        goal.not_before
),

joined AS (
    SELECT
        variant_id,
        min(greatest(:now, not_before)) AS check_at,
        count(*) AS joined_count
    FROM placed
    WHERE variant_id IS NOT NULL
    GROUP BY variant_id
),

woken AS (
    UPDATE variant_stock AS stock
    SET next_check_at = least(
        coalesce(stock.next_check_at, 'infinity'), greatest(joined.check_at, stock.next_release_at)
    )
    FROM joined
    WHERE stock.shop_id = :shop_id AND stock.variant_id = joined.variant_id
)

SELECT
    coalesce(sum(joined_count), 0) AS joined_count,
    (SELECT count(*) FROM placed WHERE variant_id IS NULL) AS left_count
FROM joined;

-- name: cover
-- Releasing a request for a variant or for any variant ends the other one of the same person (SEMANTICS 1.6).
WITH released AS MATERIALIZED (
    SELECT
        subscription.shop_id,
        subscription.subscription_id,
        subscription.profile_id,
        subscription.product_id IS NOT NULL AS is_for_any,
        coalesce(subscription.product_id, variant.product_id) AS product_id
    FROM batch
    JOIN subscription
        ON subscription.shop_id = batch.shop_id AND subscription.batch_id = batch.batch_id
    LEFT JOIN variant
        ON variant.shop_id = subscription.shop_id AND variant.variant_id = subscription.variant_id
    WHERE
        batch.run_id = :run_id
        AND batch.shop_id = ANY (CAST(:shop_ids AS text[]))
        AND subscription.state = 'released'
),

covered AS (
    SELECT
        other.shop_id,
        other.subscription_id,
        released.subscription_id AS covered_by
    FROM released
    JOIN subscription AS other
        ON
            other.shop_id = released.shop_id
            AND other.product_id = released.product_id
            AND other.profile_id = released.profile_id
            AND other.state = 'waiting'
    WHERE NOT released.is_for_any
    UNION ALL
    SELECT
        other.shop_id,
        other.subscription_id,
        released.subscription_id
    FROM released
    JOIN variant ON variant.shop_id = released.shop_id AND variant.product_id = released.product_id
    JOIN subscription AS other
        ON
            other.shop_id = released.shop_id
            AND other.profile_id = released.profile_id
            AND other.variant_id = variant.variant_id
            AND other.product_id IS NULL
            AND other.state = 'waiting'
    WHERE released.is_for_any
)

UPDATE subscription
SET
    state = 'skipped',
    reason = 'covered',
    variant_id = CASE WHEN subscription.product_id IS NULL THEN subscription.variant_id END,
    covered_by = covered.covered_by,
    ended_at = :now
FROM covered
WHERE subscription.shop_id = covered.shop_id AND subscription.subscription_id = covered.subscription_id
RETURNING subscription.subscription_id;

-- name: uncover
-- Requests whose covering one was not told after all wait again in their old place, unless asked for anew since.
WITH uncovered AS (
    UPDATE subscription
    SET
        state = 'waiting',
        reason = NULL,
        covered_by = NULL,
        ended_at = NULL
    FROM unnest(
        CAST(:shop_ids AS text[]), CAST(:subscription_ids AS bigint[])
    ) AS returned (shop_id, subscription_id)
    WHERE
        subscription.shop_id = returned.shop_id
        AND subscription.covered_by = returned.subscription_id
        AND NOT EXISTS (
            SELECT 1
            FROM subscription AS newer
            WHERE
                newer.shop_id = subscription.shop_id
                AND newer.profile_id = subscription.profile_id
                AND newer.state IN ('unconfirmed', 'waiting', 'released')
                AND (
                    newer.variant_id = subscription.variant_id
                    OR newer.product_id = subscription.product_id
                )
        )
    RETURNING
        subscription.shop_id,
        subscription.variant_id
)

UPDATE variant_stock AS stock
SET next_check_at = least(
    coalesce(stock.next_check_at, 'infinity'), greatest(:now, coalesce(stock.next_release_at, :now))
)
WHERE stock.is_open AND (stock.shop_id, stock.variant_id) IN (
    SELECT
        uncovered.shop_id,
        uncovered.variant_id
    FROM uncovered
    WHERE uncovered.variant_id IS NOT NULL
);
