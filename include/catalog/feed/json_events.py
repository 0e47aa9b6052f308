"""JSON read event by event, for what can't be decoded in larger pieces.

What would fill the memory is bounded: the depth, and the bytes between two items. yajl, which gives the
events, puts a question mark in place of half a surrogate pair; so that no id changes in silence, such a
document is refused.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from typing import Any

import ijson

from include.catalog.gunzip import Readable

BLOCK = 256 * 1024
DEEPEST = 100
LONGEST_BETWEEN_ITEMS = 16 * 1024 * 1024
LONGEST_ESCAPE = 12
CONTROLS_AS_BLANKS = bytes(max(sign, 0x20) for sign in range(256))
# One escape after the other, as a parser sees them: a whole surrogate pair, half of one, any other.
ESCAPES = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


class NotRead(ValueError):
    """The document has what no feed needs; the text says what."""


class GuardedStream:
    """The bytes of `stream`; raises NotRead where an item is endless or holds half of a surrogate pair."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._unfinished = b""
        self.count_since_item = 0

    def read(self, size: int) -> bytes:
        """At most `size` bytes, b"" at the end."""
        block = self._stream.read(size)
        self.count_since_item += len(block)
        if self.count_since_item > LONGEST_BETWEEN_ITEMS:
            raise NotRead(f"one item is longer than {LONGEST_BETWEEN_ITEMS:,} bytes")
        self._refuse_lone_surrogates(block)
        return block

    def _refuse_lone_surrogates(self, block: bytes) -> None:
        text = self._unfinished + block
        safe_until = len(text) - LONGEST_ESCAPE if block else len(text)
        self._unfinished = b""
        for escape in ESCAPES.finditer(text):
            if escape.start() > safe_until:
                self._unfinished = text[escape.start() :]
                return
            if escape[1]:
                raise NotRead(f"half of a surrogate pair, \\{escape[1].decode()}")


def sample_items(head: bytes, prefix: str) -> list[Any]:
    """The items in a document's beginning, for their names: what would spoil single ones is replaced."""
    readable = head.translate(CONTROLS_AS_BLANKS).decode("utf-8", "replace").encode()
    readable = ESCAPES.sub(lambda escape: rb"\ufffd" if escape[1] else escape[0], readable)
    items: list[Any] = []
    with suppress(ijson.JSONError, ValueError):
        items.extend(ijson.items(parse_events(BytesIO(readable)), prefix))
    return items


def parse_events(stream: Readable) -> Iterator[tuple[str, str, Any]]:
    """Prefix, event and value, as `ijson.parse` gives them; raises NotRead, ijson.JSONError."""
    return ijson.parse(_shallow_events(stream))


def parse_items(stream: Readable, prefix: str) -> Iterator[tuple[Any, int]]:
    """The values at `prefix` with the bytes that were read for each; raises as `parse_events`."""
    guarded = GuardedStream(stream)
    for item in ijson.items(parse_events(guarded), prefix):
        yield item, guarded.count_since_item
        guarded.count_since_item = 0


def _shallow_events(stream: Readable) -> Iterator[tuple[str, Any]]:
    depth = 0
    for event, value in ijson.basic_parse(stream, buf_size=BLOCK):
        if event in ("start_map", "start_array"):
            depth += 1
            if depth > DEEPEST:
                raise NotRead(f"nested deeper than {DEEPEST} levels")
        elif event in ("end_map", "end_array"):
            depth -= 1
        yield event, value
