"""SQL by name: the only way from Python to a statement.

A statement lives in `sql/queries/<context>.sql` (or `sql/reports/`) as a block that starts with
`-- name: <name>` and is called "<context>.<name>".
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, CursorResult, TextClause, text

from include.settings import PROJECT_HOME

_BLOCK = re.compile(r"^-- name: (?P<name>[a-z][a-z0-9_]*)\s*$", re.MULTILINE)
_FOLDERS = ("queries", "reports")


def run_query(connection: Connection, name: str, /, **parameters: Any) -> CursorResult[Any]:
    """Execute a named block; given and expected parameter names must be the same."""
    statement = find_query(name)
    _compare_names(name, statement, parameters.keys())
    return connection.execute(statement, parameters)


def run_many(connection: Connection, name: str, rows: Sequence[Mapping[str, Any]], /) -> None:
    """Execute a named block once per row of parameters, pipelined by the driver; no rows, no call."""
    if rows:
        statement = find_query(name)
        _compare_names(name, statement, rows[0].keys())
        connection.execute(statement, rows)


def find_query(name: str) -> TextClause:
    """The block called "<context>.<name>"; a KeyError lists the context's blocks."""
    context, _, block = name.partition(".")
    blocks = _load_context(context)
    if block not in blocks:
        raise KeyError(f"sql has no block '{name}'; '{context}' has: {', '.join(sorted(blocks))}")
    return blocks[block]


def parameter_names(name: str) -> frozenset[str]:
    """The parameters that a block takes."""
    return frozenset(find_query(name)._bindparams)


def query_names() -> tuple[str, ...]:
    """Every block of every context, for tests that prepare them all."""
    return tuple(f"{context}.{block}" for context in sorted(_contexts()) for block in _load_context(context))


@cache
def _contexts() -> dict[str, Path]:
    files = [file for folder in _FOLDERS for file in sorted((PROJECT_HOME / "sql" / folder).glob("*.sql"))]
    return {file.stem: file for file in files}


@cache
def _load_context(context: str) -> dict[str, TextClause]:
    if context not in _contexts():
        raise KeyError(f"sql/queries has no file '{context}.sql'; it has: {', '.join(sorted(_contexts()))}")
    return {name: text(body) for name, body in read_blocks(_contexts()[context]).items()}


def read_blocks(file: Path) -> dict[str, str]:
    """The statements of a file by their names."""
    parts = _BLOCK.split(file.read_text(encoding="utf-8"))
    return {name: body.strip().rstrip(";") for name, body in zip(parts[1::2], parts[2::2], strict=True)}


def _compare_names(name: str, statement: TextClause, given: Any) -> None:
    expected = set(statement._bindparams)
    if set(given) != expected:
        raise TypeError(f"{name} takes {sorted(expected)}, was given {sorted(given)}")
