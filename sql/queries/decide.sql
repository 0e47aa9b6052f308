-- name: clear_work
-- The work tables of a release start empty.
TRUNCATE release_decision, release_choice;

-- name: decide_due
-- How many people each due variant may release by its rules, or why none (SEMANTICS 4.1); specification:
-- include/domain/release.py: allow_release. With a variant given, that one is looked at, due or not.
INSERT INTO release_decision (
    shop_id, variant_id, rules, rule_origins, min_inventory, customers_per_unit, wait_minutes, ordering,
    vip_property, sizing, allow_overtaking, approval_above, approval_hours, available, units, basis_units, cycle,
    observed_at, restocked_at, waiting_count, in_flight_count, invited_count,
    allowed_count, hold_reason, seed
)
WITH due AS (
    SELECT
        shop_id,
        variant_id
    FROM variant_stock
    WHERE CAST(:variant_id AS text) IS NULL AND next_check_at <= :now
    UNION ALL
    SELECT
        CAST(:shop_id AS text),
        CAST(:variant_id AS text)
    WHERE CAST(:variant_id AS text) IS NOT NULL
),

stock AS MATERIALIZED (
    SELECT
        variant_stock.shop_id,
        variant_stock.variant_id,
        variant_stock.available,
        variant_stock.units,
        variant_stock.added_units,
        variant_stock.is_open,
        variant_stock.is_absent,
        variant_stock.cycle,
        variant_stock.batched_cycle,
        variant_stock.observed_at,
        variant_stock.restocked_at,
        variant_stock.next_release_at,
        variant_stock.declined_until
    FROM variant_stock
    JOIN due USING (shop_id, variant_id)
    ORDER BY variant_stock.shop_id, variant_stock.variant_id
    FOR UPDATE OF variant_stock
),

freshness AS (
    SELECT
        shop.shop_id,
        shop.max_stock_age,
        newest.observed_at AS full_at,
        refused.observed_at AS refused_at
    FROM shop
    LEFT JOIN LATERAL (
        SELECT max(snapshot.observed_at) AS observed_at
        FROM snapshot
        WHERE
            snapshot.shop_id = shop.shop_id
            AND NOT snapshot.is_delivery
            AND snapshot.detected_at IS NOT NULL
    ) AS newest ON true
    LEFT JOIN LATERAL (
        SELECT max(snapshot.observed_at) AS observed_at
        FROM snapshot
        WHERE snapshot.shop_id = shop.shop_id AND snapshot.state = 'rejected'
    ) AS refused ON true
),

ruled AS (
    SELECT
        stock.*,
        CAST(:rules AS jsonb) || coalesce(effective.changed, '{}') AS rules,
        coalesce(effective.origins, '{}') AS rule_origins
    FROM stock
    LEFT JOIN variant
        ON
            CAST(:has_overrides AS boolean)
            AND variant.shop_id = stock.shop_id
            AND variant.variant_id = stock.variant_id
    LEFT JOIN LATERAL effective_rules(
        :rule_set_id, stock.shop_id, stock.variant_id, variant.product_id, variant.collections
    ) AS effective ON CAST(:has_overrides AS boolean)
),

considered AS (
    SELECT
        ruled.*,
        CAST(ruled.rules ->> 'min_inventory' AS bigint) AS min_inventory,
        CAST(nullif(ruled.rules ->> 'customers_per_unit', 'all') AS bigint) AS customers_per_unit,
        CAST(ruled.rules ->> 'wait_minutes' AS double precision) AS wait_minutes,
        ruled.rules ->> 'sizing' AS sizing,
        CASE
            WHEN ruled.rules ->> 'basis' = 'on_hand' OR ruled.batched_cycle IS DISTINCT FROM ruled.cycle THEN ruled.units
            ELSE least(ruled.added_units, ruled.units)
        END AS basis_units,
        greatest(ruled.observed_at, freshness.full_at) AS seen_at,
        freshness.refused_at,
        freshness.max_stock_age,
        proposal.batch_id IS NOT NULL AS is_proposed,
        coalesce(proposal.released_count, 0) AS proposed_count
    FROM ruled
    JOIN freshness ON freshness.shop_id = ruled.shop_id
    LEFT JOIN batch AS proposal
        ON
            proposal.shop_id = ruled.shop_id
            AND proposal.variant_id = ruled.variant_id
            AND proposal.state = 'proposed'
),

counted AS (
    SELECT
        considered.*,
        queue.waiting_count,
        proposed_count + CASE sizing
            WHEN 'people' THEN (
                SELECT count(*)
                FROM subscription
                WHERE
                    subscription.shop_id = considered.shop_id
                    AND subscription.variant_id = considered.variant_id
                    AND subscription.state = 'released'
            )
            ELSE (
                SELECT coalesce(sum(subscription.wanted_quantity), 0)
                FROM subscription
                WHERE
                    subscription.shop_id = considered.shop_id
                    AND subscription.variant_id = considered.variant_id
                    AND subscription.state = 'released'
            )
        END AS in_flight_count,
        CASE
            WHEN CAST(considered.rules ->> 'subtract_invited_hours' AS double precision) = 0 THEN 0
            ELSE (
                SELECT
                    coalesce(sum(CASE sizing WHEN 'people' THEN 1 ELSE subscription.wanted_quantity END), 0)
                FROM batch
                JOIN subscription
                    ON subscription.shop_id = batch.shop_id AND subscription.batch_id = batch.batch_id
                WHERE
                    batch.shop_id = considered.shop_id
                    AND batch.variant_id = considered.variant_id
                    AND subscription.state = 'notified'
                    AND subscription.notified_at > CAST(:now AS timestamptz) - make_interval(
                        secs => CAST(considered.rules ->> 'subtract_invited_hours' AS double precision) * 3600
                    )
                    AND NOT EXISTS (
                        SELECT 1
                        FROM order_line
                        WHERE
                            order_line.shop_id = considered.shop_id
                            AND order_line.profile_id = subscription.profile_id
                            AND order_line.variant_id = considered.variant_id
                            AND order_line.ordered_at >= subscription.notified_at
                    )
            )
        END AS invited_count
    FROM considered
    CROSS JOIN LATERAL (
        SELECT count(*) AS waiting_count
        FROM subscription
        WHERE
            subscription.shop_id = considered.shop_id
            AND subscription.variant_id = considered.variant_id
            AND subscription.state = 'waiting'
    ) AS queue
)

SELECT
    shop_id,
    variant_id,
    rules,
    rule_origins,
    min_inventory,
    customers_per_unit,
    wait_minutes,
    rules ->> 'ordering',
    rules ->> 'vip_property',
    sizing,
    CAST(rules ->> 'allow_overtaking' AS boolean),
    CAST(rules ->> 'approval_above' AS bigint),
    CAST(rules ->> 'approval_hours' AS double precision),
    available,
    units,
    basis_units,
    cycle,
    seen_at,
    restocked_at,
    waiting_count,
    in_flight_count,
    invited_count,
    CASE
        WHEN customers_per_unit IS NOT NULL
            THEN greatest(0, basis_units * customers_per_unit - in_flight_count - invited_count)
    END,
    CASE
        WHEN NOT is_open OR units < min_inventory THEN 'closed'
        WHEN is_absent THEN 'absent'
        WHEN seen_at < CAST(:now AS timestamptz) - max_stock_age OR refused_at > seen_at THEN 'stale_stock'
        WHEN cardinality(CAST(:telling_channels AS text[])) = 0 THEN 'no_live_message'
        WHEN is_proposed THEN 'awaiting_approval'
        WHEN declined_until > :now THEN 'declined'
        WHEN customers_per_unit IS NOT NULL AND next_release_at > :now THEN 'waiting_time'
        WHEN basis_units * customers_per_unit = 0 THEN 'nothing_added'
        WHEN basis_units * customers_per_unit <= in_flight_count THEN 'in_flight'
        WHEN basis_units * customers_per_unit <= in_flight_count + invited_count THEN 'invited'
    END,
    CAST(:seed AS text) || ':' || shop_id || ':' || variant_id
FROM counted
ORDER BY shop_id, variant_id;

-- name: count_choices
-- How many each look releases, skips and newly passes over; a large batch becomes a proposal (SEMANTICS 4.7).
UPDATE release_decision AS decision
SET
    released_count = chosen.released_count,
    skipped_count = chosen.skipped_count,
    passed_count = chosen.passed_count,
    hold_reason = CASE WHEN chosen.released_count = 0 AND chosen.is_blocked THEN 'does_not_fit' END,
    is_proposed = coalesce(
        chosen.released_count > decision.approval_above AND CAST(:needs_approval AS boolean), false
    )
FROM (
    SELECT
        shop_id,
        variant_id,
        count(*) FILTER (WHERE verdict = 'released') AS released_count,
        count(*) FILTER (WHERE verdict = 'skipped') AS skipped_count,
        count(*) FILTER (WHERE verdict = 'passed') AS passed_count,
        coalesce(bool_or(verdict = 'passed' AND reason = 'does_not_fit'), false) AS is_blocked
    FROM release_choice
    GROUP BY shop_id, variant_id
) AS chosen
WHERE decision.shop_id = chosen.shop_id AND decision.variant_id = chosen.variant_id;
