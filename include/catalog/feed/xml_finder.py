"""Which elements of an XML feed stand for variants, told by the feed's beginning."""

from collections.abc import Mapping
from typing import Any

from include.catalog.feed.fields import NAMES, REQUIRED, plain_name
from include.catalog.feed.xml_items import Elements, Item, Way, local_name
from include.domain.feed_fields import CatalogField
from include.errors import SnapshotRefused


class ElementSeen:
    """How often an element stands in the feed's beginning, and which names it contains."""

    def __init__(self) -> None:
        self.count = 0
        self.names: dict[str, None] = {}

    def add(self, other: "ElementSeen") -> None:
        """Count `other` as the same element."""
        self.count += other.count
        self.names.update(other.names)


class ItemFinder(Elements):
    """Notes, for every element of the feed's beginning that ended, what it contains."""

    def __init__(self, parser: Any) -> None:
        super().__init__(parser)
        self.seen: dict[Way, ElementSeen] = {}
        self._open: list[Item] = []

    def start(self, name: str, attributes: list[str]) -> None:
        """See Elements."""
        local = self.enter(name, attributes)
        for item in self._open:
            item.start(name, local, attributes)
        self._open.append(Item(0, attributes))

    def text(self, text: str) -> None:
        """See Elements."""
        for item in self._open:
            item.text(text)

    def end(self, name: str) -> None:
        """See Elements."""
        ended = self._open.pop()
        for item in self._open:
            item.end()
        seen = self.seen.setdefault(tuple(self.way), ElementSeen())
        seen.count += 1
        seen.names.update(dict.fromkeys(ended.values))
        self.way.pop()

    def total(self, way: Way) -> ElementSeen:
        """The elements whose way ends in `way`, taken together."""
        total = ElementSeen()
        for other, seen in self.seen.items():
            if other[-len(way) :] == way:
                total.add(seen)
        return total

    def choose(self, settled: Mapping[CatalogField, str], item: str | None, source: str) -> Way:
        """The end of the way to the elements that stand for variants; empty where there is no candidate.

        `item` is the element's name, or the end of its way as in `channel/item`. Without it, the elements
        that have an id and a quantity are taken, the most frequent ones, on a tie the outer ones.
        """
        if item is not None:
            return self._settled(item, source)
        totals = {way[-1:]: self.total(way[-1:]) for way in sorted(self.seen, key=len)}
        fitting = {way: seen for way, seen in totals.items() if _is_row(seen, settled)}
        if fitting:
            return max(fitting, key=lambda way: fitting[way].count)
        likely = {way: seen for way, seen in totals.items() if seen.names}
        return max(likely, key=lambda way: (likely[way].count, len(likely[way].names)), default=())

    def _settled(self, item: str, source: str) -> Way:
        way = tuple(local_name(name) for name in item.strip("/").split("/"))
        if self.total(way).count:
            return way
        seen = ", ".join(dict.fromkeys(repr(way[-1]) for way in self.seen)) or "none that ends"
        raise SnapshotRefused(
            f"{source}: feed.item says that a variant is an element {item!r}, but the feed's beginning has none. "
            f"Elements seen there: {seen[:500]}."
        )


def _is_row(seen: ElementSeen, settled: Mapping[CatalogField, str]) -> bool:
    plain = {plain_name(name) for name in seen.names}
    return all(
        settled[field] in seen.names if field in settled else not plain.isdisjoint(NAMES[field])
        for field in REQUIRED
    )
