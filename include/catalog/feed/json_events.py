"""JSON read event by event, with a limit on its depth: deep nesting would fill the memory with prefixes."""

from collections.abc import Iterator
from typing import Any

import ijson

from include.catalog.gunzip import Readable

BLOCK = 256 * 1024
DEEPEST = 100


class NestedTooDeeply(ValueError):
    """The document has more levels than any feed needs."""


def parse_events(stream: Readable) -> Iterator[tuple[str, str, Any]]:
    """Prefix, event and value, as `ijson.parse` gives them; raises NestedTooDeeply, ijson.JSONError."""
    return ijson.parse(_shallow_events(stream))


def parse_items(stream: Readable, prefix: str) -> Iterator[Any]:
    """The values at `prefix`, as `ijson.items` gives them; raises as `parse_events`."""
    return ijson.items(parse_events(stream), prefix)


def _shallow_events(stream: Readable) -> Iterator[tuple[str, Any]]:
    depth = 0
    for event, value in ijson.basic_parse(stream, buf_size=BLOCK):
        if event in ("start_map", "start_array"):
            depth += 1
            if depth > DEEPEST:
                raise NestedTooDeeply(f"nested deeper than {DEEPEST} levels")
        elif event in ("end_map", "end_array"):
            depth -= 1
        yield event, value
