"""A database that lives as long as one command, in a temporary file: for sets too large for memory without a server."""

import sqlite3
from collections.abc import Iterable, Sequence
from functools import cache
from types import TracebackType
from typing import Any, Self

from include.db.queries import read_blocks
from include.settings import PROJECT_HOME

# Nothing in it outlives the command. The cache is in KiB where it is negative.
_SETTINGS = ("journal_mode = off", "synchronous = off", "cache_size = -2000")


class Scratch:
    """Runs the blocks of one file of `sql/scratch`, in SQLite; a context manager that leaves nothing behind."""

    def __init__(self, context: str) -> None:
        self._blocks = _load(context)
        self._connection = sqlite3.connect("", isolation_level=None)
        for setting in _SETTINGS:
            self._connection.execute(f"PRAGMA {setting}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def run(self, name: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """The rows of a block."""
        return self._connection.execute(self._blocks[name], parameters).fetchall()

    def run_many(self, name: str, rows: Iterable[Sequence[Any]]) -> None:
        """A block once per row, whose values stand for its question marks."""
        self._connection.execute("BEGIN")
        self._connection.executemany(self._blocks[name], rows)
        self._connection.execute("COMMIT")


@cache
def _load(context: str) -> dict[str, str]:
    return read_blocks(PROJECT_HOME / "sql" / "scratch" / f"{context}.sql")
