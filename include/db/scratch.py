"""A database that lives as long as one command, in a temporary file: for sets too large for memory without a server."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, Self

from include.db.queries import read_blocks
from include.settings import PROJECT_HOME

# Nothing in it outlives the command. The cache is in KiB where it is negative.
_SETTINGS = ("journal_mode = off", "synchronous = off", "cache_size = -2000")


class Scratch:
    """Runs the blocks of one file of `sql/scratch`, in SQLite."""

    def __init__(self, connection: sqlite3.Connection, blocks: dict[str, str]) -> None:
        self._connection = connection
        self._blocks = blocks

    @classmethod
    @contextmanager
    def open(cls, context: str) -> Iterator[Self]:
        """An empty one that leaves nothing behind."""
        blocks = read_blocks(PROJECT_HOME / "sql" / "scratch" / f"{context}.sql")
        with closing(sqlite3.connect("", isolation_level=None)) as connection:
            for setting in _SETTINGS:
                connection.execute(f"PRAGMA {setting}")
            yield cls(connection, blocks)

    def run(self, name: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """The rows of a block."""
        return self._connection.execute(self._blocks[name], parameters).fetchall()

    def run_many(self, name: str, rows: Iterable[Sequence[Any]]) -> None:
        """A block once per row, whose values stand for its question marks."""
        self._connection.execute("BEGIN")
        self._connection.executemany(self._blocks[name], rows)
        self._connection.execute("COMMIT")
