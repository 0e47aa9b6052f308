"""Finding what a snapshot changes against a bare hash join of the same tables."""

import itertools
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from benchmarks.feeds import INTERVAL, VARIANT_COUNT, a_shop, feed_file, known_catalog
from benchmarks.framework import register
from benchmarks.place import (
    NOW,
    SETTINGS_TEXT,
    copied_database,
    folder,
    open_server,
    statement,
)
from include.catalog.feed.connector import FeedConnector
from include.db.engine import connect
from include.domain.window import Window
from include.services.catalog import detect_changes

CHANGED_COUNT = VARIANT_COUNT // 100
NEW_SNAPSHOT = statement("diff.new_snapshot")
STAGE = statement("diff.stage")
FLOOR = statement("diff.floor")


@dataclass
class Place:
    """A database that knows the catalog; each stage is read by the floor and by ours, whoever is first."""

    engine: Engine
    archive: Path
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(2))

    def stage(self) -> int:
        """The next snapshot, loaded and believed."""
        number = next(self.numbers)
        observed_at = NOW + number * INTERVAL
        with self.engine.begin() as connection:
            given = {"key": f"bench-{number}", "observed_at": observed_at, "rows": VARIANT_COUNT}
            snapshot_id = connection.execute(text(NEW_SNAPSHOT), given).scalar_one()
            connection.execute(text("CALL create_stage(:snapshot_id)"), {"snapshot_id": snapshot_id})
            connection.execute(text(STAGE), {"snapshot_id": snapshot_id, "number": number})
            connection.execute(text("CALL analyze_stage(:snapshot_id)"), {"snapshot_id": snapshot_id})
        return int(snapshot_id)


@contextmanager
def _prepare() -> Iterator[Place]:
    with (
        open_server() as server,
        tempfile.TemporaryDirectory(dir=folder()) as archive,
        copied_database(server, known_catalog, "bench_diff") as url,
    ):
        engine = connect(url)
        yield Place(engine, Path(archive))
        engine.dispose()


def _ours(place: Place) -> tuple[float, dict[str, float]]:
    snapshot_id = place.stage()
    shop = a_shop(feed_file("csv"))
    connector = FeedConnector(shop, None, folder())
    given: tuple[Any, ...] = (place.engine, shop, connector, place.archive, Window("not read"))
    began = time.perf_counter()
    counts = detect_changes(*given, snapshot_id, NOW + 100 * INTERVAL)
    seconds = time.perf_counter() - began
    assert counts["changed"] == CHANGED_COUNT, counts
    return seconds, {"events": counts["events"], "closed": counts["closed"]}


def _floor(place: Place) -> float:
    snapshot_id = place.stage()
    with place.engine.begin() as connection:
        began = time.perf_counter()
        count = connection.execute(text(FLOOR), {"snapshot_id": snapshot_id}).scalar_one()
        seconds = time.perf_counter() - began
        assert count == CHANGED_COUNT, count
        connection.execute(text("CALL drop_stage(:snapshot_id)"), {"snapshot_id": snapshot_id})
    return seconds


register(
    "diff",
    _ours,
    _floor,
    target_ratio=2.0,
    unit="s",
    about=(
        "A staged snapshot of a million variants, one in a hundred with another quantity and nothing else "
        "new: `detect_changes` compares stock and catalog, writes changes and levels, judges what opened "
        "or closed, raises restock events, schedules the release and drops the stage. The floor is the "
        "bare join of stage and levels that counts differing quantities and writes nothing. Postgres 18 "
        f"with fsync on, {SETTINGS_TEXT}, parallel workers as Postgres sets them."
    ),
    prepare=_prepare,
)
