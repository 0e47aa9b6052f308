"""An archived feed as unpacked bytes, with its beginning in sight, and what that beginning tells."""

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from io import BytesIO
from typing import Literal

import ijson
import msgspec

from include.ahead import ahead
from include.catalog.archive import Archive
from include.catalog.feed.encoding import UTF_8, Utf8Reader, tell_codec
from include.catalog.feed.json_events import parse_events
from include.catalog.gunzip import GZIP_MAGIC, BrokenGzip, GunzipReader, Readable
from include.domain.shop import FeedSettings
from include.errors import SnapshotRefused

BLOCK = 256 * 1024
MOST_LAYERS = 2
BLOCKS_AHEAD = 4
# Real feeds pack to a tenth, very uniform ones to a fiftieth; gzip's own limit is a thousandth.
MOST_UNPACKED_RATIO = 200
ALWAYS_UNPACKED = 10_000_000
MOST_UNPACKED_OF_LIMIT = 10
BOM = b"\xef\xbb\xbf"
WRAPPERS = ("items", "products", "data")
FOREIGN_KINDS = {
    b"PK\x03\x04": "a ZIP or Excel file",
    b"BZh": "a file packed with bzip2",
    b"\xfd7zXZ\x00": "a file packed with xz",
    b"\x28\xb5\x2f\xfd": "a file packed with Zstandard",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip file",
    b"Rar!": "a RAR file",
    b"%PDF-": "a PDF document",
    b"\xd0\xcf\x11\xe0": "an old Excel file",
    b"PAR1": "a Parquet file",
    b"SQLite format 3": "a database",
}
TEXT = bytes([*b"\t\n\v\f\r", *range(0x20, 0x7F), *range(0x80, 0x100)])
ALLOWED = "Allowed are a JSON array, JSON Lines, CSV and XML, plain or packed with gzip"

FeedFormat = Literal["json", "jsonl", "csv", "xml"]


class FeedStream:
    """The feed's bytes; `head` is what it begins with, at most one block, without a byte-order mark."""

    def __init__(self, stream: Readable, source: str, most_bytes: int | None = None) -> None:
        self._stream = stream
        self._most_bytes = most_bytes
        self._count = 0
        self.is_marked_utf8 = False
        self.source = source
        self.head = self._read_head()
        self._ahead = self.head

    def read(self, size: int = BLOCK) -> bytes:
        """At most `size` bytes, b"" at the end; raises SnapshotRefused where the feed is cut or damaged."""
        if not self._ahead:
            return self._read_on(size)
        taken, self._ahead = self._ahead[:size], self._ahead[size:]
        return taken

    @contextmanager
    def reading_ahead(self) -> Iterator["FeedStream"]:
        """Meanwhile blocks are unpacked in a thread of their own: zlib leaves the processor's other core free."""
        blocks = ahead(iter(partial(self._stream.read, BLOCK), b""), BLOCKS_AHEAD)
        with closing(blocks):
            self._stream = _BlocksAhead(blocks)
            yield self

    def _read_head(self) -> bytes:
        head = b""
        while len(head) < BLOCK and (more := self._read_on(BLOCK - len(head))):
            head += more
        self.is_marked_utf8 = head.startswith(BOM)
        return head.removeprefix(BOM)

    def _read_on(self, size: int) -> bytes:
        try:
            block = self._stream.read(size)
        except BrokenGzip as error:
            raise SnapshotRefused(
                f"{self.source}: the gzip file is {error}. Was it still being written? Offer it whole."
            ) from None
        self._count += len(block)
        if self._most_bytes is not None and self._count > self._most_bytes:
            raise SnapshotRefused(
                f"{self.source}: the feed unpacks to more than {self._most_bytes:,} bytes. Allowed are "
                f"{MOST_UNPACKED_RATIO} times what was received, and {MOST_UNPACKED_OF_LIMIT} times "
                "feed.max_megabytes. Offer it without the padding, or unpacked."
            )
        return block


class _BlocksAhead:
    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = b""

    def read(self, size: int) -> bytes:
        block = self._rest or next(self._blocks, b"")
        self._rest = block[size:]
        return block[:size]


@contextmanager
def open_feed(archive: Archive, settings: FeedSettings) -> Iterator[FeedStream]:
    """The archive's feed as UTF-8, unpacked as often as it was packed."""
    manifest = archive.manifest
    source, received = manifest.source, manifest.parts[0]
    most = _most_unpacked(received.byte_count, settings)
    with archive.open_part(received) as part:
        stream = FeedStream(part, source, most)
        for _ in range(MOST_LAYERS):
            if stream.head.startswith(GZIP_MAGIC):
                stream = FeedStream(GunzipReader(stream), source, most)
        codec = UTF_8
        if not stream.is_marked_utf8:
            codec = tell_codec(stream.head, settings.encoding, manifest.content_type)
        if codec != UTF_8:
            stream = FeedStream(Utf8Reader(stream, codec, source), source)
        with stream.reading_ahead():
            yield stream


def _most_unpacked(received: int, settings: FeedSettings) -> int:
    by_ratio = max(ALWAYS_UNPACKED, received * MOST_UNPACKED_RATIO)
    return min(by_ratio, settings.max_bytes * MOST_UNPACKED_OF_LIMIT)


def refuse_what_is_no_feed(stream: FeedStream, content_type: str | None, *, is_format_settled: bool) -> None:
    """Raise SnapshotRefused for an empty body, a page for people, and files of other kinds."""
    start = stream.head.lstrip()
    seen = _foreign_kind(stream.head)
    if not start:
        seen = "nothing: the feed is empty"
    elif start.startswith(b"<") and (page := _page(start)):
        seen = page
    elif content_type and "text/html" in content_type.lower() and not is_format_settled:
        raise SnapshotRefused(
            f"{stream.source}: the server calls it text/html, a page for people. If it is a feed all the same, "
            "set feed.format in shops.yaml."
        )
    if seen:
        raise SnapshotRefused(f"{stream.source}: seen was {seen}. {ALLOWED}.")


def tell_format(stream: FeedStream) -> FeedFormat:
    """The format that the feed's beginning has."""
    start = stream.head.lstrip()
    if start.startswith(b"<"):
        return "xml"
    if start.startswith(b"["):
        return "json"
    if not start.startswith(b"{"):
        return "csv"
    return "json" if not _is_json_lines(start) and array_prefix(stream.head) else "jsonl"


def array_prefix(head: bytes) -> str | None:
    """Where ijson finds the rows: `item`, or `items.item` and its like inside an object; None if nowhere."""
    if head.lstrip().startswith(b"["):
        return "item"
    try:
        for prefix, event, _ in parse_events(BytesIO(head)):
            if event == "start_array" and prefix in WRAPPERS:
                return f"{prefix}.item"
    except (ijson.JSONError, ValueError):
        pass
    return None


def _is_json_lines(start: bytes) -> bool:
    first, newline, rest = start.partition(b"\n")
    if not newline or not rest.lstrip().startswith(b"{"):
        return False
    try:
        return isinstance(msgspec.json.decode(first), dict)
    except (ValueError, RecursionError):
        return False


def _page(start: bytes) -> str | None:
    before = rb"(?>\s+|<\?xml[^>]*>|<!--.*?-->)*+"
    if not re.match(before + rb"<(?:!doctype\s+html|html|head|body)\b", start, re.IGNORECASE | re.DOTALL):
        return None
    title = re.search(rb"<title[^>]*>([^<]{1,80})", start, re.IGNORECASE)
    named = f" titled {title[1].decode('utf-8', 'replace').strip()!r}" if title else ""
    return f"an HTML page{named}: perhaps a login or maintenance page"


def _foreign_kind(head: bytes) -> str | None:
    if head.startswith(GZIP_MAGIC):
        return "gzip inside gzip inside gzip"
    if named := next((kind for magic, kind in FOREIGN_KINDS.items() if head.startswith(magic)), None):
        return named
    start = head[:256]
    if start.count(0) > len(start) // 8:
        order = "be" if start[:2].startswith(b"\0") else "le"
        return f"a binary file, or UTF-16 text without its mark (then set feed.encoding: utf-16-{order})"
    return "a binary file" if len(start.translate(None, TEXT)) > len(start) // 32 else None
