"""Bulk transfer with COPY."""

import re
from collections.abc import Iterable, Sequence
from typing import IO

import psycopg
from psycopg import sql
from sqlalchemy import Connection

NULL = "\x1e"
_JOINT = "\x1f"
_SPECIAL = re.compile(r"[\\\t\n\r\0]")
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": ""})
_COPY_IN = "COPY {} ({}) FROM STDIN WITH (NULL E'\\x1e')"
_COPY_OUT = "COPY ({}) TO STDOUT WITH (FORMAT csv, HEADER)"


def copy_line(fields: Sequence[str]) -> str:
    """One line of COPY text; absent values are `NULL`, NUL characters (which Postgres can't store) are dropped."""
    joined = _JOINT.join(fields)
    if joined.count(_JOINT) == len(fields) - 1 and not _SPECIAL.search(joined):
        return joined.replace(_JOINT, "\t") + "\n"
    return "\t".join([field.translate(_ESCAPES) for field in fields]) + "\n"


def copy_array(items: Iterable[str]) -> str:
    """A text array as a field of COPY text."""
    quoted = ('"' + item.replace("\\", "\\\\").replace('"', '\\"') + '"' for item in items)
    return "{" + ",".join(quoted) + "}"


def copy_blocks(connection: Connection, table: str, columns: Sequence[str], blocks: Iterable[str]) -> int:
    """Write blocks of COPY text into `table`, inside the connection's transaction; the rows written."""
    statement = sql.SQL(_COPY_IN).format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with _raw(connection).cursor() as cursor:
        with cursor.copy(statement) as copy:
            for block in blocks:
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
