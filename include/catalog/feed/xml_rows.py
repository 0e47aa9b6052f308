"""XML, read event by event: each element that stands for one variant becomes a row, the rest is passed over.

A document type is refused before anything of it is read, and with it every entity but XML's own five. What
expat would hold in memory is bounded: one tag, one variant, the depth and the number of attributes.
"""

from collections.abc import Iterator
from typing import Any, NoReturn
from xml.parsers import expat

from include.catalog.base import CatalogRow, Chunk, RejectedRow, excerpt_of
from include.catalog.feed.fields import choose_names
from include.catalog.feed.rows import RowReader
from include.catalog.feed.stream import BLOCK, FeedStream
from include.catalog.feed.xml_finder import ItemFinder
from include.catalog.feed.xml_items import LONGEST_ITEM, Item, ItemCollector, NotRead
from include.domain.feed_fields import CatalogField, FieldMapping
from include.errors import RowRejected, SnapshotRefused

LONGEST_TAG = 2 * LONGEST_ITEM
HINTS = {
    expat.errors.XML_ERROR_UNDEFINED_ENTITY: (
        "; XML knows only &amp; &lt; &gt; &quot; &apos; and numbers such as &#160;"
    ),
    expat.errors.XML_ERROR_INVALID_TOKEN: "; bytes of another encoding? It is told by feed.encoding",
}
# Texts of which a feed may give several; only the first is kept.
MAY_REPEAT: tuple[CatalogField, ...] = ("title", "url", "image_url")


def read_xml(stream: FeedStream, settled: FieldMapping, item: str | None = None) -> Iterator[Chunk]:
    """The rows of an XML feed, whose variants are elements `item` or those that look like it.

    Raises SnapshotRefused where the document is cut, not well-formed, or built to do harm.
    """
    beginning = _Document(stream.source)
    finder = ItemFinder(beginning.parser)
    beginning.look_at(stream.head)
    way = finder.choose(settled.names, item, stream.source)
    if not finder.seen:
        raise beginning.refusal_of_beginning()
    seen, place = list(finder.total(way).names), f"{stream.source}, element {'/'.join(way)!r}"
    names = choose_names(seen, settled.names, place) if way else {}
    reader = RowReader(names, settled.rules)
    document = _Document(stream.source)
    items = ItemCollector(document.parser, way)
    number = 1
    while block := stream.read():
        document.feed(block, items)
        rows: Chunk = [_read(found, reader, number + index) for index, found in enumerate(items.take())]
        number += len(rows)
        if rows:
            yield rows
    document.close(items)


class _Document:
    """An XML parser that refuses what no feed needs."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._fed = 0
        self._mistake: str | None = None
        self.parser = expat.ParserCreate("utf-8")
        self.parser.buffer_text = True
        self.parser.ordered_attributes = True
        self.parser.StartDoctypeDeclHandler = _refuse_doctype

    def look_at(self, head: bytes) -> None:
        """Parse what may be only the beginning; a mistake in it is told when all is read."""
        try:
            self.parser.Parse(head, False)
        except expat.ExpatError as error:
            self._mistake = _explain(error)
        except NotRead as error:
            raise self._refusal(str(error)) from None

    def refusal_of_beginning(self) -> SnapshotRefused:
        """Why no element of the beginning has an end."""
        if self._mistake:
            return self._refusal(f"is not well-formed after 0 whole rows: {self._mistake}")
        return SnapshotRefused(
            f"{self._source}: no XML element ends within the first {BLOCK:,} bytes: the feed is cut off or no list of "
            "variants."
        )

    def feed(self, block: bytes, items: ItemCollector) -> None:
        """Parse on, into `items`."""
        self._fed += len(block)
        try:
            self.parser.Parse(block, False)
        except expat.ExpatError as error:
            raise self._refusal(f"is not well-formed after {_counted(items)}: {_explain(error)}") from None
        except NotRead as error:
            raise self._refusal(str(error)) from None
        if self._fed - self.parser.CurrentByteIndex > LONGEST_TAG:
            raise self._refusal(f"has a tag or comment longer than {LONGEST_TAG:,} bytes")

    def close(self, items: ItemCollector) -> None:
        """The document's end; raises SnapshotRefused where it comes too early."""
        try:
            self.parser.Parse(b"", True)
        except expat.ExpatError as error:
            raise self._refusal(f"is cut off after {_counted(items)}: {_explain(error)}") from None

    def _refusal(self, what: str) -> SnapshotRefused:
        line = self.parser.CurrentLineNumber
        return SnapshotRefused(
            f"{self._source}: on line {line:,}, the XML {what}. Offer a plain and whole XML document."
        )


def _refuse_doctype(*_: Any) -> NoReturn:
    raise NotRead("declares a document type (<!DOCTYPE …>), which could define entities")


def _read(item: Item, reader: RowReader, number: int) -> CatalogRow | RejectedRow:
    found = item.values
    try:
        if item.is_overlong:
            raise RowRejected(f"the element is longer than {LONGEST_ITEM:,} characters")
        values = {
            field: texts[0] if len(texts := found[name]) == 1 else _choose(field, name, texts)
            for field, name in reader.names.items()
            if name in found
        }
        return reader.build(values, number)
    except RowRejected as refusal:
        excerpt = " ".join(f"<{name}>{text}" for name, texts in found.items() for text in texts)
        return RejectedRow(number, f"{refusal} (the element on line {item.line:,})", excerpt_of(excerpt))


def _choose(field: CatalogField, name: str, texts: list[str]) -> Any:
    if field == "collections":
        return [text for text in texts if text]
    if field in MAY_REPEAT:
        return next((text for text in texts if text), "")
    if len(set(texts)) > 1:
        raise RowRejected(f"field {name!r} stands {len(texts)} times with different values")
    return texts[0]


def _counted(items: ItemCollector) -> str:
    return f"{items.count:,} whole rows"


def _explain(error: expat.ExpatError) -> str:
    what = f"{expat.errors.messages[error.code]} (column {error.offset + 1:,})"
    return what + HINTS.get(expat.errors.messages[error.code], "")
