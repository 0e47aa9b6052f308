"""One sync of a shop outside Airflow: the same pull, load and detect, waiting here for the platform."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any

from sqlalchemy import Engine, Row

from include.catalog.archive import Archive, StorePath
from include.catalog.base import Connector
from include.db.queries import run_query
from include.domain.shop import Shop
from include.domain.window import BY_COMMAND, Window
from include.errors import NotReady
from include.services import catalog

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 15.0


@dataclass(frozen=True)
class SyncStory:
    """What one sync read and changed; `changes` are the first ones, the restocks before the others."""

    kind: str
    source: str
    figures: dict[str, Any]
    changes: Sequence[Row[Any]]


@dataclass(frozen=True)
class Patience:
    """How a person waits: `sleep` between two looks, `tell` says why."""

    sleep: Callable[[float], None]
    tell: Callable[[str], None]

    def until_done(self, pull: Callable[[], object], connector: Connector) -> None:
        """Call `pull` until the platform has prepared what it asks for."""
        while True:
            try:
                pull()
                return
            except NotReady as waiting:
                self.tell(str(waiting))
                self._wait(connector, waiting.awaited)

    def _wait(self, connector: Connector, awaited: str) -> None:
        for turn in count():
            if connector.is_ready(awaited):
                return
            self.sleep(min(FIRST_PAUSE * 1.5**turn, LONGEST_PAUSE) if turn < 20 else LONGEST_PAUSE)


def sync_once(
    engine: Engine,
    shop: Shop,
    connector: Connector,
    archive_root: StorePath,
    clock: Callable[[], datetime],
    patience: Patience,
    is_full: bool = False,
    most_changes: int = 50,
    accepted_reason: str = "",
) -> SyncStory:
    """Pull, load and detect once; raises what they raise."""
    window = Window.manual(f"{BY_COMMAND}{clock():%Y%m%dT%H%M%S.%f}")
    given = (engine, shop, connector, archive_root, window)
    patience.until_done(lambda: catalog.pull_window(*given, clock(), is_full), connector)
    loaded = catalog.load_snapshot(*given, clock(), accepted_reason)
    detected = catalog.detect_changes(*given, loaded["snapshot_id"], clock())
    manifest = Archive(archive_root, shop.id, window).manifest
    with engine.connect() as connection:
        changes = run_query(
            connection,
            "stock.list_changes",
            shop_id=shop.id,
            snapshot_id=loaded["snapshot_id"],
            row_limit=most_changes,
        ).all()
    return SyncStory(manifest.kind, manifest.source, {**loaded, **detected}, changes)
