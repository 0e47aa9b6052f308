"""Rows as a Parquet file with types, a row group at a time (SEMANTICS 9.2).

Days are written as moments at midnight and numbers with decimals as floating point, as every reader knows them.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from psycopg.postgres import types

GROUP_ROWS = 50_000
PANDAS_TYPES: dict[int, Any] = {
    types["int2"].oid: "Int64",
    types["int4"].oid: "Int64",
    types["int8"].oid: "Int64",
    types["float8"].oid: "float64",
    types["numeric"].oid: "float64",
    types["bool"].oid: "boolean",
    types["date"].oid: "datetime64[us]",
    types["timestamptz"].oid: "datetime64[us, UTC]",
}


def write_parquet(path: Path, columns: Mapping[str, int], groups: Iterable[Sequence[Sequence[Any]]]) -> int:
    """Write groups of rows; `columns` says the type of each (its oid). The rows written."""
    count = 0
    _append(path, columns, [])
    for rows in groups:
        _append(path, columns, rows)
        count += len(rows)
    return count


def _append(path: Path, columns: Mapping[str, int], rows: Sequence[Sequence[Any]]) -> None:
    import fastparquet
    import pandas

    series = {}
    for place, (name, oid) in enumerate(columns.items()):
        values = pandas.Series([row[place] for row in rows], dtype=object)
        series[name] = values.astype(PANDAS_TYPES[oid]) if oid in PANDAS_TYPES else values
    fastparquet.write(
        str(path),
        pandas.DataFrame(series),
        compression="ZSTD",
        object_encoding={name: "utf8" for name, oid in columns.items() if oid not in PANDAS_TYPES},
        has_nulls=True,
        write_index=False,
        append=path.exists(),
    )
