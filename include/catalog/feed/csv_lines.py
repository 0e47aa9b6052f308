"""The lines of a CSV feed: one by one for Python's csv, in whole blocks where nothing is quoted."""

import codecs
import csv
import io
from collections.abc import Iterator

from include.catalog.feed.stream import BLOCK, FeedStream

BREAKS = (b"\n", b"\r")
LONGEST_LINE = 1024 * 1024


class CsvLines:
    """What csv.reader iterates over; `count` lines were handed out so far, whichever way.

    `is_suspect` tells whether any byte so far needs a closer look, `ends_with_break` how the feed ends.
    """

    def __init__(self, stream: FeedStream) -> None:
        self._bytes = _Bytes(stream)
        self._rest = b""
        self._text = ""
        self._end_of_block = 0
        self.count = 0

    @property
    def is_suspect(self) -> bool:
        """Whether a NUL was seen, or a byte that is not UTF-8."""
        return self._bytes.is_suspect

    @property
    def ends_with_break(self) -> bool:
        """Whether what was read last ends a line."""
        return self._bytes.ends_with_break

    def __iter__(self) -> Iterator[str]:
        while self._text or self._fill():
            lines = list(io.StringIO(self._text, newline=""))
            self._text, self._end_of_block = "", self.count + len(lines)
            for line in lines:
                self.count += 1
                yield line

    def take_unquoted(self) -> list[str]:
        """All lines of the next block without their breaks, where no quote joins any; else none are taken."""
        if self.count < self._end_of_block or not (self._text or self._fill()) or '"' in self._text:
            return []
        text = self._text.replace("\r\n", "\n")
        lines = text.removesuffix("\n").split("\n")
        if "\r" in text or max(map(len, lines)) > csv.field_size_limit():
            return []
        self._text = ""
        self.count += len(lines)
        return lines

    def _fill(self) -> bool:
        """Read on to a line's end; False where the feed has ended."""
        whole = 0
        while not whole and (received := self._bytes.read()):
            self._rest += received
            whole = _end_of_lines(self._rest)
        whole = whole or len(self._rest)
        self._text = self._rest[:whole].decode("utf-8", "surrogateescape")
        self._rest = self._rest[whole:]
        return bool(self._text)


class _Bytes:
    """The feed in blocks; of an endless line, which csv would hold whole, only the beginning is passed on."""

    def __init__(self, stream: FeedStream) -> None:
        self._stream = stream
        self._check = codecs.getincrementaldecoder("utf-8")()
        self._since_break = 0
        self.is_suspect = False
        self.ends_with_break = False

    def read(self) -> bytes:
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


def _last_break(received: bytes) -> int:
    return max(received.rfind(sign) for sign in BREAKS)


def _end_of_lines(read: bytes) -> int:
    """Where the last whole line ends; a carriage return at the very end may have its line feed still to come."""
    return read.rfind(b"\n") + 1 or read.rfind(b"\r", 0, -1) + 1
