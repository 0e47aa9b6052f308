"""Work that goes on while its last results are still in use."""

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")
_END = object()


def ahead(items: Iterable[T], depth: int) -> Generator[T, None, None]:
    """The same items, made in a thread of its own, at most `depth` of them before they are asked for."""
    iterator = iter(items)
    try:
        with ThreadPoolExecutor(1) as pool:
            waiting = deque(pool.submit(next, iterator, _END) for _ in range(depth))
            while (item := waiting.popleft().result()) is not _END:
                waiting.append(pool.submit(next, iterator, _END))
                yield item  # type: ignore[misc]
    finally:
        with suppress(AttributeError):  # a generator may hold a file open
            iterator.close()  # type: ignore[attr-defined]
