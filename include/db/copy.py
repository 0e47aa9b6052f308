"""Bulk transfer with COPY."""

from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import IO

import psycopg
from psycopg import sql
from sqlalchemy import Connection

from include.ahead import ahead

BLOCKS_AHEAD = 4
NULL = "\x1e"
_JOINT = "\x1f"
_END = "\x1d"
_SPECIAL = ("\\", "\t", "\n", "\r", "\0")
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": ""})
_COPY_IN = "COPY {} ({}) FROM STDIN WITH (NULL E'\\x1e')"
_COPY_OUT = "COPY ({}) TO STDOUT WITH (FORMAT csv, HEADER)"


def copy_lines(rows: Sequence[Sequence[str]]) -> str:
    """Rows with equally many fields as COPY text; absent values are `NULL`, NUL characters are dropped.

    Whether anything must be escaped is asked once for all of them: asked row by row it takes longer than the rest.
    """
    joined = _END.join([_JOINT.join(row) for row in rows])
    joints = sum(map(len, rows)) - len(rows)
    has_own_signs = joined.count(_JOINT) != joints or joined.count(_END) != len(rows) - 1
    if not rows or has_own_signs or any(sign in joined for sign in _SPECIAL):
        return "".join(map(_escaped_line, rows))
    return joined.replace(_JOINT, "\t").replace(_END, "\n") + "\n"


def _escaped_line(fields: Sequence[str]) -> str:
    return "\t".join([field.translate(_ESCAPES) for field in fields]) + "\n"


def copy_array(items: Iterable[str]) -> str:
    """A text array as a field of COPY text."""
    quoted = ('"' + item.replace("\\", "\\\\").replace('"', '\\"') + '"' for item in items)
    return "{" + ",".join(quoted) + "}"


def copy_blocks(connection: Connection, table: str, columns: Sequence[str], blocks: Iterable[str]) -> int:
    """Write blocks of COPY text into `table`, inside the connection's transaction; the rows written.

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
