-- name: touch_late
-- Variants whose history a late snapshot may change: what it says otherwise than what was known at its time, what
-- was missing or waited to be confirmed then, and what changed in whether it may be announced (SEMANTICS 2.9).
INSERT INTO touched_variant (snapshot_id, variant_id)
WITH staged AS (
    SELECT
        variant_id,
        location_id,
        quantity,
        is_published,
        is_tracked,
        continue_selling
    FROM staged_row
    WHERE snapshot_id = :snapshot_id
),

earlier AS (
    SELECT observed_at
    FROM snapshot
    WHERE shop_id = :shop_id AND kind = 'full' AND detected_at IS NOT NULL AND observed_at <= :observed_at
    ORDER BY observed_at DESC
    LIMIT greatest(CAST(:pending_pulls AS integer), CAST(:absent_pulls AS integer))
),

since AS (
    SELECT
        (
            SELECT min(pulls.observed_at)
            FROM (SELECT earlier.observed_at FROM earlier ORDER BY earlier.observed_at DESC LIMIT :pending_pulls) AS pulls
        ) AS pending_at,
        (
            SELECT min(pulls.observed_at)
            FROM (SELECT earlier.observed_at FROM earlier ORDER BY earlier.observed_at DESC LIMIT :absent_pulls) AS pulls
        ) AS absent_at
)

SELECT
    :snapshot_id,
    coalesce(staged.variant_id, known.variant_id)
FROM staged
FULL JOIN level_at(:shop_id, :observed_at) AS known
    ON known.variant_id = staged.variant_id AND known.location_id = staged.location_id
WHERE
    known.variant_id IS NULL
    OR (staged.variant_id IS NOT NULL AND (known.is_missing OR staged.quantity <> known.quantity))
    OR (staged.variant_id IS NULL AND CAST(:is_full AS boolean) AND NOT known.is_missing)
UNION
SELECT
    :snapshot_id,
    stock_change.variant_id
FROM stock_change
JOIN since ON stock_change.observed_at >= since.pending_at
WHERE stock_change.shop_id = :shop_id AND stock_change.observed_at <= :observed_at
UNION
SELECT
    :snapshot_id,
    presence_change.variant_id
FROM presence_change
JOIN since ON presence_change.observed_at >= least(since.pending_at, since.absent_at)
WHERE presence_change.shop_id = :shop_id AND presence_change.observed_at <= :observed_at
UNION
SELECT
    :snapshot_id,
    variant_change.variant_id
FROM variant_change
CROSS JOIN since
WHERE
    variant_change.shop_id = :shop_id
    AND (variant_change.observed_at > :observed_at OR variant_change.observed_at >= since.pending_at)
UNION
SELECT
    :snapshot_id,
    staged.variant_id
FROM staged
JOIN variant ON variant.shop_id = :shop_id AND variant.variant_id = staged.variant_id
WHERE
    (variant.is_published, variant.is_tracked, variant.continue_selling)
    <> (staged.is_published, staged.is_tracked, staged.continue_selling)
UNION
SELECT
    :snapshot_id,
    variant_stock.variant_id
FROM variant_stock
WHERE variant_stock.shop_id = :shop_id AND variant_stock.confirmations > 0 AND NOT variant_stock.is_open;

-- name: list_touched
-- The touched variants, in order.
SELECT DISTINCT variant_id
FROM touched_variant
WHERE snapshot_id = :snapshot_id
ORDER BY variant_id;

-- name: list_observations
-- Every snapshot that was believed, in the order of time.
SELECT
    snapshot_id,
    observed_at,
    kind,
    detected_at
FROM snapshot
WHERE shop_id = :shop_id AND (detected_at IS NOT NULL OR snapshot_id = :snapshot_id)
ORDER BY observed_at, snapshot_id;

-- name: list_rule_sets
-- Every rule set in the order in which they came into force.
SELECT
    created_at,
    rules
FROM rule_set
ORDER BY rule_set_id;

-- name: find_locations
-- Which locations a shop counts.
SELECT
    included_locations,
    nullif(excluded_locations, '{}') AS excluded_locations
FROM shop
WHERE shop_id = :shop_id;

-- name: insert_variants
-- Variants that only the late snapshot knows.
INSERT INTO variant (
    shop_id, variant_id, product_id, title, url, image_url, price, compare_at_price, collections,
    is_published, is_tracked, continue_selling, inventory_item_id, first_seen_at, changed_at
)
SELECT DISTINCT ON (staged_row.variant_id)
    :shop_id,
    staged_row.variant_id,
    staged_row.product_id,
    staged_row.title,
    staged_row.url,
    staged_row.image_url,
    staged_row.price,
    staged_row.compare_at_price,
    staged_row.collections,
    staged_row.is_published,
    staged_row.is_tracked,
    staged_row.continue_selling,
    staged_row.inventory_item_id,
    CAST(:observed_at AS timestamptz),
    CAST(:observed_at AS timestamptz)
FROM staged_row
JOIN touched_variant
    ON touched_variant.snapshot_id = staged_row.snapshot_id AND touched_variant.variant_id = staged_row.variant_id
WHERE staged_row.snapshot_id = :snapshot_id
ORDER BY staged_row.variant_id, staged_row.line_number
ON CONFLICT DO NOTHING;

-- name: list_components
-- What the bundles among some variants are made of.
SELECT
    bundle_variant_id,
    component_variant_id,
    units_per_bundle
FROM bundle_component
WHERE shop_id = :shop_id AND bundle_variant_id = ANY (:variants)
ORDER BY bundle_variant_id, component_variant_id;

-- name: list_variants
-- What rules may depend on.
SELECT
    variant_id,
    product_id,
    collections
FROM variant
WHERE shop_id = :shop_id AND variant_id = ANY (:variants)
ORDER BY variant_id;

-- name: list_changes
-- The history of the quantities of some variants.
SELECT
    variant_id,
    location_id,
    observed_at,
    quantity,
    previous_quantity
FROM stock_change
WHERE shop_id = :shop_id AND variant_id = ANY (:variants)
ORDER BY variant_id, location_id, observed_at;

-- name: list_presence
-- The history of what was missing of some variants.
SELECT
    variant_id,
    location_id,
    observed_at,
    is_missing
FROM presence_change
WHERE shop_id = :shop_id AND variant_id = ANY (:variants)
ORDER BY variant_id, location_id, observed_at;

-- name: list_standings
-- The history of whether some variants may be announced.
SELECT
    variant_id,
    observed_at,
    is_published,
    is_tracked,
    continue_selling
FROM variant_change
WHERE shop_id = :shop_id AND variant_id = ANY (:variants)
ORDER BY variant_id, observed_at;

-- name: list_staged
-- What the late snapshot says of some variants.
SELECT
    variant_id,
    location_id,
    quantity,
    is_published,
    is_tracked,
    continue_selling
FROM staged_row
WHERE snapshot_id = :snapshot_id AND variant_id = ANY (:variants)
ORDER BY variant_id, line_number;

-- name: list_events
-- The restock events of some variants.
SELECT
    variant_id,
    cycle,
    opened_at,
    units_before,
    units_after
FROM restock_event
WHERE shop_id = :shop_id AND variant_id = ANY (:variants)
ORDER BY variant_id, cycle;

-- name: list_release_times
-- When people were released for some variants: from then on added units are counted anew (SEMANTICS 4.3).
SELECT
    variant_id,
    decided_at
FROM batch
WHERE shop_id = :shop_id AND variant_id = ANY (:variants) AND state = 'released' AND released_count > 0
ORDER BY variant_id, decided_at;

-- name: list_stock
-- Where some variants stand.
SELECT
    variant_id,
    units,
    is_open,
    restocked_at
FROM variant_stock
WHERE shop_id = :shop_id AND variant_id = ANY (:variants)
ORDER BY variant_id;

-- name: list_awaited
-- Variants that someone waited for when they were first seen (SEMANTICS 3.4).
SELECT sight.variant_id
FROM jsonb_to_recordset(CAST(:sights AS jsonb))
    AS sight (variant_id text, looked_at timestamptz, is_shop_known boolean)
WHERE EXISTS (
    SELECT 1
    FROM subscription
    WHERE
        subscription.shop_id = :shop_id
        AND subscription.variant_id = sight.variant_id
        AND subscription.state IN ('waiting', 'released')
        AND subscription.created_at <= sight.looked_at
        AND (subscription.restock_after IS NULL OR sight.is_shop_known)
)
ORDER BY sight.variant_id;

-- name: delete_changes
-- Changes that were none.
DELETE FROM stock_change
USING jsonb_to_recordset(CAST(:rows AS jsonb)) AS gone (variant_id text, location_id text, observed_at timestamptz)
WHERE
    stock_change.shop_id = :shop_id
    AND stock_change.variant_id = gone.variant_id
    AND stock_change.location_id = gone.location_id
    AND stock_change.observed_at = gone.observed_at;

-- name: write_changes
-- Changes as they stand now that the late snapshot is among them.
INSERT INTO stock_change (shop_id, variant_id, location_id, observed_at, quantity, previous_quantity, snapshot_id)
SELECT
    :shop_id,
    told.variant_id,
    told.location_id,
    told.observed_at,
    told.quantity,
    told.previous_quantity,
    told.snapshot_id
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS told (
    variant_id text, location_id text, observed_at timestamptz, quantity numeric, previous_quantity numeric,
    snapshot_id bigint
)
ORDER BY told.variant_id, told.location_id, told.observed_at
ON CONFLICT (shop_id, variant_id, location_id, observed_at) DO UPDATE
    SET
        quantity = excluded.quantity,
        previous_quantity = excluded.previous_quantity;

-- name: delete_presence
-- Absences that began or ended at another time.
DELETE FROM presence_change
USING jsonb_to_recordset(CAST(:rows AS jsonb)) AS gone (variant_id text, location_id text, observed_at timestamptz)
WHERE
    presence_change.shop_id = :shop_id
    AND presence_change.variant_id = gone.variant_id
    AND presence_change.location_id = gone.location_id
    AND presence_change.observed_at = gone.observed_at;

-- name: write_presence
-- Absences as they stand now.
INSERT INTO presence_change (shop_id, variant_id, location_id, observed_at, is_missing)
SELECT
    :shop_id,
    told.variant_id,
    told.location_id,
    told.observed_at,
    told.is_missing
FROM jsonb_to_recordset(CAST(:rows AS jsonb))
    AS told (variant_id text, location_id text, observed_at timestamptz, is_missing boolean)
ORDER BY told.variant_id, told.location_id, told.observed_at
ON CONFLICT (shop_id, variant_id, location_id, observed_at) DO UPDATE
    SET is_missing = excluded.is_missing;

-- name: delete_standings
-- The histories of standing that are written anew.
DELETE FROM variant_change
WHERE shop_id = :shop_id AND variant_id = ANY (:variants);

-- name: write_standings
-- Whether variants could be announced, as it stands now.
INSERT INTO variant_change (shop_id, variant_id, observed_at, is_published, is_tracked, continue_selling)
SELECT
    :shop_id,
    told.variant_id,
    told.observed_at,
    told.is_published,
    told.is_tracked,
    told.continue_selling
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS told (
    variant_id text, observed_at timestamptz, is_published boolean, is_tracked boolean, continue_selling boolean
)
ORDER BY told.variant_id, told.observed_at;

-- name: write_levels
-- Current quantities where the late snapshot moved them: never by itself, only by what it does to absences.
INSERT INTO stock_level (shop_id, variant_id, location_id, quantity, observed_at, missed_count)
SELECT
    :shop_id,
    told.variant_id,
    told.location_id,
    told.quantity,
    told.observed_at,
    told.missed_count
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS told (
    variant_id text, location_id text, quantity numeric, observed_at timestamptz, missed_count smallint
)
ORDER BY told.variant_id, told.location_id
ON CONFLICT (shop_id, variant_id, location_id) DO UPDATE
    SET
        quantity = excluded.quantity,
        observed_at = excluded.observed_at,
        missed_count = excluded.missed_count
    WHERE
        (stock_level.quantity, stock_level.observed_at, stock_level.missed_count)
        <> (excluded.quantity, excluded.observed_at, excluded.missed_count);

-- name: forget_facts
-- What is said of some variants is written anew: the next snapshot compares it.
UPDATE stock_level
SET facts_checksum = NULL
WHERE shop_id = :shop_id AND variant_id = ANY (:variants) AND facts_checksum IS NOT NULL;

-- name: write_variants
-- Since when variants are known and whether they may be announced.
UPDATE variant
SET
    first_seen_at = told.first_seen_at,
    is_published = told.is_published,
    is_tracked = told.is_tracked,
    continue_selling = told.continue_selling
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS told (
    variant_id text, first_seen_at timestamptz, is_published boolean, is_tracked boolean, continue_selling boolean
)
WHERE
    variant.shop_id = :shop_id
    AND variant.variant_id = told.variant_id
    AND (variant.first_seen_at, variant.is_published, variant.is_tracked, variant.continue_selling)
    <> (told.first_seen_at, told.is_published, told.is_tracked, told.continue_selling);

-- name: refresh_newest
-- What messages say of variants that no later snapshot has seen.
UPDATE variant
SET
    product_id = staged.product_id,
    title = staged.title,
    url = staged.url,
    image_url = staged.image_url,
    price = staged.price,
    compare_at_price = staged.compare_at_price,
    collections = staged.collections,
    inventory_item_id = staged.inventory_item_id,
    changed_at = :observed_at
FROM (
    SELECT DISTINCT ON (staged_row.variant_id)
        staged_row.variant_id,
        staged_row.product_id,
        staged_row.title,
        staged_row.url,
        staged_row.image_url,
        staged_row.price,
        staged_row.compare_at_price,
        staged_row.collections,
        staged_row.inventory_item_id
    FROM staged_row
    WHERE staged_row.snapshot_id = :snapshot_id AND staged_row.variant_id = ANY (:variants)
    ORDER BY staged_row.variant_id, staged_row.line_number
) AS staged
WHERE variant.shop_id = :shop_id AND variant.variant_id = staged.variant_id;

-- name: delete_events
-- Restock events that were none.
DELETE FROM restock_event
USING jsonb_to_recordset(CAST(:rows AS jsonb)) AS gone (variant_id text, opened_at timestamptz)
WHERE
    restock_event.shop_id = :shop_id
    AND restock_event.variant_id = gone.variant_id
    AND restock_event.opened_at = gone.opened_at;

-- name: renumber_events
-- Restock events that stay, with their place among those that came or went before them.
UPDATE restock_event
SET
    cycle = told.cycle,
    units_before = told.units_before,
    units_after = told.units_after
FROM jsonb_to_recordset(CAST(:rows AS jsonb))
    AS told (variant_id text, cycle integer, opened_at timestamptz, units_before bigint, units_after bigint)
WHERE
    restock_event.shop_id = :shop_id
    AND restock_event.variant_id = told.variant_id
    AND restock_event.opened_at = told.opened_at;

-- name: insert_events
-- Restock events that the late snapshot revealed.
INSERT INTO restock_event (shop_id, variant_id, cycle, opened_at, units_before, units_after, snapshot_id)
SELECT
    :shop_id,
    told.variant_id,
    told.cycle,
    told.opened_at,
    told.units_before,
    told.units_after,
    told.snapshot_id
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS told (
    variant_id text, cycle integer, opened_at timestamptz, units_before bigint, units_after bigint,
    snapshot_id bigint
)
ORDER BY told.variant_id, told.cycle;

-- name: write_stock
-- Where variants stand after their history was told again (SEMANTICS 2.9); what release keeps there is left alone, and
-- the cycle of its last batch is renumbered with the others.
INSERT INTO variant_stock AS stock (
    shop_id, variant_id, available, units, is_open, is_absent, last_below, confirmations, cycle, observed_at,
    opened_at, closed_at, restocked_at, added_units, guard_reason
)
SELECT
    :shop_id,
    told.variant_id,
    told.available,
    told.units,
    told.is_open,
    told.is_absent,
    told.last_below,
    told.confirmations,
    told.cycle,
    told.observed_at,
    told.opened_at,
    told.closed_at,
    told.restocked_at,
    told.added_units,
    told.guard_reason
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS told (
    variant_id text, available numeric, units bigint, is_open boolean, is_absent boolean, last_below bigint,
    confirmations integer, cycle integer, observed_at timestamptz, opened_at timestamptz, closed_at timestamptz,
    restocked_at timestamptz, added_units bigint, guard_reason text
)
ORDER BY told.variant_id
ON CONFLICT (shop_id, variant_id) DO UPDATE
    SET
        available = excluded.available,
        units = excluded.units,
        is_open = excluded.is_open,
        is_absent = excluded.is_absent,
        last_below = excluded.last_below,
        confirmations = excluded.confirmations,
        cycle = excluded.cycle,
        batched_cycle = stock.batched_cycle + excluded.cycle - stock.cycle,
        observed_at = excluded.observed_at,
        opened_at = excluded.opened_at,
        closed_at = excluded.closed_at,
        restocked_at = excluded.restocked_at,
        added_units = excluded.added_units,
        guard_reason = excluded.guard_reason;

-- name: touch_again
-- Variants whose present standing the late snapshot changed.
INSERT INTO touched_variant (snapshot_id, variant_id)
SELECT
    :snapshot_id,
    unnest(CAST(:variants AS text[]));

-- name: insert_summary
-- What a late snapshot changed in the history.
INSERT INTO backfill_summary (
    shop_id, snapshot_id, variant_count, changes_added, changes_moved, changes_removed, events_added, events_moved,
    events_removed
)
VALUES (
    :shop_id, :snapshot_id, :variant_count, :changes_added, :changes_moved, :changes_removed, :events_added,
    :events_moved, :events_removed
);

-- name: find_summary
-- What a late snapshot changed in the history.
SELECT
    variant_count,
    changes_added,
    changes_moved,
    changes_removed,
    events_added,
    events_moved,
    events_removed
FROM backfill_summary
WHERE shop_id = :shop_id AND snapshot_id = :snapshot_id;
