"""The Postgres that benchmarks run on: embedded, durable, with the memory that such a machine would give it.

Filled databases are kept in `var/benchmarks` and found again as long as migrations and fillings are the same;
each round works on a copy. Delete the folder at will.
"""

import fcntl
import hashlib
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine, text

from include.db.engine import connect
from include.db.migrate import migrate, read_migrations
from include.db.queries import read_blocks
from include.local.postgres import EmbeddedPostgres
from include.settings import PROJECT_HOME, load_settings

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
# fsync, synchronous_commit and full_page_writes stay on: what is measured would survive a power cut.
SETTINGS = {
    "shared_buffers": "1GB",
    "work_mem": "64MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
    "random_page_cost": "1.1",
}
SETTINGS_TEXT = ", ".join(f"{name} {value}" for name, value in SETTINGS.items())

_STATEMENTS = PROJECT_HOME / "sql" / "benchmarks"

Fill = Callable[[Engine], None]


def folder() -> Path:
    """Where benchmarks keep files."""
    place = load_settings().var_folder / "benchmarks"
    place.mkdir(parents=True, exist_ok=True)
    return place


@contextmanager
def open_server() -> Iterator[EmbeddedPostgres]:
    """The server, as long as a benchmark runs; a second run waits for it."""
    with (folder() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with EmbeddedPostgres(folder() / "postgres", SETTINGS) as server:
            yield server


@contextmanager
def copied_database(server: EmbeddedPostgres, fill: Fill, name: str) -> Iterator[str]:
    """A copy of the database that `fill` fills; its URL."""
    template = _filled_database(server, fill)
    server.drop_database(name)
    run(server.url("postgres"), f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    try:
        run(server.url("postgres"), "CHECKPOINT")
        yield server.url(name)
    finally:
        server.drop_database(name)


def statement(name: str) -> str:
    """The SQL that `sql/benchmarks/<context>.sql` calls by a name, given as <context>.<name>."""
    context, _, block = name.partition(".")
    return read_blocks(_STATEMENTS / f"{context}.sql")[block]


def run(url: str, *statements: str) -> None:
    """Execute each statement in a transaction of its own, or none, as VACUUM wants it."""
    engine = connect(url)
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for statement in statements:
                connection.execute(text(statement), {"now": NOW} if ":now" in statement else {})
    finally:
        engine.dispose()


def _filled_database(server: EmbeddedPostgres, fill: Fill) -> str:
    """The database that `fill` has filled, kept from an earlier run or made now."""
    name = f"{fill.__name__}_{_digest(fill)}"
    if server.create_database(name):
        print(f"filling {name} …", flush=True)
        try:
            _fill(server.url(name), fill)
        except BaseException:
            server.drop_database(name)
            raise
    return name


def _fill(url: str, fill: Fill) -> None:
    engine = connect(url)
    try:
        migrate(engine)
        fill(engine)
    finally:
        engine.dispose()
    run(url, "VACUUM (ANALYZE)", "CHECKPOINT")


def _digest(fill: Fill) -> str:
    module = inspect.getmodule(fill)
    assert module is not None
    statements = [file.read_text(encoding="utf-8") for file in sorted(_STATEMENTS.glob("*.sql"))]
    parts = [migration.checksum for migration in read_migrations()] + [inspect.getsource(module), *statements]
    return hashlib.sha256("".join(parts).encode()).hexdigest()[:8]
