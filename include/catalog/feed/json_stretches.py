"""Stretches of a JSON array, cut out of the text and decoded at once.

`[` + stretch + `]` is valid JSON only if the stretch ends where an item of the array ends. Items that are
valid but for their text (half of a surrogate pair, bytes that are no UTF-8, a bare NUL) are refused one by one.
"""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NoReturn

import msgspec

from include.catalog.base import CatalogRow, Chunk, RejectedRow, excerpt_of
from include.catalog.feed.decoded_rows import NUL, UNREADABLE, row_type, settle_rows
from include.catalog.feed.json_lines import explain_bad_json
from include.catalog.feed.rows import RowReader
from include.errors import RowRejected

MOST_CUTS = 3
MOST_LOOKS = 50
BETWEEN_ITEMS = re.compile(rb"\}\s*,\s*(?=\{)")
END_OF_ARRAY = re.compile(rb"\}\s*(?=\])")
TO_NEXT_ITEM = re.compile(r"\s*,\s*")
SPACE = re.compile(r"\s*")


class StretchReader:
    """Decodes stretches into rows; None where a stretch is no whole number of items."""

    def __init__(self, reader: RowReader) -> None:
        self._reader = reader
        decoded = row_type(reader.names) if reader.is_plain else None
        self._decoder = msgspec.json.Decoder(list[decoded]) if decoded else None  # type: ignore[valid-type]

    def read(self, stretch: bytes, number: int) -> Chunk | None:
        """The rows of the items in `stretch`, the first of which is item `number` of the array."""
        text = b"[" + stretch + b"]"
        try:
            if self._decoder is not None and NUL not in stretch:
                with suppress(msgspec.ValidationError, RowRejected):
                    rows: list[Any] = self._decoder.decode(text)
                    settle_rows(rows, self._reader, number)
                    return rows
            items = msgspec.json.decode(text)
        except UNREADABLE:
            return self._read_one_by_one(stretch, number)
        return [read_item(item, self._reader, number + index) for index, item in enumerate(items)]

    def read_end(self, opening: bytes, rest: bytes, number: int) -> Chunk | None:
        """The rows of what is left of a whole document: its last items, and what follows the array."""
        for match, _ in zip(END_OF_ARRAY.finditer(rest), range(MOST_LOOKS), strict=False):
            if not _is_json(opening + rest[match.end() :]):
                continue
            rows = self.read(rest[: match.start() + 1], number)
            if rows is not None:
                return rows
        return None

    def _read_one_by_one(self, stretch: bytes, number: int) -> Chunk | None:
        try:
            items = list(_split(stretch))
        except UNREADABLE:
            return None
        return [self._read_text(item, number + index) for index, item in enumerate(items)]

    def _read_text(self, text: bytes, number: int) -> CatalogRow | RejectedRow:
        try:
            item = msgspec.json.decode(text)
        except UNREADABLE as error:
            return RejectedRow(number, explain_bad_json(text, error, "item"), excerpt_of(text))
        return read_item(item, self._reader, number)


def cuts(text: bytes) -> Iterator[tuple[int, int]]:
    """Where `text` may be cut between two items, from its end: the end of one, the start of the next."""
    end, found = len(text), 0
    for _ in range(MOST_LOOKS):
        end = text.rfind(b"}", 0, end)
        if end < 0 or found == MOST_CUTS:
            return
        if match := BETWEEN_ITEMS.match(text, end):
            found += 1
            yield end + 1, match.end()


def read_item(item: Any, reader: RowReader, number: int) -> CatalogRow | RejectedRow:
    """The row that a decoded item makes."""
    if not isinstance(item, dict):
        excerpt = excerpt_of(msgspec.json.encode(item))
        return RejectedRow(number, "the item is not a JSON object {…}", excerpt)
    row = reader.read(reader.pick(item), number, b"")
    if isinstance(row, RejectedRow):
        row.excerpt = excerpt_of(msgspec.json.encode(item))
    return row


def _split(stretch: bytes) -> Iterator[bytes]:
    """The text of each item; raises ValueError where the stretch is something else."""
    text = stretch.decode("utf-8", "surrogateescape")
    position = SPACE.match(text).end()  # type: ignore[union-attr]
    while True:
        _, end = _LENIENT.raw_decode(text, position)
        yield text[position:end].encode("utf-8", "surrogateescape")
        separator = TO_NEXT_ITEM.match(text, end)
        if separator is None:
            if text[end:].strip():
                raise ValueError("something stands between two items")
            return
        position = separator.end()


def _is_json(text: bytes) -> bool:
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except UNREADABLE:
        return False
    return True


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_LENIENT = json.JSONDecoder(strict=False, parse_constant=_refuse_constant)
