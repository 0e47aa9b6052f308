"""Page after page of an answer, with an end that is certain."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from include.errors import TemporaryError

T = TypeVar("T")
MOST_PAGES = 1_000_000


def walk_pages(fetch: Callable[[str | None], tuple[T, str | None]], step: str) -> Iterator[T]:
    """Every page; `fetch` takes a cursor (None: from the beginning) and tells the next one (None: no more).

    Raises TemporaryError where a cursor comes back: such pages would never end.
    """
    cursor: str | None = None
    seen: set[int] = set()
    while True:
        page, following = fetch(cursor)
        yield page
        if following is None:
            return
        if hash(following) in seen or len(seen) >= MOST_PAGES:
            raise TemporaryError(
                f"{step}: after cursor {following[:80]!r} the pages begin again. Try again; if it stays so, it is "
                "the platform's mistake."
            )
        seen.add(hash(following))
        cursor = following
