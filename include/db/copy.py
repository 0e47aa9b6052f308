"""Bulk transfer with COPY."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from typing import Any, LiteralString

import msgspec
import psycopg
from psycopg import sql
from psycopg.postgres import types
from psycopg.pq import ExecStatus
from sqlalchemy import Connection, TextClause
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from include.ahead import ahead
from include.settings import PROJECT_HOME

BLOCKS_AHEAD = 4
LINES_TOGETHER = 5_000
TIMESTAMPTZ = types["timestamptz"].oid
NUMBERS = frozenset(types[name].oid for name in ("int2", "int4", "int8", "numeric", "float8", "bool", "date"))

Field = str | int | bool | None

_JSON = msgspec.json.Encoder()
_PLAIN_ITEM = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 _-]*[A-Za-z0-9])?")
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\0": ""})
_COPY_IN = "COPY {} ({}) FROM STDIN WITH (FORMAT csv, ESCAPE E'\\\\', NULL 'null', ENCODING 'UTF8')"
_EXPORT = PROJECT_HOME / "sql" / "templates" / "export.sql"


def copy_lines(rows: Sequence[Sequence[Field]]) -> bytes:
    """Rows with equally many fields as COPY reads them; NUL characters are dropped.

    JSON is written in C, and but for a row's brackets and most escapes it is CSV: only texts with such escapes
    are taken up one by one. A line break, which parts rows, is such an escape inside a text.
    """
    packed = _JSON.encode_lines(rows)
    if b"\\" in packed and packed.count(b"\\") != packed.count(b'\\"'):
        return b"".join(map(_escaped_line, rows))
    return b"\n".join([line[1:-1] for line in packed.split(b"\n")])


def _escaped_line(fields: Sequence[Field]) -> bytes:
    return (",".join(map(_escaped, fields)) + "\n").encode()


def _escaped(field: Field) -> str:
    return f'"{field.translate(_ESCAPES)}"' if isinstance(field, str) else _JSON.encode(field).decode()


def copy_array(items: Iterable[str]) -> str:
    """A text array as a field."""
    return "{" + ",".join(map(_array_item, items)) + "}"


def _array_item(item: str) -> str:
    if _PLAIN_ITEM.fullmatch(item) and item.lower() != "null":
        return item
    return '"' + item.replace("\\", "\\\\").replace('"', '\\"') + '"'


def copy_blocks(connection: Connection, table: str, columns: Sequence[str], blocks: Iterable[bytes]) -> int:
    """Write blocks of `copy_lines` into `table`, inside the connection's transaction; the rows written.

    Blocks are made in a thread of their own, while the ones before are on their way to Postgres.
    """
    statement = sql.SQL(_COPY_IN).format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with _raw(connection).cursor() as cursor:
        with cursor.copy(statement) as copy, closing(ahead(blocks, BLOCKS_AHEAD)) as ready:
            for block in ready:
                copy.write(block)
        return cursor.rowcount


def select_columns(connection: Connection, statement: TextClause, **parameters: Any) -> dict[str, int]:
    """The columns of a SELECT with the type of each (its oid), without running it."""
    return _describe(_raw(connection), _as_text(_raw(connection), statement, parameters))


def export_csv_lines(
    connection: Connection, statement: TextClause, **parameters: Any
) -> Iterator[list[bytes | bytearray | memoryview]]:
    """The rows of a SELECT as CSV lines that end in a line feed, some thousands at a time, as Postgres writes them.

    A text is never a formula, a moment is ISO 8601 in UTC, and a number stays one (SEMANTICS 9.2).
    """
    raw = _raw(connection)
    query = _as_text(raw, statement, parameters)
    cells = [_cell(name, oid) for name, oid in _describe(raw, query).items()]
    export = sql.SQL(_literal(_EXPORT.read_text(encoding="utf-8"))).format(
        cells=sql.SQL(", ").join(cells), query=sql.SQL(_literal(query))
    )
    with raw.cursor() as cursor, cursor.copy(export) as copy:
        lines = iter(copy)
        while together := list(islice(lines, LINES_TOGETHER)):
            yield together


def _cell(name: str, oid: int) -> sql.Composable:
    column = sql.Identifier(name)
    if oid == TIMESTAMPTZ:
        return sql.SQL("spreadsheet_time({})").format(column)
    if oid in NUMBERS:
        return column
    return sql.SQL("spreadsheet_text(CAST({} AS text))").format(column)


def _as_text(raw: psycopg.Connection, statement: TextClause, parameters: Mapping[str, Any]) -> str:
    """The statement with its values as literals: COPY takes no parameters."""
    compiled = str(statement.compile(dialect=PGDialect_psycopg()))
    return psycopg.ClientCursor(raw).mogrify(_literal(compiled), parameters)


def _literal(text: Any) -> LiteralString:
    """Text of a file of ours, not of a program: psycopg takes no other as a statement."""
    return text


def _describe(raw: psycopg.Connection, query: str) -> dict[str, int]:
    raw.pgconn.prepare(b"", query.encode())
    found = raw.pgconn.describe_prepared(b"")
    if found.status != ExecStatus.COMMAND_OK:
        raise psycopg.ProgrammingError(raw.pgconn.get_error_message())
    return {(found.fname(at) or b"").decode(): found.ftype(at) for at in range(found.nfields)}


def _raw(connection: Connection) -> psycopg.Connection:
    driver_connection = connection.connection.driver_connection
    assert isinstance(driver_connection, psycopg.Connection)
    return driver_connection
