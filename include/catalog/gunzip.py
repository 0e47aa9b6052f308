"""A gzip stream read in small pieces, whatever its size and however well it is packed."""

import zlib
from typing import Protocol

GZIP_MAGIC = b"\x1f\x8b"
GZIP_WINDOW = 31
PACKED_BLOCK = 64 * 1024


class Readable(Protocol):
    """Anything that gives its bytes piece by piece, b"" at the end."""

    def read(self, size: int, /) -> bytes: ...


class BrokenGzip(ValueError):
    """The stream ends early, is damaged, or carries something else behind its end."""


class GunzipReader:
    """The unpacked bytes of `stream`, which may hold several gzip members; memory stays bounded."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._member = zlib.decompressobj(GZIP_WINDOW)
        self._packed = b""
        self.bytes_read = 0

    def read(self, size: int) -> bytes:
        """At most `size` bytes, b"" at the end; raises BrokenGzip."""
        while self._fill():
            try:
                unpacked = self._member.decompress(self._packed, size)
            except zlib.error:
                raise BrokenGzip(f"damaged after {self.bytes_read:,} unpacked bytes") from None
            self._packed = self._member.unconsumed_tail or self._member.unused_data
            if unpacked:
                self.bytes_read += len(unpacked)
                return unpacked
        return b""

    def _fill(self) -> bool:
        if not self._packed:
            self._packed = self._stream.read(PACKED_BLOCK)
        if not self._member.eof:
            if not self._packed:
                raise BrokenGzip(f"cut off after {self.bytes_read:,} unpacked bytes")
            return True
        return self._next_member()

    def _next_member(self) -> bool:
        while self._packed and not self._packed.strip(b"\0"):
            self._packed = self._stream.read(PACKED_BLOCK)
        self._packed = self._packed.lstrip(b"\0")
        if not self._packed:
            return False
        if len(self._packed) < len(GZIP_MAGIC):
            self._packed += self._stream.read(PACKED_BLOCK)
        if not self._packed.startswith(GZIP_MAGIC):
            raise BrokenGzip(f"followed by other content after {self.bytes_read:,} unpacked bytes")
        self._member = zlib.decompressobj(GZIP_WINDOW)
        return True
