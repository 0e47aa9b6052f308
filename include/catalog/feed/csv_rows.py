"""CSV with a header line, read cell by cell without holding more than a block."""

import codecs
import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from operator import itemgetter
from typing import Any

from include.catalog.base import CatalogRow, Chunk, RejectedRow, excerpt_of
from include.catalog.feed.fields import FIELDS, FieldNames, choose_names
from include.catalog.feed.rows import LONGEST_ID, TRUTHS, RowReader, selling_words, split_collections
from include.catalog.feed.stream import BLOCK, FeedStream
from include.domain.shop import CatalogField
from include.errors import SnapshotRefused

DELIMITERS = ",;\t|"
ROWS_PER_CHUNK = 2000
LONGEST_PLAIN_QUANTITY = 12
LONGEST_HEADER = 10_000


def read_csv(stream: FeedStream, settled: Mapping[CatalogField, str]) -> Iterator[Chunk]:
    """The rows of a CSV feed; raises SnapshotRefused for a header without the needed columns."""
    raw = _RawBytes(stream)
    text = io.TextIOWrapper(io.BufferedReader(raw, BLOCK), "utf-8", "surrogateescape", newline="")
    reader = csv.reader(text, delimiter=_delimiter(stream.head), strict=True)
    header = _header(reader, stream.source)
    table = _Table(header, choose_names(header, settled, stream.source, is_header=True), raw)
    rows = _rows(reader, table, stream.source)
    while chunk := list(islice(rows, ROWS_PER_CHUNK)):
        yield chunk


class _RawBytes(io.RawIOBase):
    """The feed for Python's csv; notes whether any byte needs a closer look, and how the feed ends."""

    def __init__(self, stream: FeedStream) -> None:
        self._stream = stream
        self._check = codecs.getincrementaldecoder("utf-8")()
        self.is_suspect = False
        self.ends_with_break = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        received = self._stream.read(len(buffer))
        buffer[: len(received)] = received
        if received:
            self.ends_with_break = received.endswith((b"\n", b"\r"))
            self.is_suspect = self.is_suspect or b"\0" in received or not self._is_utf8(received)
        return len(received)

    def _is_utf8(self, received: bytes) -> bool:
        try:
            self._check.decode(received)
        except UnicodeDecodeError:
            return False
        return True


class _Table:
    """Which cell is which catalog field."""

    def __init__(self, header: Sequence[str], names: FieldNames, raw: _RawBytes) -> None:
        self._reader = RowReader(names)
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
        if (
            self.raw.is_suspect
            or not (quantity.isascii() and quantity.isdigit() and len(quantity) <= LONGEST_PLAIN_QUANTITY)
            or (quantity[0] == "0" and quantity != "0")
            or not 0 < len(variant) <= LONGEST_ID
            or len(location) > LONGEST_ID
            or len(product) > LONGEST_ID
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
            price or None,
            former or None,
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
            yield RejectedRow(line_number, f"the line is not valid CSV: {error}", "")
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


def _wrong_width(cells: list[str], width: int, line_number: int) -> RejectedRow:
    reason = f"the line has {len(cells)} cells where the header has {width}"
    return RejectedRow(line_number, reason, excerpt_of(",".join(cells)))


def _header(reader: Any, source: str) -> list[str]:
    try:
        header: list[str] = next((cells for cells in reader if any(cell.strip() for cell in cells)), [])
    except csv.Error as error:
        raise SnapshotRefused(f"{source}: the header line is not valid CSV: {error}.") from None
    return [cell.strip() for cell in header]


def _delimiter(head: bytes) -> str:
    first = next((line for line in head.decode("utf-8", "replace").splitlines() if line.strip()), "")
    counts = {
        sign: len(next(csv.reader([first[:LONGEST_HEADER]], delimiter=sign), [])) for sign in DELIMITERS
    }
    return max(counts, key=counts.__getitem__)
