"""Forward-only migrations: `sql/migrations/NNNN_verb_noun.sql`, each in one transaction with its record."""

import hashlib
import secrets
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine

from include.db.queries import run_query
from include.errors import SchemaOutdated
from include.settings import PROJECT_HOME

MIGRATIONS = PROJECT_HOME / "sql" / "migrations"


@dataclass(frozen=True)
class Migration:
    """One file; `checksum` holds it to what was once applied."""

    name: str
    body: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the file's text."""
        return hashlib.sha256(self.body.encode()).hexdigest()


def migrate(engine: Engine, folder: Path = MIGRATIONS) -> list[str]:
    """Apply what is missing, in order, under a lock; the names of what was applied."""
    applied = []
    for migration in read_migrations(folder):
        with engine.begin() as connection:
            run_query(connection, "migration.lock")
            run_query(connection, "migration.create_record_table")
            if _is_missing(connection, migration):
                _apply(connection, migration)
                applied.append(migration.name)
    with engine.begin() as connection:
        run_query(connection, "migration.create_installation", link_secret=secrets.token_urlsafe(32))
    return applied


def check_schema(engine: Engine, folder: Path = MIGRATIONS) -> None:
    """Raise SchemaOutdated unless exactly the known migrations were applied."""
    with engine.connect() as connection:
        has_table = run_query(connection, "migration.has_record_table").scalar_one()
        recorded = _recorded(connection) if has_table else {}
    known = {migration.name: migration.checksum for migration in read_migrations(folder)}
    missing = sorted(known.keys() - recorded.keys())
    unknown = sorted(recorded.keys() - known.keys())
    if missing:
        raise SchemaOutdated(f"The database lacks {', '.join(missing)}. Run `restock db migrate`.")
    if unknown:
        raise SchemaOutdated(
            f"The database has {', '.join(unknown)}, which this version does not know. Update Restock."
        )
    for name, checksum in recorded.items():
        _compare(name, checksum, known[name])


def read_migrations(folder: Path = MIGRATIONS) -> list[Migration]:
    """The migrations of a folder in the order of their numbers."""
    return [
        Migration(file.stem, file.read_text(encoding="utf-8")) for file in sorted(folder.glob("[0-9]*.sql"))
    ]


def _is_missing(connection: Connection, migration: Migration) -> bool:
    checksum = _recorded(connection).get(migration.name)
    if checksum is None:
        return True
    _compare(migration.name, checksum, migration.checksum)
    return False


def _apply(connection: Connection, migration: Migration) -> None:
    connection.connection.driver_connection.execute(migration.body)  # type: ignore[union-attr]
    run_query(connection, "migration.record", name=migration.name, checksum=migration.checksum)


def _recorded(connection: Connection) -> dict[str, str]:
    return {row.name: row.checksum for row in run_query(connection, "migration.list_recorded")}


def _compare(name: str, recorded: str, known: str) -> None:
    if recorded != known:
        raise SchemaOutdated(
            f"Migration {name} was changed after it was applied (recorded {recorded[:12]}, file {known[:12]}). "
            "Restore the file and write a new migration instead."
        )
