"""Bulk transfer with COPY."""

import re
from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import IO

import msgspec
import psycopg
from psycopg import sql
from sqlalchemy import Connection

from include.ahead import ahead

BLOCKS_AHEAD = 4

Field = str | int | bool | None

_JSON = msgspec.json.Encoder()
_PLAIN_ITEM = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 _-]*[A-Za-z0-9])?")
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\0": ""})
_COPY_IN = "COPY {} ({}) FROM STDIN WITH (FORMAT csv, ESCAPE E'\\\\', NULL 'null', ENCODING 'UTF8')"
_COPY_OUT = "COPY ({}) TO STDOUT WITH (FORMAT csv, HEADER)"


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


def copy_query_to_csv(connection: Connection, select: sql.Composable, target: IO[bytes]) -> int:
    """Stream the rows of a SELECT to `target` as CSV with a header; the rows written."""
    with _raw(connection).cursor() as cursor:
        with cursor.copy(sql.SQL(_COPY_OUT).format(select)) as copy:
            for block in copy:
                target.write(block)
        return cursor.rowcount


def _raw(connection: Connection) -> psycopg.Connection:
    driver_connection = connection.connection.driver_connection
    assert isinstance(driver_connection, psycopg.Connection)
    return driver_connection
