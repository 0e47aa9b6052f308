"""From a shop's feed to stock changes: pull, load, detect (SEMANTICS 2)."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row

from include.catalog.archive import Archive, Manifest, StorePath
from include.catalog.base import Connector
from include.db.queries import run_query
from include.domain.gates import SnapshotFigures, find_refusals, name_conflict
from include.domain.shop import Shop
from include.domain.window import Window, since_when
from include.errors import FeedMissing, SnapshotRefused
from include.services.changes import finish_detect, write_changes
from include.services.late import find_summary, insert_late
from include.services.openings import Rulebook, judge_touched
from include.services.rules import rules_in_force
from include.services.shops import name_store, register_shop
from include.services.snapshots import accept_refused, command_to_accept
from include.services.staging import Staged, stage_rows
from include.services.webhook_keys import keep_key


def pull_window(
    engine: Engine,
    shop: Shop,
    connector: Connector,
    archive_root: StorePath,
    window: Window,
    now: datetime,
    is_full: bool = False,
    is_begun: bool = False,
) -> dict[str, str]:
    """Make sure that the window is archived; `source` is 'archive', 'live', 'dated', or 'none'.

    What is pulled is the whole shop, where `is_full` asks for it or it is time to, else what changed since the pull
    before. Raises NotReady where the platform needs time; then call again with `is_begun`. The present is never pulled
    for a window whose successor has ended: 'none' says that nothing was recorded. A feed whose address is dated knows
    its past (SEMANTICS 2.8).
    """
    with engine.begin() as connection:
        register_shop(connection, shop, now)
        _introduce_webhooks(connection, shop, connector, window, now)
        since = None if is_full else _find_since(connection, shop.id, connector, now)
    archive = Archive(archive_root, shop.id, window)
    if archive.exists():
        return {"source": "archive", "archive": archive.key}
    is_present = is_begun or window.allows_live_pull(now)
    if not is_present and not connector.knows_the_past:
        return {"source": "none", "archive": archive.key}
    try:
        connector.pull(window, archive, now, since)
    except FeedMissing:
        if is_present:
            raise
        return {"source": "none", "archive": archive.key}
    return {"source": "live" if is_present else "dated", "archive": archive.key}


def _introduce_webhooks(
    connection: Connection, shop: Shop, connector: Connector, window: Window, now: datetime
) -> None:
    """What the Connection says of webhooks; what a command is given may be a token only, and takes nothing away."""
    if connector.webhook_secret is not None or not window.is_by_command:
        keep_key(connection, shop.id, connector.webhook_secret, now)
    if connector.store_domain is not None or not window.is_by_command:
        name_store(connection, shop.id, connector.store_domain)


def _find_since(connection: Connection, shop_id: str, connector: Connector, now: datetime) -> datetime | None:
    if connector.full_every is None:
        return None
    known = run_query(connection, "snapshot.find_pulls", shop_id=shop_id, now=now).one()
    return since_when(known.full_at, known.pulled_at, connector.full_every, now)


def load_snapshot(
    engine: Engine,
    shop: Shop,
    connector: Connector,
    archive_root: StorePath,
    window: Window,
    now: datetime,
    accepted_reason: str = "",
) -> dict[str, Any]:
    """Stage the window's archive and judge it; a settled snapshot is returned as it stands.

    With an `accepted_reason` a person lets it pass whatever the gates say. Raises SnapshotRefused after recording
    the reason; the last good state stands (SEMANTICS 2.3).
    """
    archive = Archive(archive_root, shop.id, window)
    manifest = archive.manifest
    with engine.begin() as connection:
        run_query(connection, "snapshot.lock_shop", shop_id=shop.id)
        snapshot = _open_snapshot(connection, shop, window, manifest)
        if snapshot.state == "loading":
            snapshot = _load(connection, shop, connector, archive, snapshot, window, now)
        if snapshot.state == "rejected" and accepted_reason.strip():
            accept_refused(connection, shop.id, snapshot.snapshot_id, accepted_reason)
            snapshot = _open_snapshot(connection, shop, window, manifest)
            snapshot = _load(connection, shop, connector, archive, snapshot, window, now)
    if snapshot.state == "rejected":
        raise SnapshotRefused(_explain_refusal(shop, snapshot, manifest, window))
    return {
        "snapshot_id": snapshot.snapshot_id,
        "rows": snapshot.row_count,
        "rejected": snapshot.reject_count,
        "state": snapshot.state,
    }


def detect_changes(
    engine: Engine,
    shop: Shop,
    connector: Connector,
    archive_root: StorePath,
    window: Window,
    snapshot_id: int,
    now: datetime,
) -> dict[str, int]:
    """Write what a complete snapshot changes; called again, it returns the same and changes nothing."""
    with engine.begin() as connection:
        run_query(connection, "snapshot.lock_shop", shop_id=shop.id)
        snapshot = run_query(
            connection, "snapshot.lock_snapshot", shop_id=shop.id, snapshot_id=snapshot_id
        ).one()
        if snapshot.detected_at is None:
            archive = Archive(archive_root, shop.id, window)
            _restage_if_lost(connection, shop, connector, archive, snapshot)
            has_increments = connector.full_every is not None
            counts = _detect(connection, shop.id, snapshot, now, has_increments)
        else:
            counts = _recall_counts(snapshot)
        return counts | find_summary(connection, shop.id, snapshot_id)


def _recall_counts(snapshot: Row[Any]) -> dict[str, int]:
    return {
        "changed": snapshot.changed_count,
        "opened": snapshot.opened_count,
        "closed": snapshot.closed_count,
        "events": snapshot.event_count,
        "held": snapshot.held_count,
    }


def _open_snapshot(connection: Connection, shop: Shop, window: Window, manifest: Manifest) -> Row[Any]:
    return run_query(
        connection,
        "snapshot.open_snapshot",
        shop_id=shop.id,
        window_key=window.key,
        window_start=window.start,
        window_end=window.end,
        kind=manifest.kind,
        source=manifest.source,
        observed_at=manifest.observed_at,
        is_delivery=False,
    ).one()


def _load(
    connection: Connection,
    shop: Shop,
    connector: Connector,
    archive: Archive,
    snapshot: Row[Any],
    window: Window,
    now: datetime,
) -> Row[Any]:
    _, rules = rules_in_force(connection, now)
    manifest = archive.manifest
    staged = Staged()
    savepoint = connection.begin_nested()
    try:
        staged = _stage(connection, shop, connector, archive, snapshot)
        savepoint.commit()
        figures = _measure(connection, shop.id, snapshot.snapshot_id, staged, manifest)
        baseline = _find_baseline(connection, shop.id, manifest.observed_at)
        is_full = snapshot.kind == "full"
        refusals = [] if snapshot.accepted_reason else find_refusals(figures, baseline, rules, is_full)
    except SnapshotRefused as refused:
        savepoint.rollback()
        figures, refusals = None, [str(refused)]
    _settle(connection, shop.id, snapshot.snapshot_id, manifest, staged, figures, refusals, now)
    return _open_snapshot(connection, shop, window, manifest)


def _stage(
    connection: Connection, shop: Shop, connector: Connector, archive: Archive, snapshot: Row[Any]
) -> Staged:
    here = {"shop_id": shop.id, "snapshot_id": snapshot.snapshot_id}
    staged = stage_rows(connection, **here, chunks=connector.read(archive))
    if snapshot.kind == "partial":
        run_query(connection, "snapshot.complete_unsaid", **here)
    return staged


def _measure(
    connection: Connection, shop_id: str, snapshot_id: int, staged: Staged, manifest: Manifest
) -> SnapshotFigures:
    here = {"shop_id": shop_id, "snapshot_id": snapshot_id}
    at = {"observed_at": manifest.observed_at}
    conflict = None
    if run_query(connection, "snapshot.is_late", shop_id=shop_id, **at).scalar_one():
        conflict = _drop_repeated(connection, snapshot_id, staged)
        measured = run_query(connection, "snapshot.measure_late_stage", **here, **at).one()
    else:
        measured = run_query(connection, "snapshot.measure_rows", **here).one()
        if measured.variant_count < measured.row_count:
            conflict = _drop_repeated(connection, snapshot_id, staged)
            measured = run_query(connection, "snapshot.measure_stage", **here).one()
    return SnapshotFigures(
        row_count=staged.row_count,
        reject_count=staged.reject_count,
        variant_count=measured.variant_count,
        zero_count=measured.zero_count,
        risen_count=measured.risen_count,
        conflicting_key=_name_conflict(conflict),
        dated_at=manifest.last_modified,
        first_reject=next((f"line {row.line_number}, {row.reason}" for row in staged.rejects), None),
    )


def _drop_repeated(connection: Connection, snapshot_id: int, staged: Staged) -> Row[Any] | None:
    """Keep one of rows that say the same; the first ones that contradict each other, if any do."""
    conflict = run_query(connection, "snapshot.find_conflict", snapshot_id=snapshot_id).one_or_none()
    if conflict is None:
        repeated = run_query(connection, "snapshot.drop_repeated_rows", snapshot_id=snapshot_id)
        staged.row_count -= repeated.rowcount
    return conflict


def _name_conflict(conflict: Row[Any] | None) -> str | None:
    if conflict is None:
        return None
    return name_conflict(conflict.variant_id, conflict.location_id, conflict.first_line, conflict.last_line)


def _find_baseline(connection: Connection, shop_id: str, observed_at: datetime) -> SnapshotFigures | None:
    row = run_query(
        connection, "snapshot.find_baseline", shop_id=shop_id, observed_at=observed_at
    ).one_or_none()
    if row is None:
        return None
    return SnapshotFigures(
        row.row_count, row.reject_count, row.variant_count, row.zero_count, dated_at=row.dated_at
    )


def _settle(
    connection: Connection,
    shop_id: str,
    snapshot_id: int,
    manifest: Manifest,
    staged: Staged,
    figures: SnapshotFigures | None,
    refusals: list[str],
    now: datetime,
) -> None:
    known = {
        "shop_id": shop_id,
        "snapshot_id": snapshot_id,
        "row_count": staged.row_count,
        "reject_count": staged.reject_count,
        "observed_at": manifest.observed_at,
        "source": manifest.source,
        "dated_at": manifest.last_modified,
        "now": now,
    }
    if refusals or figures is None:
        run_query(connection, "snapshot.reject_snapshot", **known, reason=" ".join(refusals))
        run_query(connection, "snapshot.drop_stage", snapshot_id=snapshot_id)
        return
    run_query(
        connection,
        "snapshot.complete_snapshot",
        **known,
        variant_count=figures.variant_count,
        zero_count=figures.zero_count,
    )
    run_query(connection, "snapshot.close_stage")


def _explain_refusal(shop: Shop, snapshot: Row[Any], manifest: Manifest, window: Window) -> str:
    accept = (
        f"pull once more: {command_to_accept(shop.id)}"
        if window.is_by_command
        else f"accept it once: restock snapshots accept {snapshot.snapshot_id} --shop {shop.id} --reason TEXT"
    )
    return (
        f"Shop '{shop.id}', snapshot {snapshot.snapshot_id} from {manifest.source} is refused: {snapshot.reason} "
        "The last good state stands and nobody is told from this pull. Mend the feed and wait for the next window, "
        f"or {accept}."
    )


def _restage_if_lost(
    connection: Connection, shop: Shop, connector: Connector, archive: Archive, snapshot: Row[Any]
) -> None:
    """A stage is not logged: after a crash of Postgres it is empty and is filled again from the archive."""
    run_query(connection, "snapshot.open_stage", snapshot_id=snapshot.snapshot_id)
    if not run_query(connection, "snapshot.is_staged", snapshot_id=snapshot.snapshot_id).scalar_one():
        _stage(connection, shop, connector, archive, snapshot)
        run_query(connection, "snapshot.drop_repeated_rows", snapshot_id=snapshot.snapshot_id)


def _detect(
    connection: Connection, shop_id: str, snapshot: Row[Any], now: datetime, has_increments: bool
) -> dict[str, int]:
    rulebook = Rulebook(*rules_in_force(connection, now))
    if snapshot.is_late:
        summary, openings = insert_late(connection, shop_id, snapshot, rulebook, now)
        changed = summary.changes_added + summary.changes_moved + summary.changes_removed
    else:
        changed = write_changes(connection, shop_id, snapshot, rulebook, has_increments)
        openings = judge_touched(
            connection, shop_id, snapshot.snapshot_id, rulebook, snapshot.observed_at, now
        )
    counts = {
        "changed": changed,
        "opened": openings.opened,
        "closed": openings.closed,
        "events": openings.events,
        "held": openings.held,
    }
    finish_detect(connection, shop_id, snapshot.snapshot_id, counts, now)
    return counts
