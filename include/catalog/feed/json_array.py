"""A JSON array of objects, bare or inside an object.

Whole stretches of it are cut out and decoded at once: `[` + stretch + `]` is valid JSON only if the stretch
ends where an item of the array ends. What can't be cut, and always the end, is read item by item.
"""

import re
from collections.abc import Generator, Iterator, Mapping
from contextlib import suppress
from decimal import Decimal
from io import BytesIO
from itertools import islice
from typing import Any

import ijson
import msgspec

from include.catalog.base import CatalogRow, Chunk, RejectedRow, excerpt_of
from include.catalog.feed.decoded_rows import NUL, UNREADABLE, row_type, settle_rows
from include.catalog.feed.fields import choose_names
from include.catalog.feed.json_events import parse_items
from include.catalog.feed.rows import RowReader
from include.catalog.feed.stream import BLOCK, WRAPPERS, FeedStream, array_prefix
from include.domain.shop import CatalogField
from include.errors import RowRejected, SnapshotRefused

ROWS_PER_CHUNK = 2000
LONGEST_STRETCH = 4 * BLOCK
MOST_CUTS = 3
MOST_LOOKS = 50
BETWEEN_ITEMS = re.compile(rb"\}\s*,\s*(?=\{)")


def read_json_array(stream: FeedStream, settled: Mapping[CatalogField, str]) -> Iterator[Chunk]:
    """The rows of a feed that is one JSON array; raises SnapshotRefused where the array does not end."""
    prefix = array_prefix(stream.head)
    if prefix is None:
        raise SnapshotRefused(
            f"{stream.source}: no array was found. Allowed are an array [ … ] or an object with an array "
            f"called {', '.join(WRAPPERS)}; one object a line is feed.format: jsonl."
        )
    sample = _items_in(stream.head, prefix)
    if not sample:
        _refuse_or_be_empty(stream, prefix)
        return
    reader = RowReader(choose_names(_names_seen(sample), settled, stream.source))
    number, rest = yield from _read_stretches(stream, _start_of_array(stream.head, prefix), reader)
    yield from _read_items(_Joined(rest, stream), prefix, reader, number, stream.source)


class _Joined:
    """What was read ahead, then the stream that it came from."""

    def __init__(self, ahead: bytes, stream: FeedStream) -> None:
        self._ahead = ahead
        self._stream = stream

    def read(self, size: int) -> bytes:
        if not self._ahead:
            return self._stream.read(size)
        taken, self._ahead = self._ahead[:size], self._ahead[size:]
        return taken


def _items_in(head: bytes, prefix: str) -> list[Any]:
    items: list[Any] = []
    with suppress(ijson.JSONError, ValueError):
        items.extend(parse_items(BytesIO(head), prefix))
    return items


def _refuse_or_be_empty(stream: FeedStream, prefix: str) -> None:
    for _ in _items(stream, prefix, stream.source, 0):
        raise SnapshotRefused(f"{stream.source}: the first row is longer than {BLOCK:,} bytes.")


def _names_seen(sample: list[Any]) -> list[str]:
    seen: dict[str, None] = {}
    for item in sample:
        if isinstance(item, dict):
            seen.update(dict.fromkeys(item))
    return list(seen)


def _start_of_array(head: bytes, prefix: str) -> int | None:
    if prefix == "item":
        return head.index(b"[") + 1
    name = prefix.removesuffix(".item").encode()
    starts = [match.end() for match in re.finditer(rb'"' + name + rb'"\s*:\s*\[', head)]
    return starts[0] if len(starts) == 1 else None


def _read_stretches(
    stream: FeedStream, start: int | None, reader: RowReader
) -> Generator[Chunk, None, tuple[int, bytes]]:
    """Rows as far as stretches can be cut out; returns the next row's number and a document of the rest."""
    number = 1
    if start is None:
        return number, b""
    opening, rest = stream.head[:start], stream.read(BLOCK)[start:]
    decoded = row_type(reader.names)
    decoder = msgspec.json.Decoder(list[decoded]) if decoded else None  # type: ignore[valid-type]
    while len(rest) <= LONGEST_STRETCH:
        for end, next_start in _cuts(rest):
            chunk = _decode(rest[:end], decoder, reader, number)
            if chunk is not None:
                yield chunk
                number += len(chunk)
                rest = rest[next_start:]
                break
        more = stream.read()
        if not more:
            break
        rest += more
    return number, opening + rest


def _cuts(text: bytes) -> Iterator[tuple[int, int]]:
    end, found = len(text), 0
    for _ in range(MOST_LOOKS):
        end = text.rfind(b"}", 0, end)
        if end < 0 or found == MOST_CUTS:
            return
        if match := BETWEEN_ITEMS.match(text, end):
            found += 1
            yield end + 1, match.end()


def _decode(
    stretch: bytes, decoder: "msgspec.json.Decoder[list[Any]] | None", reader: RowReader, number: int
) -> Chunk | None:
    text = b"[" + stretch + b"]"
    try:
        if decoder is not None and NUL not in stretch:
            with suppress(msgspec.ValidationError, RowRejected):
                rows = decoder.decode(text)
                settle_rows(rows, reader, number)
                return rows
        items = msgspec.json.decode(text)
    except UNREADABLE:
        return None
    return [_read(item, reader, number + index) for index, item in enumerate(items)]


def _read_items(stream: _Joined, prefix: str, reader: RowReader, number: int, source: str) -> Iterator[Chunk]:
    numbered = enumerate(_items(stream, prefix, source, number - 1), start=number)
    while chunk := [_read(item, reader, count) for count, item in islice(numbered, ROWS_PER_CHUNK)]:
        yield chunk


def _items(stream: _Joined | FeedStream, prefix: str, source: str, count: int) -> Iterator[Any]:
    try:
        for item in parse_items(stream, prefix):
            yield item
            count += 1
    except (ijson.JSONError, ValueError) as error:
        what = str(error).splitlines()[0][:100] if str(error) else type(error).__name__
        how = (
            "the JSON array is cut off"
            if "premature EOF" in what
            else f"the JSON array is not valid ({what})"
        )
        raise SnapshotRefused(
            f"{source}: {how} after {count:,} whole rows. Offer it whole, or as JSON Lines."
        ) from None


def _read(item: Any, reader: RowReader, number: int) -> CatalogRow | RejectedRow:
    try:
        if not isinstance(item, dict):
            raise RowRejected("the item is not a JSON object {…}")
        values = {field: item.get(name) for field, name in reader.names.items()}
        for field, value in values.items():
            if (
                type(value) is Decimal
            ):  # from ijson; as msgspec reads it, so that a row never depends on its place
                values[field] = float(value)
        return reader.build(values, number)
    except RowRejected as refusal:
        return RejectedRow(number, str(refusal), excerpt_of(msgspec.json.encode(item)))
