"""Feeds in other encodings than UTF-8: what is told of them, and their text as UTF-8.

What a feed is written in is told, in this order, by its byte-order mark, by `feed.encoding`, by the server's
Content-Type and by an XML declaration. A feed of which nobody tells is UTF-8.
"""

import codecs
import re
from email.message import Message

from include.catalog.gunzip import Readable
from include.domain.encoding import find_codec
from include.errors import SnapshotRefused

UTF_8 = "utf-8"
BLOCK = 64 * 1024
# The marks of UTF-32 begin like those of UTF-16.
MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
XML_DECLARATION = re.compile(rb"""\s*<\?xml\s[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")


def tell_codec(head: bytes, settled: str | None, content_type: str | None) -> str:
    """Python's name of the encoding of a feed that begins with `head` and has no UTF-8 mark."""
    marked = next((codec for mark, codec in MARKS.items() if head.startswith(mark)), None)
    declared = XML_DECLARATION.match(head[:1000])
    told = (settled, _charset(content_type), declared[1].decode() if declared else None)
    return marked or next((codec for name in told if name and (codec := find_codec(name))), UTF_8)


class Utf8Reader:
    """The text of `stream`, which is written in `codec`, as UTF-8 and without a byte-order mark.

    What is no text in that encoding stays no text in UTF-8, so that its row is refused and no other.
    """

    def __init__(self, stream: Readable, codec: str, source: str) -> None:
        self._stream = stream
        self._source = source
        self._codec = codec
        # Only the wide encodings can spell half of a surrogate pair.
        self._errors = "surrogatepass" if codec.startswith("utf-") else "surrogateescape"
        self._decoder = codecs.getincrementaldecoder(codec)(self._errors)
        self._ready = b""
        self._is_at_start = True
        self._count = 0

    def read(self, size: int) -> bytes:
        """At most `size` bytes, b"" at the end; raises SnapshotRefused at bytes that can't be passed over."""
        while not self._ready:
            block = self._stream.read(BLOCK)
            self._ready = self._decode(block)
            self._count += len(block)
            if not block:
                break
        taken, self._ready = self._ready[:size], self._ready[size:]
        return taken

    def _decode(self, block: bytes) -> bytes:
        try:
            text = self._decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            what = "cut off in the middle of a character" if not block else f"not {self._codec} text"
            raise SnapshotRefused(
                f"{self._source}: near byte {self._count + error.start + 1:,} the feed is {what}. It is read as "
                f"{self._codec}; if it is written in another encoding, say so in shops.yaml under feed.encoding."
            ) from None
        if text and self._is_at_start:
            self._is_at_start = False
            text = text.removeprefix("\ufeff")
        return text.encode(UTF_8, self._errors)


def _charset(content_type: str | None) -> str | None:
    message = Message()
    message["Content-Type"] = content_type or ""
    charset = message.get_param("charset")
    return charset if isinstance(charset, str) else None
