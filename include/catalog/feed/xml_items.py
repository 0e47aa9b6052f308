"""What stands inside the elements of an XML feed, as expat's events tell it, within limits."""

from abc import ABC, abstractmethod
from typing import Any

DEEPEST = 32
MOST_ATTRIBUTES = 100
LONGEST_NAME = 200
LONGEST_ITEM = 1024 * 1024

Way = tuple[str, ...]


class NotRead(ValueError):
    """The document has what no feed needs; the text says what."""


class Item:
    """One element with all that it contains, by name.

    An attribute or a child is called as it is (`quantity`), what lies deeper by its way (`stock/quantity`),
    an attribute of a child `stock@unit`. A prefix may be left out. A child that only holds other children,
    all of one name, has their texts: `<categories><category>…`.
    """

    __slots__ = ("_children", "_full_ways", "_length", "_texts", "_ways", "is_overlong", "line", "values")

    def __init__(self, line: int, attributes: list[str]) -> None:
        self.line = line
        self.values: dict[str, list[str]] = {}
        self.is_overlong = False
        self._length = 0
        self._ways: list[str] = []
        self._full_ways: dict[str, str] = {}
        self._texts: list[list[str]] = []
        self._children: dict[str, list[tuple[str, str]]] = {}
        if attributes:
            self._add_attributes("", attributes)

    def start(self, name: str, local: str, attributes: list[str]) -> None:
        """A child, or a child's child, begins."""
        ways = self._ways
        above = f"{ways[-1]}/" if ways else ""
        way = above + local
        if name is not local:
            self._full_ways[way] = above + name
        ways.append(way)
        self._texts.append([])
        if attributes:
            self._add_attributes(f"{way}@", attributes)

    def text(self, text: str) -> None:
        """Text of the innermost child; text of the element itself is of no use."""
        self._length += len(text)
        if self._length > LONGEST_ITEM:
            self.is_overlong = True
        elif self._texts:
            self._texts[-1].append(text)

    def end(self) -> None:
        """The innermost child ends."""
        way = self._ways.pop()
        text = "".join(self._texts.pop()).strip()
        if self._ways:
            self._children.setdefault(self._ways[-1], []).append((way, text))
        texts = self._texts_of_container(way) if not text and way in self._children else [text]
        self._length += len(way)
        if texts and not self.is_overlong:
            self._add(way, texts)
            if way in self._full_ways:
                self._add(self._full_ways[way], texts)

    def _texts_of_container(self, way: str) -> list[str]:
        children = self._children.pop(way)
        return [text for _, text in children] if len({way for way, _ in children}) == 1 else []

    def _add_attributes(self, before: str, attributes: list[str]) -> None:
        for name, value in zip(attributes[::2], attributes[1::2], strict=True):
            if name.startswith("xmlns"):
                continue
            self._length += len(name) + len(value)
            self.is_overlong = self.is_overlong or self._length > LONGEST_ITEM
            if not self.is_overlong:
                for known in dict.fromkeys((local_name(name), name)):
                    self._add(before + known, [value.strip()])

    def _add(self, name: str, texts: list[str]) -> None:
        if name in self.values:
            self.values[name] += texts
        else:
            self.values[name] = list(texts)


class Elements(ABC):
    """Receives expat's events; raises NotRead where they are more than a feed needs."""

    def __init__(self, parser: Any) -> None:
        self.parser = parser
        self.way: list[str] = []
        self._local_names: dict[str, str] = {}
        parser.StartElementHandler = self.start
        parser.CharacterDataHandler = self.text
        parser.EndElementHandler = self.end

    @abstractmethod
    def start(self, name: str, attributes: list[str]) -> None:
        """An element begins; `attributes` are names and values in turn."""

    @abstractmethod
    def text(self, text: str) -> None:
        """Text of the innermost element, or a piece of it."""

    @abstractmethod
    def end(self, name: str) -> None:
        """The innermost element ends."""

    def enter(self, name: str, attributes: list[str]) -> str:
        """Go down into an element; its name without a prefix."""
        local = self._local_names.get(name) or self._learn(name)
        self.way.append(local)
        if len(self.way) > DEEPEST:
            raise NotRead(f"is nested deeper than {DEEPEST} levels")
        if attributes:
            _check_attributes(attributes)
        return local

    def _learn(self, name: str) -> str:
        if len(name) > LONGEST_NAME:
            raise NotRead(f"has a name of more than {LONGEST_NAME} characters")
        local = local_name(name) if ":" in name else name
        if len(self._local_names) < 1000:
            self._local_names[name] = local
        return local


class ItemCollector(Elements):
    """Gathers the elements that stand for variants; one that grows too long keeps only its beginning."""

    def __init__(self, parser: Any, way: Way) -> None:
        super().__init__(parser)
        self._last = way[-1] if way else None
        self._end_of_way = list(way)
        self._item: Item | None = None
        self._depth_of_item = 0
        self._whole: list[Item] = []
        self.count = 0

    def take(self) -> list[Item]:
        """The elements that have ended since the last time."""
        taken, self._whole = self._whole, []
        return taken

    def start(self, name: str, attributes: list[str]) -> None:
        """See Elements."""
        local = self.enter(name, attributes)
        if self._item is not None:
            self._item.start(name, local, attributes)
        elif local == self._last and self.way[-len(self._end_of_way) :] == self._end_of_way:
            self._item = Item(self.parser.CurrentLineNumber, attributes)
            self._depth_of_item = len(self.way)

    def text(self, text: str) -> None:
        """See Elements."""
        if self._item is not None:
            self._item.text(text)

    def end(self, name: str) -> None:
        """See Elements."""
        if self._item is not None:
            if len(self.way) == self._depth_of_item:
                self._whole.append(self._item)
                self._item = None
                self.count += 1
            else:
                self._item.end()
        self.way.pop()


def local_name(name: str) -> str:
    """`name` without its namespace's prefix."""
    return name.rpartition(":")[2]


def _check_attributes(attributes: list[str]) -> None:
    if len(attributes) > 2 * MOST_ATTRIBUTES:
        raise NotRead(f"has an element with more than {MOST_ATTRIBUTES} attributes")
    if any(len(name) > LONGEST_NAME for name in attributes[::2]):
        raise NotRead(f"has a name of more than {LONGEST_NAME} characters")
