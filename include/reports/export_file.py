"""Files that people and programs take away: CSV, packed when large, each with a manifest (SEMANTICS 9.2).

A file is written in one go and in constant memory; how large it becomes is known only on the way, so its first bytes
are kept until it is known whether it is packed.
"""

import gzip
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, BinaryIO, Self

import msgspec

BOM = b"\xef\xbb\xbf"
PACKING = 4
LINE_END = b"\r\n"

OpenFile = Callable[[str], BinaryIO]
Buffer = bytes | bytearray | memoryview


@dataclass(frozen=True)
class Manifest:
    """What a file holds; written after it, so that a file with a manifest is whole."""

    report: str
    shop_id: str
    first_on: date
    last_on: date
    is_of_present: bool
    file: str
    format: str
    columns: tuple[str, ...]
    row_count: int
    byte_count: int
    sha256: str
    exported_at: datetime

    def encode(self) -> bytes:
        """As JSON."""
        return msgspec.json.format(msgspec.json.encode(asdict(self))) + b"\n"

    @classmethod
    def decode(cls, content: bytes) -> Self:
        """From JSON; raises msgspec.DecodeError for anything else."""
        return msgspec.json.decode(content, type=cls)


class HashingStream:
    """Passes bytes on, and knows how many they were and their SHA-256."""

    def __init__(self, target: BinaryIO) -> None:
        self._target = target
        self._digest = hashlib.sha256()
        self.byte_count = 0

    def write(self, block: Buffer) -> int:
        """Pass a block on."""
        self._digest.update(block)
        self.byte_count += len(block)
        return self._target.write(block)

    def flush(self) -> None:
        """Nothing is kept back here."""

    def close(self) -> None:
        """Close the file."""
        self._target.close()

    @property
    def sha256(self) -> str:
        """Of everything written so far."""
        return self._digest.hexdigest()


class GrowingFile:
    """A file that is packed once it is larger than `pack_above` bytes; `name` is known when it is closed."""

    def __init__(self, open_file: OpenFile, name: str, pack_above: int) -> None:
        self.name = name
        self._open_file = open_file
        self._pack_above = pack_above
        self._kept: list[bytes] | None = []
        self._kept_size = 0
        self._stream: HashingStream | None = None
        self._target: Any = None

    def write(self, block: bytes) -> None:
        """Add a block."""
        if self._kept is None:
            self._target.write(block)
            return
        self._kept.append(block)
        self._kept_size += len(block)
        if self._kept_size > self._pack_above:
            self._start(is_packed=True)

    def close(self) -> HashingStream:
        """End the file; what was written."""
        if self._kept is not None:
            self._start(is_packed=False)
        if self._target is not self._stream:
            self._target.close()
        assert self._stream is not None
        self._stream.close()
        return self._stream

    def abort(self) -> None:
        """Close what is open, after an error."""
        if self._stream is not None:
            self._stream.close()

    def _start(self, is_packed: bool) -> None:
        kept, self._kept = self._kept or [], None
        self.name += ".gz" if is_packed else ""
        self._stream = self._target = HashingStream(self._open_file(self.name))
        if is_packed:
            self._target = gzip.GzipFile(
                filename="",
                mode="wb",
                compresslevel=PACKING,
                fileobj=self._stream,
                mtime=0,
            )
        for block in kept:
            self._target.write(block)


def write_csv(
    target: GrowingFile, columns: Iterable[str], lines: Iterable[list[Buffer]], with_bom: bool
) -> int:
    """RFC 4180: a header, CRLF line ends; the rows written. Each line given ends in a line feed."""
    target.write((BOM if with_bom else b"") + ",".join(columns).encode() + LINE_END)
    count = 0
    for together in lines:
        count += len(together)
        target.write(LINE_END.join([bytes(line[:-1]) for line in together]) + LINE_END)
    return count
