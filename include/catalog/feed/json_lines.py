"""JSON Lines: blocks of lines decoded at once into typed rows; a block with trouble goes line by line."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec

from include.catalog.base import CatalogRow, Chunk, RejectedRow, excerpt_of
from include.catalog.feed.decoded_rows import NUL, UNREADABLE, row_type, settle_rows
from include.catalog.feed.fields import choose_names, seen_names
from include.catalog.feed.rows import RowReader
from include.catalog.feed.stream import FeedStream
from include.domain.feed_fields import FieldMapping
from include.errors import RowRejected, SnapshotRefused

LONGEST_LINE = 1024 * 1024
KEPT_OF_OVERLONG = 1000


@dataclass(frozen=True)
class OverlongLine:
    """A line that is too long to be held; only its beginning was kept."""

    beginning: bytes


def read_json_lines(stream: FeedStream, settled: FieldMapping) -> Iterator[Chunk]:
    """The rows of a feed with one JSON object a line; raises SnapshotRefused."""
    sample = list(_sample(stream.head))
    if not any(isinstance(line, dict) for line in sample):
        raise SnapshotRefused(f"{stream.source}: {_explain_start(stream.head)}")
    seen = seen_names(sample, settled.names)
    reader = RowReader(choose_names(seen, settled.names, stream.source), settled.rules)
    decoded = row_type(reader.names) if reader.is_plain else None
    decoder = msgspec.json.Decoder(decoded) if decoded else None
    line_number = 1
    for block in line_blocks(stream):
        if isinstance(block, OverlongLine):
            yield [_overlong(block, line_number)]
            line_number += 1
            continue
        line_count = _line_count(block)
        rows = _read_fast(block, decoder, reader, line_number, line_count)
        yield rows if rows is not None else list(_read_slowly(block, reader, line_number, stream.source))
        line_number += line_count


def line_blocks(stream: FeedStream) -> Iterator[bytes | OverlongLine]:
    """The feed in blocks of whole lines; only the last one may lack its line break."""
    rest, overlong = b"", b""
    while block := stream.read():
        first = block.find(b"\n") + 1
        if not first and not overlong:
            rest += block
        if not overlong and len(rest) + first > LONGEST_LINE:
            overlong, rest = (rest + block)[:KEPT_OF_OVERLONG], b""
        if not first:
            continue
        if overlong:
            yield OverlongLine(overlong)
            overlong, block = b"", block[first:]
        last = block.rfind(b"\n") + 1
        if last:
            yield rest + block[:last]
        rest = block[last:]
    if overlong:
        yield OverlongLine(overlong)
    elif rest:
        yield rest


def _sample(head: bytes) -> Iterator[Any]:
    for line in head.splitlines():
        with suppress(*UNREADABLE):
            yield msgspec.json.decode(line.decode("utf-8", "replace"))


def _explain_start(head: bytes) -> str:
    start = head.lstrip()
    first, line_break, _ = start.partition(b"\n")
    if not line_break and len(start) > LONGEST_LINE // 8:
        return f"no line ends within the first {len(head):,} bytes. Allowed is one JSON object a line, or an array."
    try:
        msgspec.json.decode(first)
    except UNREADABLE as error:
        why = explain_bad_json(first, error, "first line")
        return (
            f"{why}, and no line after it is one JSON object. Allowed is one JSON object a line, or an array."
        )
    return f"seen was {excerpt_of(first)[:60]!r}. Allowed is one JSON object a line, or an array."


def _read_fast(
    block: bytes,
    decoder: "msgspec.json.Decoder[Any] | None",
    reader: RowReader,
    line_number: int,
    line_count: int,
) -> Chunk | None:
    if decoder is None or NUL in block:
        return None
    try:
        rows = decoder.decode_lines(block)
        if len(rows) != line_count:
            return None
        settle_rows(rows, reader, line_number)
    except (*UNREADABLE, RowRejected):
        return None
    return rows


def _read_slowly(
    block: bytes, reader: RowReader, line_number: int, source: str
) -> Iterator[CatalogRow | RejectedRow]:
    lines = block.split(b"\n")
    for number, line in enumerate(lines, start=line_number):
        if not line.strip():
            continue
        try:
            found = msgspec.json.decode(line)
        except UNREADABLE as error:
            is_last = number == line_number + len(lines) - 1
            if is_last and "truncated" in str(error):
                raise SnapshotRefused(
                    f"{source}: the feed is cut off in the middle of line {number:,}. Offer it whole."
                ) from None
            yield RejectedRow(number, explain_bad_json(line, error, "line"), excerpt_of(line))
        else:
            yield _read_object(found, reader, number, line)


def _read_object(found: Any, reader: RowReader, number: int, line: bytes) -> CatalogRow | RejectedRow:
    if not isinstance(found, dict):
        return RejectedRow(number, "the line is not a JSON object {…}", excerpt_of(line))
    return reader.read(reader.pick(found), number, line)


def explain_bad_json(text: bytes, error: Exception, what: str) -> str:
    """Why the JSON text of one row, which is a line or an item, could not be decoded."""
    if isinstance(error, UnicodeDecodeError):
        return f"the {what} is not valid UTF-8 text; another encoding is told by feed.encoding"
    if isinstance(error, RecursionError):
        return f"the {what} is nested too deeply"
    if b"\\ud" in text.lower():
        return f"the {what} is not valid JSON, or holds half of a surrogate pair (\\ud800 to \\udfff)"
    return f"the {what} is not valid JSON: {str(error).removeprefix('JSON is malformed: ')}"


def _overlong(block: OverlongLine, line_number: int) -> RejectedRow:
    reason = f"the line is longer than {LONGEST_LINE:,} bytes"
    return RejectedRow(line_number, reason, excerpt_of(block.beginning))


def _line_count(block: bytes) -> int:
    return block.count(b"\n") + (not block.endswith(b"\n"))
