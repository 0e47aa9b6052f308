"""A JSON array of objects, bare or inside an object.

Whole stretches of it are decoded at once. What can't be cut out, or is broken, is read item by item.
"""

import re
from collections.abc import Generator, Iterator
from decimal import Decimal
from itertools import islice
from typing import Any, NoReturn

import ijson
import msgspec

from include.catalog.base import CatalogRow, Chunk, RejectedRow, excerpt_of
from include.catalog.feed.fields import choose_names, seen_names
from include.catalog.feed.json_events import BLOCK, parse_items, sample_items
from include.catalog.feed.json_lines import LONGEST_LINE
from include.catalog.feed.json_nested import find_way
from include.catalog.feed.json_stretches import StretchReader, cuts, read_item
from include.catalog.feed.rows import RowReader
from include.catalog.feed.stream import WRAPPERS, FeedStream, array_prefix
from include.domain.feed_fields import FieldMapping
from include.errors import SnapshotRefused

ROWS_PER_CHUNK = 2000
LONGEST_STRETCH = LONGEST_LINE


def read_json_array(stream: FeedStream, settled: FieldMapping, item: str | None = None) -> Iterator[Chunk]:
    """The rows of a feed that is one JSON array, or whose variants lie deeper, in `item`.

    Raises SnapshotRefused where the array does not end.
    """
    if item is not None:
        yield from _read_nested(stream, settled, item)
        return
    prefix = array_prefix(stream.head)
    if prefix is None:
        raise SnapshotRefused(
            f"{stream.source}: no array was found. Allowed are an array [ … ] or an object with an array "
            f"called {', '.join(WRAPPERS)}; one object a line is feed.format: jsonl."
        )
    sample = sample_items(stream.head, prefix)
    if not sample:
        _refuse_or_be_empty(stream, prefix)
        return
    seen = seen_names(sample, settled.names)
    reader = RowReader(choose_names(seen, settled.names, stream.source), settled.rules)
    number, rest = yield from _read_stretches(stream, _start_of_array(stream.head, prefix), reader)
    if rest is not None:
        items = _items(_Joined(rest, stream), prefix, stream.source, number - 1)
        yield from _read_items(items, reader, number)


def _read_nested(stream: FeedStream, settled: FieldMapping, item: str) -> Iterator[Chunk]:
    way = find_way(stream.head, item, stream.source)
    outer = sample_items(stream.head, way.prefix)
    sample = [variant for found in outer for variant in way.unfold(found)]
    if not sample:
        _refuse_or_be_empty(stream, way.prefix) if not outer else _refuse_empty(stream, outer, item)
        return
    names = choose_names(seen_names(sample, settled.names), settled.names, stream.source)
    reader = RowReader(names, settled.rules)
    items = _items(stream, way.prefix, stream.source, 0)
    variants = ((variant, size) for found, size in items for variant in way.unfold(found))
    yield from _read_items(variants, reader, 1)


def _refuse_empty(stream: FeedStream, outer: list[Any], item: str) -> NoReturn:
    seen = ", ".join(map(repr, seen_names(outer, {})[:10]))
    raise SnapshotRefused(
        f"{stream.source}: feed.item says that variants are in {item!r}, but the feed's beginning has none there. "
        f"Seen: {seen}."
    )


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


def _refuse_or_be_empty(stream: FeedStream, prefix: str) -> None:
    for _ in _items(stream, prefix, stream.source, 0):
        raise SnapshotRefused(f"{stream.source}: the first row is longer than {BLOCK:,} bytes.")


def _start_of_array(head: bytes, prefix: str) -> int | None:
    if prefix == "item":
        return head.index(b"[") + 1
    name = prefix.removesuffix(".item").encode()
    starts = [match.end() for match in re.finditer(rb'"' + name + rb'"\s*:\s*\[', head)]
    return starts[0] if len(starts) == 1 else None


def _read_stretches(
    stream: FeedStream, start: int | None, reader: RowReader
) -> Generator[Chunk, None, tuple[int, bytes | None]]:
    """Rows as far as stretches can be cut out; returns the next item's number and a document of the rest.

    The rest is None where nothing is left to read.
    """
    number = 1
    if start is None:
        return number, b""
    opening, rest = stream.head[:start], stream.read(BLOCK)[start:]
    stretches = StretchReader(reader)
    while len(rest) <= LONGEST_STRETCH:
        for end, next_start in cuts(rest):
            chunk = stretches.read(rest[:end], number)
            if chunk is not None:
                yield chunk
                number += len(chunk)
                rest = rest[next_start:]
                break
        more = stream.read()
        if more:
            rest += more
            continue
        chunk = stretches.read_end(opening, rest, number)
        if chunk is not None:
            yield chunk
            return number + len(chunk), None
        break
    return number, opening + rest


def _read_items(items: Iterator[tuple[Any, int]], reader: RowReader, number: int) -> Iterator[Chunk]:
    numbered = enumerate(items, start=number)
    rows = (_read(item, size, reader, count) for count, (item, size) in numbered)
    while chunk := list(islice(rows, ROWS_PER_CHUNK)):
        yield chunk


def _items(stream: _Joined | FeedStream, prefix: str, source: str, count: int) -> Iterator[tuple[Any, int]]:
    try:
        for found in parse_items(stream, prefix):
            yield found
            count += 1
    except (ijson.JSONError, ValueError) as error:
        what = _first_line(error)
        how = "is cut off" if "premature EOF" in what else f"is not valid ({what})"
        raise SnapshotRefused(
            f"{source}: the JSON array {how} after {count:,} whole rows. Offer it whole, or as JSON Lines."
        ) from None


def _first_line(error: Exception) -> str:
    told = error.args[0] if error.args else type(error).__name__
    text = told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)
    return (text.splitlines() or [type(error).__name__])[0][:100]


def _read(item: Any, size: int, reader: RowReader, number: int) -> CatalogRow | RejectedRow:
    if size > LONGEST_LINE - BLOCK:
        text = msgspec.json.encode(item)
        if len(text) > LONGEST_LINE:
            return RejectedRow(number, f"the item is longer than {LONGEST_LINE:,} bytes", excerpt_of(text))
    if isinstance(item, dict):
        # Decimals are from ijson; elsewhere numbers are floats, and a row never depends on its place.
        item = {name: float(value) if type(value) is Decimal else value for name, value in item.items()}
    return read_item(item, reader, number)
