"""Rows as a CSV file that every spreadsheet reads and none executes (SEMANTICS 9.2)."""

import csv
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import IO, Any

from include.domain.text import neutralize_formula


def write_csv(target: IO[str], columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """RFC 4180: a header, CRLF line ends, quotes where needed; the rows written."""
    writer = csv.writer(target, lineterminator="\r\n")
    writer.writerow(columns)
    count = 0
    for row in rows:
        writer.writerow([_as_cell(value) for value in row])
        count += 1
    return count


def _as_cell(value: Any) -> Any:
    if isinstance(value, str):
        return neutralize_formula(value)
    return value.isoformat() if isinstance(value, datetime) else value
