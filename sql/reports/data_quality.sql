-- Report: data_quality
-- Title: Data quality
-- Grain: one row per shop, day of the shop on which stock was observed, source and kind of snapshot.
-- Source: snapshot, backfill_summary, stock_drift
-- Columns:
--   shop_id                the shop
--   report_on              day of the observations in the shop's time zone
--   source                 where they came from
--   kind                   full: the whole shop; partial: what changed
--   snapshot_count         snapshots: read
--   complete_count         snapshots: believed
--   refused_count          snapshots: refused by a gate; they changed no stock
--   accepted_count         snapshots: refused and then accepted by a person
--   row_count              rows: read
--   rejected_row_count     rows: unreadable
--   changed_count          quantities: differed from what was known
--   restock_count          restocks: found when the snapshots were read
--   held_count             variants: enough units, and a guard kept them from being a restock
--   late_count             snapshots: came late and took their place in the past (SEMANTICS 2.9)
--   late_changes_added     changes: that late ones revealed
--   late_changes_moved     changes: that late ones moved in time or quantity
--   late_changes_removed   changes: that late ones showed to be none
--   late_restocks_added    restocks: that late ones revealed
--   late_restocks_moved    restocks: that late ones moved
--   late_restocks_removed  restocks: that late ones showed to be none
--   drifted_count          levels: that differed in full snapshots though increments and webhooks should have told them
--   drifted_units          units: by which they differed
--   last_refusal           why the last refused one was refused, with the observed and the allowed number

-- name: lock_table
-- One build at a time.
LOCK TABLE report_data_quality IN SHARE ROW EXCLUSIVE MODE;

-- name: delete_days
-- Make room for the days that are built again.
DELETE FROM report_data_quality
WHERE shop_id = :shop_id AND report_on BETWEEN :first_on AND :last_on;

-- name: build_days
-- What was read, refused and corrected in the days.
WITH observed AS (
    SELECT
        snapshot.*,
        late.snapshot_id IS NOT NULL AS is_late,
        late.changes_added,
        late.changes_moved,
        late.changes_removed,
        late.events_added,
        late.events_moved,
        late.events_removed,
        drift.drifted_count,
        drift.drifted_units,
        CAST(snapshot.observed_at AT TIME ZONE :time_zone AS date) AS report_on
    FROM snapshot
    LEFT JOIN backfill_summary AS late
        ON late.shop_id = snapshot.shop_id AND late.snapshot_id = snapshot.snapshot_id
    LEFT JOIN stock_drift AS drift
        ON drift.shop_id = snapshot.shop_id AND drift.snapshot_id = snapshot.snapshot_id
    WHERE
        snapshot.shop_id = :shop_id
        AND snapshot.observed_at >= :start_at
        AND snapshot.observed_at < :end_at
)

INSERT INTO report_data_quality (
    shop_id, report_on, source, kind, snapshot_count, complete_count, refused_count, accepted_count, row_count,
    rejected_row_count, changed_count, restock_count, held_count, late_count, late_changes_added,
    late_changes_moved, late_changes_removed, late_restocks_added, late_restocks_moved, late_restocks_removed,
    drifted_count, drifted_units, last_refusal
)
SELECT
    :shop_id,
    report_on,
    source,
    kind,
    count(*),
    count(*) FILTER (WHERE state = 'complete'),
    count(*) FILTER (WHERE state = 'rejected'),
    count(*) FILTER (WHERE accepted_reason IS NOT NULL),
    sum(row_count),
    sum(reject_count),
    coalesce(sum(changed_count), 0),
    coalesce(sum(event_count), 0),
    coalesce(sum(held_count), 0),
    count(*) FILTER (WHERE is_late),
    coalesce(sum(changes_added), 0),
    coalesce(sum(changes_moved), 0),
    coalesce(sum(changes_removed), 0),
    coalesce(sum(events_added), 0),
    coalesce(sum(events_moved), 0),
    coalesce(sum(events_removed), 0),
    coalesce(sum(drifted_count), 0),
    coalesce(sum(drifted_units), 0),
    (array_agg(reason ORDER BY observed_at DESC, snapshot_id DESC) FILTER (WHERE state = 'rejected'))[1]
FROM observed
WHERE report_on BETWEEN :first_on AND :last_on
GROUP BY report_on, source, kind
ORDER BY report_on, source, kind;

-- name: check_days
-- Every snapshot of the days is counted once.
SELECT
    'snapshots' AS figure,
    (
        SELECT coalesce(sum(snapshot_count), 0)
        FROM report_data_quality
        WHERE shop_id = :shop_id AND report_on BETWEEN :first_on AND :last_on
    ) AS observed,
    (
        SELECT count(*)
        FROM snapshot
        WHERE
            shop_id = :shop_id
            AND observed_at >= :start_at
            AND observed_at < :end_at
            AND CAST(observed_at AT TIME ZONE :time_zone AS date) BETWEEN :first_on AND :last_on
    ) AS expected;

-- name: select_days
-- The days in the order in which they are exported.
SELECT
    shop_id,
    report_on,
    source,
    kind,
    snapshot_count,
    complete_count,
    refused_count,
    accepted_count,
    row_count,
    rejected_row_count,
    changed_count,
    restock_count,
    held_count,
    late_count,
    late_changes_added,
    late_changes_moved,
    late_changes_removed,
    late_restocks_added,
    late_restocks_moved,
    late_restocks_removed,
    drifted_count,
    drifted_units,
    last_refusal
FROM report_data_quality
WHERE shop_id = :shop_id AND report_on BETWEEN :first_on AND :last_on
ORDER BY report_on, source, kind;
