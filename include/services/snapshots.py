"""Looking at snapshots, and accepting a refused one (SEMANTICS 2.3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Row

from include.db.queries import run_query
from include.domain.window import Window
from include.errors import ConfigurationError, NotFound
from include.services.late import find_summary
from include.services.shops import require_shop


def list_snapshots(engine: Engine, shop_id: str, most: int = 20) -> Sequence[Row[Any]]:
    """The newest snapshots of a shop; raises NotFound."""
    with engine.connect() as connection:
        require_shop(connection, shop_id)
        return run_query(connection, "snapshot.list_snapshots", shop_id=shop_id, row_limit=most).all()


@dataclass(frozen=True)
class SnapshotStory:
    """One snapshot: its figures and reason, its first rejected rows, what guards held back, what it moved if late."""

    figures: Row[Any]
    rejects: Sequence[Row[Any]]
    held: Sequence[Row[Any]]
    backfill: dict[str, int]


def show_snapshot(engine: Engine, shop_id: str, snapshot_id: int, most_rows: int = 20) -> SnapshotStory:
    """Everything about one snapshot; raises NotFound."""
    here = {"shop_id": shop_id, "snapshot_id": snapshot_id}
    with engine.connect() as connection:
        figures = run_query(connection, "snapshot.find_snapshot", **here).one_or_none()
        if figures is None:
            raise _not_found(shop_id, f"snapshot {snapshot_id}")
        rejects = run_query(connection, "snapshot.list_rejected_rows", **here, row_limit=most_rows).all()
        held = run_query(connection, "snapshot.list_held", **here, row_limit=most_rows).all()
        return SnapshotStory(figures, rejects, held, find_summary(connection, shop_id, snapshot_id))


def accept_snapshot(engine: Engine, shop_id: str, snapshot_id: int, reason: str) -> None:
    """Let a refused snapshot pass its gates once: the next load of its window takes it."""
    if not reason.strip():
        raise ConfigurationError("A reason is needed: it is kept with the snapshot, and its report shows it.")
    with engine.begin() as connection:
        _refuse_sync(connection, shop_id, snapshot_id)
        if not accept_refused(connection, shop_id, snapshot_id, reason):
            raise _not_found(shop_id, f"rejected snapshot {snapshot_id}")


def _refuse_sync(connection: Connection, shop_id: str, snapshot_id: int) -> None:
    """What `restock sync` pulled is loaded by no run: accepted, it would wait for ever."""
    found = run_query(
        connection, "snapshot.find_snapshot", shop_id=shop_id, snapshot_id=snapshot_id
    ).one_or_none()
    if found is not None and found.state == "rejected" and Window(found.window_key).is_by_command:
        raise ConfigurationError(
            f"Snapshot {snapshot_id} was pulled by `restock sync`, and no run loads it again. Pull once more: "
            f"{command_to_accept(shop_id)}."
        )


def command_to_accept(shop_id: str) -> str:
    """How a pull outside Airflow passes whatever the gates say of it."""
    return f"restock sync {shop_id} --accept-reason TEXT"


def accept_refused(connection: Connection, shop_id: str, snapshot_id: int, reason: str) -> bool:
    """The same within a transaction; False where no such snapshot is refused."""
    accepted = run_query(
        connection,
        "snapshot.accept_snapshot",
        shop_id=shop_id,
        snapshot_id=snapshot_id,
        accepted_reason=reason.strip(),
    )
    return accepted.one_or_none() is not None


def _not_found(shop_id: str, what: str) -> NotFound:
    return NotFound(
        f"Shop '{shop_id}' has no {what}. `restock snapshots list --shop {shop_id}` shows which there are."
    )
