-- name: clear_work
-- The work tables of a detect start empty.
DELETE FROM stock_difference;

-- name: clear_touched
-- The work tables of a detect start empty.
DELETE FROM touched_variant;

-- name: repeat_newer
-- Where newer words of a level are known than this snapshot's, its row repeats them (SEMANTICS 2.2).
UPDATE staged_row
SET quantity = level.quantity
FROM stock_report AS report
JOIN stock_level AS level
    ON
        level.shop_id = report.shop_id
        AND level.variant_id = report.variant_id
        AND level.location_id = report.location_id
WHERE
    report.shop_id = :shop_id
    AND report.reported_at > :observed_at
    AND staged_row.snapshot_id = :snapshot_id
    AND staged_row.variant_id = report.variant_id
    AND staged_row.location_id = report.location_id
    AND staged_row.quantity <> level.quantity;

-- name: measure_drift
-- What partial snapshots had missed: levels that differ though the platform changed them before the newest pull.
INSERT INTO stock_drift (shop_id, snapshot_id, since, level_count, drifted_count, drifted_units)
SELECT
    :shop_id,
    :snapshot_id,
    earlier.full_at,
    count(*),
    count(*) FILTER (WHERE compared.is_drifted),
    coalesce(sum(abs(compared.difference)) FILTER (WHERE compared.is_drifted), 0)
FROM (
    SELECT
        max(snapshot.observed_at) FILTER (WHERE snapshot.kind = 'full') AS full_at,
        max(snapshot.observed_at) AS pulled_at
    FROM snapshot
    WHERE
        snapshot.shop_id = :shop_id
        AND snapshot.detected_at IS NOT NULL
        AND NOT snapshot.is_delivery
        AND snapshot.observed_at < :observed_at
) AS earlier
CROSS JOIN LATERAL (
    SELECT
        staged_row.quantity - level.quantity AS difference,
        staged_row.quantity <> level.quantity AND staged_row.reported_at <= earlier.pulled_at AS is_drifted
    FROM staged_row
    JOIN stock_level AS level
        ON
            level.shop_id = :shop_id
            AND level.variant_id = staged_row.variant_id
            AND level.location_id = staged_row.location_id
    WHERE staged_row.snapshot_id = :snapshot_id AND staged_row.reported_at IS NOT NULL
) AS compared
WHERE earlier.full_at IS NOT NULL
GROUP BY earlier.full_at
ON CONFLICT DO NOTHING;

-- name: remember_reports
-- A partial snapshot spoke of these levels: what is older can't change them.
INSERT INTO stock_report (shop_id, variant_id, location_id, reported_at)
SELECT
    :shop_id,
    variant_id,
    location_id,
    :observed_at
FROM staged_row
WHERE snapshot_id = :snapshot_id
ORDER BY variant_id, location_id
ON CONFLICT (shop_id, variant_id, location_id) DO UPDATE
    SET reported_at = excluded.reported_at
    WHERE stock_report.reported_at < excluded.reported_at;

-- name: forget_reports
-- A full snapshot said all anew.
DELETE FROM stock_report WHERE shop_id = :shop_id AND reported_at <= :observed_at;

-- name: collect_differences
-- What the stage, which holds this snapshot alone, says otherwise than the levels (SEMANTICS 2.2, 2.4).
INSERT INTO stock_difference (
    snapshot_id, variant_id, location_id, quantity, previous_quantity, missed_count, previous_missed_count,
    facts_checksum, has_other_stock, has_other_facts
)
SELECT
    snapshot_id,
    variant_id,
    location_id,
    quantity,
    previous_quantity,
    missed_count,
    previous_missed_count,
    facts_checksum,
    has_other_stock,
    has_other_facts
FROM staged_differences(:snapshot_id, :shop_id, :observed_at, :is_full, :confirm_absent);

-- name: write_levels
-- The current quantities of what differs. A known level keeps its checksum: its row may not be what names the variant.
INSERT INTO stock_level (shop_id, variant_id, location_id, quantity, observed_at, missed_count, facts_checksum)
SELECT
    :shop_id,
    variant_id,
    location_id,
    quantity,
    :observed_at,
    missed_count,
    facts_checksum
FROM stock_difference
WHERE snapshot_id = :snapshot_id AND has_other_stock
ORDER BY variant_id, location_id
ON CONFLICT (shop_id, variant_id, location_id) DO UPDATE
    SET
        quantity = excluded.quantity,
        missed_count = excluded.missed_count,
        observed_at = excluded.observed_at;

-- name: append_changes
-- The history of what differs in quantity; work number 0 is no snapshot, but live stock.
INSERT INTO stock_change (shop_id, variant_id, location_id, observed_at, quantity, previous_quantity, snapshot_id)
SELECT
    :shop_id,
    variant_id,
    location_id,
    :observed_at,
    quantity,
    previous_quantity,
    nullif(snapshot_id, 0)
FROM stock_difference
WHERE snapshot_id = :snapshot_id AND has_other_stock AND quantity IS DISTINCT FROM previous_quantity
ORDER BY variant_id, location_id
ON CONFLICT DO NOTHING;

-- name: append_presence
-- The history of what went missing from full snapshots, and of what came back.
INSERT INTO presence_change (shop_id, variant_id, location_id, observed_at, is_missing)
SELECT
    :shop_id,
    variant_id,
    location_id,
    :observed_at,
    missed_count > 0
FROM stock_difference
WHERE snapshot_id = :snapshot_id AND has_other_stock AND (missed_count > 0) <> (previous_missed_count > 0)
ORDER BY variant_id, location_id
ON CONFLICT DO NOTHING;

-- name: refresh_catalog
-- What messages say of a variant, where it differs; a variant that may now be announced, or no longer, is touched.
-- The first row of a variant names it: its checksum goes to all levels, so that any row that differs is found again.
WITH staged AS (
    SELECT DISTINCT ON (variant_id)
        variant_id,
        product_id,
        title,
        url,
        image_url,
        price,
        compare_at_price,
        collections,
        is_published,
        is_tracked,
        continue_selling,
        inventory_item_id,
        facts_checksum
    FROM staged_row
    WHERE
        snapshot_id = :snapshot_id
        AND variant_id IN (
            SELECT stock_difference.variant_id
            FROM stock_difference
            WHERE stock_difference.snapshot_id = :snapshot_id AND stock_difference.has_other_facts
        )
    ORDER BY variant_id, line_number
),

differing AS (
    SELECT
        staged.*,
        (
            coalesce(known.is_published, true), coalesce(known.is_tracked, true),
            coalesce(known.continue_selling, false)
        ) <> (staged.is_published, staged.is_tracked, staged.continue_selling) AS has_new_standing,
        known.variant_id IS NOT NULL
        AND (known.price, known.compare_at_price) IS DISTINCT FROM (staged.price, staged.compare_at_price)
            AS has_new_price,
        known.price AS previous_price,
        known.compare_at_price AS previous_compare_at_price
    FROM staged
    LEFT JOIN variant AS known
        ON known.shop_id = :shop_id AND known.variant_id = staged.variant_id
    WHERE
        known.variant_id IS NULL
        OR (
            known.product_id, known.title, known.url, known.image_url, known.price, known.compare_at_price,
            known.collections, known.is_published, known.is_tracked, known.continue_selling, known.inventory_item_id
        ) IS DISTINCT FROM (
            staged.product_id, staged.title, staged.url, staged.image_url, staged.price, staged.compare_at_price,
            staged.collections, staged.is_published, staged.is_tracked, staged.continue_selling,
            staged.inventory_item_id
        )
),

remembered AS (
    UPDATE stock_level AS level
    SET facts_checksum = staged.facts_checksum
    FROM staged
    WHERE
        level.shop_id = :shop_id
        AND level.variant_id = staged.variant_id
        AND level.facts_checksum IS DISTINCT FROM staged.facts_checksum
),

touched AS (
    INSERT INTO touched_variant (snapshot_id, variant_id)
    SELECT
        :snapshot_id,
        variant_id
    FROM differing
    WHERE has_new_standing
),

standing AS (
    INSERT INTO variant_change (shop_id, variant_id, observed_at, is_published, is_tracked, continue_selling)
    SELECT
        :shop_id,
        variant_id,
        :observed_at,
        is_published,
        is_tracked,
        continue_selling
    FROM differing
    WHERE has_new_standing
    ORDER BY variant_id
    ON CONFLICT DO NOTHING
),

priced AS (
    INSERT INTO price_change (
        shop_id, variant_id, observed_at, price, compare_at_price, previous_price, previous_compare_at_price
    )
    SELECT
        :shop_id,
        variant_id,
        :observed_at,
        price,
        compare_at_price,
        previous_price,
        previous_compare_at_price
    FROM differing
    WHERE has_new_price
    ORDER BY variant_id
    ON CONFLICT DO NOTHING
)

INSERT INTO variant (
    shop_id, variant_id, product_id, title, url, image_url, price, compare_at_price, collections,
    is_published, is_tracked, continue_selling, inventory_item_id, first_seen_at, changed_at
)
SELECT
    :shop_id,
    variant_id,
    product_id,
    title,
    url,
    image_url,
    price,
    compare_at_price,
    collections,
    is_published,
    is_tracked,
    continue_selling,
    inventory_item_id,
    :observed_at,
    :observed_at
FROM differing
ORDER BY variant_id
ON CONFLICT (shop_id, variant_id) DO UPDATE
    SET
        product_id = excluded.product_id,
        title = excluded.title,
        url = excluded.url,
        image_url = excluded.image_url,
        price = excluded.price,
        compare_at_price = excluded.compare_at_price,
        collections = excluded.collections,
        is_published = excluded.is_published,
        is_tracked = excluded.is_tracked,
        continue_selling = excluded.continue_selling,
        inventory_item_id = excluded.inventory_item_id,
        changed_at = excluded.changed_at;

-- name: touch_variants
-- Judge again what differs.
INSERT INTO touched_variant (snapshot_id, variant_id)
SELECT
    :snapshot_id,
    variant_id
FROM stock_difference
WHERE snapshot_id = :snapshot_id AND has_other_stock
GROUP BY variant_id;

-- name: touch_bundles
-- Judge again the bundles of touched components (SEMANTICS 1.5).
INSERT INTO touched_variant (snapshot_id, variant_id)
SELECT
    :snapshot_id,
    bundle_component.bundle_variant_id
FROM bundle_component
JOIN touched_variant ON touched_variant.variant_id = bundle_component.component_variant_id
WHERE bundle_component.shop_id = :shop_id AND touched_variant.snapshot_id = :snapshot_id
GROUP BY bundle_component.bundle_variant_id;

-- name: touch_unconfirmed
-- Judge again what still waits for its restock to be confirmed; a partial snapshot confirms only what it contains.
INSERT INTO touched_variant (snapshot_id, variant_id)
SELECT
    :snapshot_id,
    variant_id
FROM variant_stock
WHERE
    shop_id = :shop_id
    AND confirmations > 0
    AND NOT is_open
    AND (CAST(:is_full AS boolean) OR variant_id IN (
        SELECT staged_row.variant_id
        FROM staged_row
        WHERE staged_row.snapshot_id = :snapshot_id
    ));

-- name: count_bundles
-- How many bundles a shop has: without any, nothing is judged a second time.
SELECT count(*) FROM bundle_component WHERE shop_id = :shop_id;

-- name: judge_variants
-- Open and close the touched variants by their own rules and raise restock events (SEMANTICS 2.5, 2.6). The first
-- sight of a variant counts for requests that waited for it unmatched (3.4); in a shop's first pull only for live
-- ones, not for imports. Bundles are judged after their components. Specification: include/domain/stock.py.
-- Also which products, awaited in any variant, have one that opened or closed (1.6).
WITH bundle AS (
    SELECT DISTINCT bundle_variant_id AS variant_id
    FROM bundle_component
    WHERE shop_id = :shop_id
),

touched AS (
    SELECT DISTINCT variant_id
    FROM touched_variant
    WHERE
        snapshot_id = :snapshot_id
        AND (variant_id IN (SELECT bundle.variant_id FROM bundle)) = CAST(:of_bundles AS boolean)
),

ruled AS (
    SELECT
        touched.variant_id,
        variant.product_id,
        variant.is_published,
        variant.is_tracked,
        variant.continue_selling,
        coalesce(CAST(own.changed ->> 'min_inventory' AS bigint), :min_inventory) AS min_inventory,
        coalesce(CAST(own.changed ->> 'min_restock' AS bigint), :min_restock) AS min_restock,
        coalesce(CAST(own.changed ->> 'confirm_pulls' AS integer), :confirm_pulls) AS confirm_pulls,
        60 * coalesce(CAST(own.changed ->> 'min_out_minutes' AS double precision), :min_out_minutes) AS min_out_seconds,
        coalesce(own.changed ->> 'oversell', :oversell) AS oversell,
        included_locations(own.changed, shop.included_locations, CAST(:included_locations AS text[]))
            AS included_locations,
        excluded_locations(own.changed, shop.excluded_locations, CAST(:excluded_locations AS text[]))
            AS excluded_locations
    FROM touched
    JOIN shop ON shop.shop_id = :shop_id
    JOIN variant ON variant.shop_id = :shop_id AND variant.variant_id = touched.variant_id
    LEFT JOIN LATERAL (
        SELECT effective.changed
        FROM effective_rules(
            :rule_set_id, :shop_id, variant.variant_id, variant.product_id, variant.collections
        ) AS effective
        WHERE CAST(:has_overrides AS boolean)
    ) AS own ON true
),

known_shop AS (
    SELECT EXISTS (
        SELECT 1
        FROM snapshot
        WHERE snapshot.shop_id = :shop_id AND snapshot.detected_at IS NOT NULL
    ) AS has_earlier
),

-- Counted variant by variant: joined as a whole, a planner that takes ten thousand touched variants for one compares
-- each with each.
counted AS (
    SELECT
        ruled.variant_id,
        ruled.product_id,
        observed.available,
        observed.is_absent,
        announceable_units(
            observed.available, ruled.is_published, ruled.is_tracked, ruled.continue_selling, ruled.oversell
        ) AS units,
        ruled.min_inventory,
        ruled.min_restock,
        ruled.confirm_pulls,
        ruled.min_out_seconds
    FROM ruled
    CROSS JOIN LATERAL (
        SELECT
            coalesce(sum(level.quantity) FILTER (WHERE place.counts), 0) AS available,
            coalesce(
                bool_or(level.missed_count BETWEEN 1 AND :confirm_absent - 1) FILTER (WHERE place.counts), false
            ) AS is_absent
        FROM stock_level AS level
        CROSS JOIN LATERAL (
            SELECT is_counted(level.location_id, ruled.included_locations, ruled.excluded_locations) AS counts
        ) AS place
        WHERE
            NOT CAST(:of_bundles AS boolean)
            AND level.shop_id = :shop_id
            AND level.variant_id = ruled.variant_id
        HAVING count(*) > 0
        UNION ALL
        SELECT
            coalesce(min(
                floor(greatest(coalesce(part.available, 0), 0) / bundle_component.units_per_bundle)
            ) FILTER (WHERE coalesce(component.is_tracked, true)), 0),
            coalesce(bool_or(part.is_absent), false)
        FROM bundle_component
        LEFT JOIN variant AS component
            ON component.shop_id = :shop_id AND component.variant_id = bundle_component.component_variant_id
        LEFT JOIN variant_stock AS part
            ON part.shop_id = :shop_id AND part.variant_id = bundle_component.component_variant_id
        WHERE
            CAST(:of_bundles AS boolean)
            AND bundle_component.shop_id = :shop_id
            AND bundle_component.bundle_variant_id = ruled.variant_id
        HAVING count(*) > 0
    ) AS observed
),

compared AS (
    SELECT
        counted.*,
        -- What a guard saw and held back came back with this restock too.
        coalesce(before.last_below, before.units) AS units_before,
        before.variant_id IS NULL AS is_first_sight,
        coalesce(before.is_open, false) AS was_open,
        coalesce(before.cycle, 0) AS cycle_before,
        before.guard_reason AS guard_before,
        counted.units >= counted.min_inventory AS is_enough,
        coalesce(before.added_units, 0) + greatest(counted.units - coalesce(before.units, counted.units), 0)
            AS added_units,
        counted.units - coalesce(before.last_below, 0) AS risen,
        extract(EPOCH FROM CAST(:observed_at AS timestamptz) - before.closed_at) AS out_seconds,
        CASE
            WHEN counted.is_absent THEN coalesce(before.confirmations, 0)
            WHEN counted.units - coalesce(before.last_below, 0) >= counted.min_restock
                THEN coalesce(before.confirmations, 0) + 1
            ELSE 0
        END AS confirmations
    FROM counted
    LEFT JOIN variant_stock AS before
        ON before.shop_id = :shop_id AND before.variant_id = counted.variant_id
),

confirmed AS (
    SELECT
        compared.*,
        is_enough AND NOT is_first_sight AND NOT was_open AND NOT is_absent AND confirmations >= confirm_pulls
            AS is_opening
    FROM compared
),

judged AS (
    SELECT
        confirmed.*,
        is_opening OR (is_enough AND (is_first_sight OR was_open)) AS is_open,
        is_opening AND coalesce(out_seconds >= min_out_seconds, true) AS is_restock,
        is_enough AND is_first_sight AND EXISTS (
            SELECT 1
            FROM subscription
            WHERE
                subscription.shop_id = :shop_id
                AND subscription.variant_id = confirmed.variant_id
                AND subscription.state = 'waiting'
                AND (subscription.restock_after IS NULL OR known_shop.has_earlier)
        ) AS is_awaited_first_sight,
        known_shop.has_earlier,
        CASE
            WHEN NOT is_enough OR is_first_sight THEN NULL
            WHEN was_open THEN guard_before
            WHEN is_absent THEN 'absent from the last full pull'
            WHEN risen < min_restock THEN format('min_restock: %s of %s units came back', risen, min_restock)
            WHEN NOT is_opening THEN format('confirming: %s of %s pulls show it', confirmations, confirm_pulls)
            WHEN out_seconds < min_out_seconds
                THEN format('min_out_minutes: out for %s of %s seconds', floor(out_seconds), floor(min_out_seconds))
        END AS guard_reason
    FROM confirmed
    CROSS JOIN known_shop
),

written AS (
    INSERT INTO variant_stock AS stock (
        shop_id, variant_id, available, units, is_open, is_absent, last_below, confirmations, cycle,
        observed_at, opened_at, closed_at, restocked_at, added_units
    )
    SELECT
        :shop_id,
        variant_id,
        available,
        units,
        is_open,
        is_absent,
        CASE WHEN is_enough THEN NULL ELSE units END,
        0,
        CAST(is_awaited_first_sight AS integer),
        :observed_at,
        CASE WHEN is_open THEN CAST(:observed_at AS timestamptz) END,
        CASE WHEN NOT is_open THEN CAST(:observed_at AS timestamptz) END,
        CASE WHEN is_awaited_first_sight AND has_earlier THEN CAST(:observed_at AS timestamptz) END,
        0
    FROM judged
    WHERE is_first_sight
    ORDER BY variant_id
),

updated AS (
    UPDATE variant_stock AS stock
    SET
        available = judged.available,
        units = judged.units,
        is_open = judged.is_open,
        is_absent = judged.is_absent,
        last_below = CASE WHEN judged.is_enough THEN stock.last_below ELSE judged.units END,
        confirmations = CASE
            WHEN judged.is_enough AND NOT judged.is_open THEN judged.confirmations
            ELSE 0
        END,
        cycle = stock.cycle + CAST(judged.is_restock AS integer),
        observed_at = :observed_at,
        opened_at = CASE WHEN judged.is_restock THEN CAST(:observed_at AS timestamptz) ELSE stock.opened_at END,
        closed_at = CASE
            WHEN judged.was_open AND NOT judged.is_open THEN CAST(:observed_at AS timestamptz)
            ELSE stock.closed_at
        END,
        restocked_at = CASE
            WHEN judged.is_restock THEN CAST(:observed_at AS timestamptz)
            ELSE stock.restocked_at
        END,
        added_units = CASE WHEN judged.is_enough THEN judged.added_units ELSE 0 END,
        guard_reason = judged.guard_reason
    FROM judged
    WHERE
        stock.shop_id = :shop_id
        AND stock.variant_id = judged.variant_id
        AND NOT judged.is_first_sight
),

events AS (
    INSERT INTO restock_event (shop_id, variant_id, cycle, opened_at, units_before, units_after, snapshot_id)
    SELECT
        :shop_id,
        variant_id,
        cycle_before + 1,
        :observed_at,
        units_before,
        units,
        :event_snapshot_id
    FROM judged
    WHERE is_restock OR is_awaited_first_sight
    ORDER BY variant_id
    RETURNING 1
)

SELECT
    count(*) AS judged_count,
    count(*) FILTER (WHERE is_open AND NOT was_open AND NOT is_first_sight) AS opened_count,
    count(*) FILTER (WHERE was_open AND NOT is_open) AS closed_count,
    count(*) FILTER (WHERE guard_reason IS NOT NULL) AS held_count,
    (SELECT count(*) FROM events) AS event_count,
    ARRAY(
        SELECT DISTINCT turned.product_id
        FROM judged AS turned
        WHERE
            CAST(:has_product_requests AS boolean)
            AND turned.is_open <> turned.was_open
            AND EXISTS (
                SELECT 1
                FROM subscription
                WHERE
                    subscription.shop_id = :shop_id
                    AND subscription.product_id = turned.product_id
                    AND subscription.state = 'waiting'
            )
    ) AS turned_product_ids
FROM judged;

-- name: schedule_touched
-- Give release a time to look at touched variants that are open and awaited, and at those held back for this.
WITH looked_at AS (
    SELECT variant_id
    FROM touched_variant
    WHERE snapshot_id = :snapshot_id
    UNION
    SELECT variant_id
    FROM variant_stock
    WHERE shop_id = :shop_id AND hold_reason = 'stale_stock'
)

UPDATE variant_stock AS stock
SET
    next_check_at = CASE
        WHEN stock.is_open THEN greatest(:now, coalesce(stock.next_release_at, :now))
    END,
    hold_reason = NULL
FROM looked_at
WHERE
    stock.shop_id = :shop_id
    AND stock.variant_id = looked_at.variant_id
    AND (
        (stock.is_open AND EXISTS (
            SELECT 1
            FROM subscription
            WHERE
                subscription.shop_id = stock.shop_id
                AND subscription.variant_id = stock.variant_id
                AND subscription.state = 'waiting'
        ))
        OR (NOT stock.is_open AND stock.next_check_at IS NOT NULL)
        OR stock.hold_reason IS NOT NULL
    );

-- name: wake_messages_waiting_for_stock
-- Messages that waited for a fresh look at the stock may be checked again.
UPDATE message
SET due_at = :now
WHERE shop_id = :shop_id AND state = 'queued' AND reason = 'stale_stock' AND due_at > :now;

-- name: judge_under_new_rules
-- Touch the variants whose openness differs under another minimum.
INSERT INTO touched_variant (snapshot_id, variant_id)
SELECT
    :snapshot_id,
    variant_id
FROM variant_stock
WHERE
    shop_id = :shop_id
    AND is_open <> (units >= CASE
        WHEN CAST(:has_overrides AS boolean) THEN minimum_of(:rule_set_id, :shop_id, variant_id, :min_inventory)
        ELSE :min_inventory
    END);

-- name: touch_miscounted
-- Touch the variants that count otherwise by the locations and the oversell rule of now.
INSERT INTO touched_variant (snapshot_id, variant_id)
WITH bundle AS (
    SELECT DISTINCT bundle_variant_id AS variant_id
    FROM bundle_component
    WHERE shop_id = :shop_id
),

ruled AS (
    SELECT
        variant.variant_id,
        variant.is_published,
        variant.is_tracked,
        variant.continue_selling,
        coalesce(own.changed ->> 'oversell', :oversell) AS oversell,
        included_locations(own.changed, shop.included_locations, CAST(:included_locations AS text[]))
            AS included_locations,
        excluded_locations(own.changed, shop.excluded_locations, CAST(:excluded_locations AS text[]))
            AS excluded_locations
    FROM variant
    JOIN shop ON shop.shop_id = variant.shop_id
    LEFT JOIN LATERAL (
        SELECT effective.changed
        FROM effective_rules(
            :rule_set_id, :shop_id, variant.variant_id, variant.product_id, variant.collections
        ) AS effective
        WHERE CAST(:has_overrides AS boolean)
    ) AS own ON true
    WHERE variant.shop_id = :shop_id
),

recounted AS (
    SELECT
        ruled.variant_id,
        coalesce(sum(level.quantity) FILTER (
            WHERE is_counted(level.location_id, ruled.included_locations, ruled.excluded_locations)
        ), 0) AS available
    FROM ruled
    JOIN stock_level AS level
        ON level.shop_id = :shop_id AND level.variant_id = ruled.variant_id
    GROUP BY ruled.variant_id
)

SELECT
    :snapshot_id,
    stock.variant_id
FROM variant_stock AS stock
JOIN ruled ON ruled.variant_id = stock.variant_id
JOIN recounted ON recounted.variant_id = stock.variant_id
WHERE
    stock.shop_id = :shop_id
    AND (
        (stock.available <> recounted.available AND stock.variant_id NOT IN (SELECT bundle.variant_id FROM bundle))
        OR stock.units <> announceable_units(
            stock.available, ruled.is_published, ruled.is_tracked, ruled.continue_selling, ruled.oversell
        )
    );

-- name: touch_every_bundle
-- Touch the bundles of a shop: one of them was described anew.
INSERT INTO touched_variant (snapshot_id, variant_id)
SELECT
    :snapshot_id,
    bundle_variant_id
FROM bundle_component
WHERE shop_id = :shop_id
GROUP BY bundle_variant_id;

-- name: list_changes
-- What a snapshot changed in stock, the restocks first.
SELECT
    change.variant_id,
    variant.title,
    change.location_id,
    change.previous_quantity,
    change.quantity,
    event.restock_event_id IS NOT NULL AS is_restock
FROM stock_change AS change
JOIN variant ON variant.shop_id = change.shop_id AND variant.variant_id = change.variant_id
LEFT JOIN restock_event AS event
    ON
        event.shop_id = change.shop_id
        AND event.variant_id = change.variant_id
        AND event.snapshot_id = change.snapshot_id
WHERE change.shop_id = :shop_id AND change.snapshot_id = :snapshot_id
ORDER BY is_restock DESC, change.variant_id, change.location_id
LIMIT :row_limit;
