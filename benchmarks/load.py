"""Loading a feed against `psql \\copy` of the same rows."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

from benchmarks.apart import peak_megabytes, run_apart
from benchmarks.feeds import INTERVAL, VARIANT_COUNT, feed_file, known_catalog, pulled
from benchmarks.framework import Skipped, register
from benchmarks.place import (
    NOW,
    SETTINGS_TEXT,
    copied_database,
    folder,
    open_server,
    run,
    statement,
)
from include.db.engine import connect
from include.local.server_place import place_binaries
from include.settings import process_environment

FORGET_SNAPSHOT = statement("load.forget_snapshot")
FLOOR_TABLE = statement("load.floor_table")


@dataclass(frozen=True)
class Place:
    """A database that knows the catalog, with the next window's pull in an archive."""

    url: str
    feed: Path
    archive: Path


@contextmanager
def _prepare(kind: str) -> Iterator[Place]:
    feed = feed_file(kind)
    with (
        open_server() as server,
        tempfile.TemporaryDirectory(dir=folder()) as archive,
        copied_database(server, known_catalog, "bench_load") as url,
    ):
        engine = connect(url)
        pulled(engine, feed, Path(archive), 1)
        engine.dispose()
        yield Place(url, feed, Path(archive))


def _ours(place: Place) -> tuple[float, dict[str, float]]:
    seconds, peak = run_apart(load, place.url, str(place.feed), str(place.archive))
    run(place.url, FORGET_SNAPSHOT)
    return seconds, {"peak_mb": peak, "rows_per_s": VARIANT_COUNT / seconds}


def load(url: str, feed: str, archive: str) -> tuple[float, float]:
    """Load the archived window as a task of Airflow does; seconds and megabytes."""
    from include.services.catalog import load_snapshot

    engine = connect(url)
    given: tuple[Any, ...] = pulled(engine, Path(feed), Path(archive), 1)
    began = time.perf_counter()
    loaded = load_snapshot(*given, NOW + 2 * INTERVAL)
    seconds = time.perf_counter() - began
    assert loaded["rows"] == VARIANT_COUNT and loaded["rejected"] == 0, loaded
    return seconds, peak_megabytes()


def _floor(place: Place) -> float:
    psql = shutil.which("psql", path=str(place_binaries(None)))
    if psql is None:
        raise Skipped("the embedded Postgres has no psql; install postgresql-client")
    run(place.url, "DROP TABLE IF EXISTS floor_row", FLOOR_TABLE)
    url = make_url(place.url)
    environment = process_environment() | {"PGPASSWORD": str(url.password)}
    server = [
        f"--host={url.host}",
        f"--port={url.port}",
        f"--username={url.username}",
        f"--dbname={url.database}",
    ]
    command = f"\\copy floor_row from '{feed_file('csv')}' with (format csv, header)"
    began = time.perf_counter()
    done = subprocess.run(
        [psql, "--no-psqlrc", "--quiet", *server, f"--command={command}"],
        env=environment,
        capture_output=True,
        text=True,
    )
    seconds = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(f"psql failed: {done.stderr.strip()}")
    run(place.url, "DROP TABLE floor_row")
    return seconds


_ABOUT = (
    "A full snapshot of a million variants ({kind}, a single location, eight fields a row) in a shop that knows "
    "them all: `load_snapshot`, from the gzip archive through every check of every row into the stage, its ANALYZE, "
    "the search for rows given twice, the figures that the gates judge, and the commit. The floor is `psql \\copy` of "
    "the same rows, as CSV, into an unlogged table without constraints, and nothing else. Postgres 18 with fsync on, "
    f"{SETTINGS_TEXT}. `peak_mb` is the whole memory of our process, Python and its libraries included."
)

register(
    "load",
    _ours,
    _floor,
    target_ratio=2.5,
    unit="s",
    about=_ABOUT.format(kind="JSON Lines"),
    prepare=partial(_prepare, "jsonl"),
    limits={"peak_mb": 100},
)
register(
    "load_csv",
    _ours,
    _floor,
    target_ratio=1.8,
    unit="s",
    about=_ABOUT.format(kind="CSV"),
    prepare=partial(_prepare, "csv"),
    limits={"peak_mb": 100},
)
