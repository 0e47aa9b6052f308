"""CSV with a header line, read cell by cell without holding more than a block."""

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from itertools import islice
from operator import itemgetter
from typing import Any

from include.catalog.base import CatalogRow, Chunk, RejectedRow, excerpt_of
from include.catalog.feed.fields import FIELDS, NEVER_SPARSE, FieldNames, choose_names
from include.catalog.feed.rows import (
    LONGEST_ID,
    LONGEST_PRICE,
    TRUTHS,
    UNSETTLED,
    RowReader,
    selling_words,
    settle_price,
    split_collections,
)
from include.catalog.feed.stream import BLOCK, FeedStream
from include.domain.feed_fields import FieldMapping
from include.errors import SnapshotRefused

BREAKS = (b"\n", b"\r")
DELIMITERS = ",;\t|"
ROWS_PER_CHUNK = 2000
LONGEST_PLAIN_QUANTITY = 12
LONGEST_HEADER = 10_000
LONGEST_LINE = 1024 * 1024
SEPARATOR = "sep="  # Excel's own first line


def read_csv(stream: FeedStream, settled: FieldMapping) -> Iterator[Chunk]:
    """The rows of a CSV feed; raises SnapshotRefused for a header without the needed columns."""
    raw = _RawBytes(stream)
    text = io.TextIOWrapper(raw, "utf-8", "surrogateescape", newline="")  # type: ignore[type-var]
    reader = csv.reader(text, delimiter=_delimiter(stream.head), strict=True)
    header = _header(reader, stream.source)
    names = choose_names(header, settled.names, stream.source, is_header=True)
    _refuse_doubled(header, names, stream.source)
    table = _Table(header, names, settled, raw)
    rows = _rows(reader, table, stream.source)
    while chunk := list(islice(rows, ROWS_PER_CHUNK)):
        yield chunk


class _RawBytes(io.BufferedIOBase):
    """The feed for Python's csv; notes whether any byte needs a closer look, and how the feed ends.

    csv holds a whole line, so of an endless one only the beginning is passed on. Text is taken from here in whole
    blocks: through a BufferedReader it would come in 8 KB at a time.
    """

    def __init__(self, stream: FeedStream) -> None:
        self._stream = stream
        self._check = codecs.getincrementaldecoder("utf-8")()
        self._since_break = 0
        self.is_suspect = False
        self.ends_with_break = False

    def readable(self) -> bool:
        return True

    def read1(self, size: int = -1, /) -> bytes:
        received = self._stream.read(BLOCK)
        self._since_break += len(received)
        if (last := _last_break(received)) >= 0:
            self._since_break = len(received) - last - 1
        elif self._since_break > LONGEST_LINE:
            received = self._pass_over_line(BLOCK)
        if received:
            self.ends_with_break = received.endswith(BREAKS)
            self.is_suspect = self.is_suspect or b"\0" in received or not self._is_utf8(received)
        return received

    def _pass_over_line(self, size: int) -> bytes:
        while received := self._stream.read(size):
            if breaks := [place for sign in BREAKS if (place := received.find(sign)) >= 0]:
                self._since_break = len(received) - _last_break(received) - 1
                return received[min(breaks) :]
        return b""

    def _is_utf8(self, received: bytes) -> bool:
        try:
            self._check.decode(received)
        except UnicodeDecodeError:
            return False
        return True


class _Table:
    """Which cell is which catalog field."""

    def __init__(
        self, header: Sequence[str], names: FieldNames, settled: FieldMapping, raw: _RawBytes
    ) -> None:
        self._reader = RowReader(names, settled.rules)
        self._is_ruled = bool(settled.rules)
        self.width = len(header)
        self.raw = raw
        # A field without a column points behind the last cell, where each row gets an empty one.
        self.pick = itemgetter(*(header.index(names[f]) if f in names else self.width for f in FIELDS))
        self._selling = {"": False, **selling_words(names.get("continue_selling", ""))}
        self._truths = TRUTHS | {"": True}

    def read(self, cells: list[str], line_number: int) -> CatalogRow | RejectedRow:
        """The row of one line, by the short way where all of its cells are plain."""
        picked = self.pick([*cells, ""])
        (variant, quantity, location, product, title, url, image, price, former, groups, *words) = picked
        variant, location, product = variant.strip(), location.strip(), product.strip()
        is_published, is_tracked = self._truths.get(words[0]), self._truths.get(words[1])
        sells_on = self._selling.get(words[2])
        settled = settle_price(price) if len(price) <= LONGEST_PRICE else UNSETTLED
        settled_former = settle_price(former) if len(former) <= LONGEST_PRICE else UNSETTLED
        if (
            self._is_ruled
            or self.raw.is_suspect
            or not (quantity.isascii() and quantity.isdigit() and len(quantity) <= LONGEST_PLAIN_QUANTITY)
            or (quantity[0] == "0" and quantity != "0")
            or not 0 < len(variant) <= LONGEST_ID
            or len(location) > LONGEST_ID
            or len(product) > LONGEST_ID
            or settled == UNSETTLED
            or settled_former == UNSETTLED
            or "[" in groups
            or is_published is None
            or is_tracked is None
            or sells_on is None
        ):
            return self._reader.read(dict(zip(FIELDS, picked, strict=True)), line_number, ",".join(cells))
        return CatalogRow(
            line_number,
            variant,
            location,
            quantity,
            product or None,
            title or None,
            url or None,
            image or None,
            settled,
            settled_former,
            split_collections(groups, "") if groups else (),
            is_published,
            is_tracked,
            sells_on,
        )


def _rows(reader: Any, table: _Table, source: str) -> Iterator[CatalogRow | RejectedRow]:
    line_number = reader.line_num + 1
    short: int | None = None
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            short = line_number if "end of data" in str(error) else None
            yield from _unreadable(line_number, max(line_number, reader.line_num), error)
        else:
            short = None
            if len(cells) == table.width:
                yield table.read(cells, line_number)
            elif cells:
                short = line_number if len(cells) < table.width else None
                yield _wrong_width(cells, table.width, line_number)
        line_number = reader.line_num + 1
    if short is not None and not table.raw.ends_with_break:
        raise SnapshotRefused(
            f"{source}: the feed is cut off in the middle of line {short:,}. Offer it whole."
        )


def _unreadable(first: int, last: int, error: csv.Error) -> Iterator[RejectedRow]:
    """All the lines that csv had taken into the row when it gave up."""
    yield RejectedRow(first, f"the line is not valid CSV: {error}")
    for line_number in range(first + 1, last + 1):
        yield RejectedRow(line_number, f"the line lies inside a quoted cell that begins on line {first:,}")


def _wrong_width(cells: list[str], width: int, line_number: int) -> RejectedRow:
    reason = f"the line has {len(cells)} cells where the header has {width}"
    return RejectedRow(line_number, reason, excerpt_of(",".join(cells)))


def _header(reader: Any, source: str) -> list[str]:
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


def _last_break(received: bytes) -> int:
    return max(received.rfind(sign) for sign in BREAKS)
