"""JSON whose variants lie deeper than in one list, as `feed.item` says: in an envelope, or inside of products.

The outermost list on the way is read item by item; what lies below it is taken apart in memory. A variant has the
names of what it lies in as well, each with `../` before it.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import ijson

from include.catalog.feed.json_events import parse_events
from include.errors import SnapshotRefused

ABOVE = "../"


@dataclass(frozen=True)
class WayToItems:
    """Where ijson finds the outermost list's items, and which steps lead from one of them to the variants."""

    prefix: str
    steps: tuple[str, ...] = ()

    def unfold(self, found: Any) -> list[Any]:
        """The variants in one item of the outermost list."""
        return _unfold(found, self.steps)


def find_way(head: bytes, item: str, source: str) -> WayToItems:
    """The way that `item`, as in data/products/variants, has in a document; raises SnapshotRefused."""
    steps = tuple(item.strip("/").split("/"))
    seen: dict[str, None] = {}
    with suppress(ijson.JSONError, ValueError):
        for prefix, event, value in parse_events(BytesIO(head)):
            above = tuple(prefix.split(".")) if prefix else ()
            if event == "start_array" and above == steps[: len(above)]:
                return WayToItems(f"{prefix}.item" if prefix else "item", steps[len(above) :])
            if event == "map_key":
                steps_seen = (*(step for step in above if step != "item"), str(value))
                seen["/".join(steps_seen)[:80]] = None
    shown = ", ".join(map(repr, list(seen)[:10])) or "no names"
    raise SnapshotRefused(
        f"{source}: feed.item says that variants are in {item!r}, but no list begins on that way. Seen: {shown}. "
        "The way begins at the document's beginning, as in products/variants."
    )


def _unfold(found: Any, steps: Sequence[str]) -> list[Any]:
    if not steps or not isinstance(found, dict):
        return [found]
    inner = found.get(steps[0])
    members = inner if isinstance(inner, list) else [] if inner is None else [inner]
    above = {f"{ABOVE}{name}": value for name, value in found.items() if name != steps[0]}
    parts = [{**above, **one} if isinstance(one, dict) else one for one in members]
    return [variant for part in parts for variant in _unfold(part, steps[1:])]
