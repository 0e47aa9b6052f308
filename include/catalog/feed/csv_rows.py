"""CSV with a header line."""

import csv
from collections.abc import Iterator, Sequence
from itertools import islice

from include.catalog.base import Chunk, RejectedRow
from include.catalog.feed.csv_columns import CsvTable
from include.catalog.feed.csv_lines import CsvLines
from include.catalog.feed.fields import NEVER_SPARSE, FieldNames, choose_names
from include.catalog.feed.stream import FeedStream
from include.domain.feed_fields import FieldMapping
from include.errors import SnapshotRefused

DELIMITERS = ",;\t|"
ROWS_PER_CHUNK = 2000
LONGEST_HEADER = 10_000
SEPARATOR = "sep="  # Excel's own first line


def read_csv(stream: FeedStream, settled: FieldMapping) -> Iterator[Chunk]:
    """The rows of a CSV feed; raises SnapshotRefused for a header without the needed columns."""
    lines, delimiter = CsvLines(stream), _delimiter(stream.head)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    header = _header(reader, stream.source)
    names = choose_names(header, settled.names, stream.source, is_header=True)
    _refuse_doubled(header, names, stream.source)
    yield from _Body(lines, reader, delimiter, CsvTable(header, names, settled, delimiter)).chunks(
        stream.source
    )


class _Body:
    """The lines below the header on their way into a table."""

    def __init__(self, lines: CsvLines, reader: Iterator[list[str]], delimiter: str, table: CsvTable) -> None:
        self._lines = lines
        self._reader = reader
        self._delimiter = delimiter
        self._table = table
        self._short_line: int | None = None

    def chunks(self, source: str) -> Iterator[Chunk]:
        """All rows, some thousands at a time; raises SnapshotRefused where the last one is cut off."""
        while (chunk := self._next_chunk()) is not None:
            yield chunk
        if self._short_line is not None and not self._lines.ends_with_break:
            raise SnapshotRefused(
                f"{source}: the feed is cut off in the middle of line {self._short_line:,}. Offer it whole."
            )

    def _next_chunk(self) -> Chunk | None:
        first = self._lines.count + 1
        if lines := self._lines.take_unquoted():
            return self._read_unquoted(lines, range(first, first + len(lines)))
        rows, begins, trouble = self._take_quoted()
        if trouble is None:
            return self._read(rows, begins) if rows else None
        chunk = self._read(rows, begins)
        self._short_line = begins[-1] if "end of data" in str(trouble) else None
        return [*chunk, *_unreadable(begins[-1], max(begins[-1], self._lines.count), trouble)]

    def _take_quoted(self) -> tuple[list[list[str]], list[int], csv.Error | None]:
        """Rows; the line where each begins, and the one after them; what csv gave up at."""
        rows: list[list[str]] = []
        begins = [self._lines.count + 1]
        try:
            for cells in islice(self._reader, ROWS_PER_CHUNK):
                rows.append(cells)
                begins.append(self._lines.count + 1)
        except csv.Error as error:
            return rows, begins, error
        return rows, begins, None

    def _read_unquoted(self, lines: list[str], line_numbers: Sequence[int]) -> Chunk:
        if not self._lines.is_suspect and (chunk := self._table.read_lines(lines, line_numbers)) is not None:
            self._short_line = None
            return chunk
        return self._read([line.split(self._delimiter) if line else [] for line in lines], line_numbers)

    def _read(self, rows: list[list[str]], begins: Sequence[int]) -> Chunk:
        if rows:
            is_short = 0 < len(rows[-1]) < self._table.width
            self._short_line = begins[len(rows) - 1] if is_short else None
        return self._table.read(rows, begins[: len(rows)], is_suspect=self._lines.is_suspect)


def _unreadable(first: int, last: int, error: csv.Error) -> Iterator[RejectedRow]:
    """All the lines that csv had taken into the row when it gave up."""
    yield RejectedRow(first, f"the line is not valid CSV: {error}")
    for line_number in range(first + 1, last + 1):
        yield RejectedRow(line_number, f"the line lies inside a quoted cell that begins on line {first:,}")


def _header(reader: Iterator[list[str]], source: str) -> list[str]:
    try:
        rows = (cells for cells in reader if any(cell.strip() for cell in cells))
        header: list[str] = next((cells for cells in rows if not cells[0].lower().startswith(SEPARATOR)), [])
    except csv.Error as error:
        raise SnapshotRefused(f"{source}: the header line is not valid CSV: {error}.") from None
    return [cell.strip() for cell in header]


def _refuse_doubled(header: Sequence[str], names: FieldNames, source: str) -> None:
    doubled = [names[field] for field in NEVER_SPARSE if field in names and header.count(names[field]) > 1]
    if doubled:
        raise SnapshotRefused(
            f"{source}: the header has {doubled[0]!r} {header.count(doubled[0])} times, so nobody can say which column "
            "is meant. Rename one of them."
        )


def _delimiter(head: bytes) -> str:
    first = next((line for line in head.decode("utf-8", "replace").splitlines() if line.strip()), "")
    if first.lower().startswith(SEPARATOR) and len(first) == len(SEPARATOR) + 1:
        return first[-1]
    counts = {
        sign: len(next(csv.reader([first[:LONGEST_HEADER]], delimiter=sign), [])) for sign in DELIMITERS
    }
    return max(counts, key=counts.__getitem__)
