"""What comes at the same time is written together: one transaction for all that waits, one answer for each.

A service takes sets, and a commit costs the same for one and for a hundred. Nobody waits for company: the first
is written at once, and what arrives meanwhile is the next set. An answer is given after its commit.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from psycopg import errors
from sqlalchemy.exc import DBAPIError

from include.intake.answers import ApiError
from include.intake.door import Door
from include.intake.metrics import TAKEN_TOGETHER

log = logging.getLogger("restock.intake")

MOST_TOGETHER = 100
MOST_WAITING = 2_000
TRIES = 3

Item = TypeVar("Item")
Result = TypeVar("Result")


class Together(Generic[Item, Result]):
    """Writes items of one kind, the sets of each shop one after the other."""

    def __init__(
        self, door: Door, kind: str, take: Callable[[str, Sequence[Item]], Sequence[Result]]
    ) -> None:
        self._door = door
        self._kind = kind
        self._take = take
        self._waiting: dict[str, deque[tuple[Item, asyncio.Future[Result]]]] = {}
        self._writers: dict[str, asyncio.Task[None]] = {}

    async def add(self, shop_id: str, item: Item) -> Result:
        """Write one item with its companions; returns once it is committed."""
        queue = self._waiting.setdefault(shop_id, deque())
        if len(queue) >= MOST_WAITING:
            raise ApiError.of(503, "Too much is waiting here. Try again in a second.", Retry_After="1")
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        queue.append((item, future))
        if shop_id not in self._writers:
            self._writers[shop_id] = asyncio.create_task(self._write_all(shop_id, queue))
        return await future

    async def _write_all(self, shop_id: str, queue: deque[tuple[Item, asyncio.Future[Result]]]) -> None:
        try:
            while queue:
                await self._write(shop_id, [queue.popleft() for _ in range(min(MOST_TOGETHER, len(queue)))])
        finally:
            del self._writers[shop_id]

    async def _write(self, shop_id: str, taken: list[tuple[Item, "asyncio.Future[Result]"]]) -> None:
        TAKEN_TOGETHER.labels(self._kind).observe(len(taken))
        try:
            results = await self._door.run(self._take_again, shop_id, [item for item, _ in taken])
        except Exception as error:
            if len(taken) > 1 and not isinstance(error, ApiError) and not is_outage(error):
                for one in taken:
                    await self._write(shop_id, [one])
                return
            for _, future in taken:
                _settle(future, error=error)
            return
        for (_, future), result in zip(taken, results, strict=True):
            _settle(future, result)

    def _take_again(self, shop_id: str, items: Sequence[Item]) -> Sequence[Result]:
        """Two processes may write the same people in another order: the one that Postgres gives up tries again."""
        for attempt in range(1, TRIES):
            try:
                return self._take(shop_id, items)
            except DBAPIError as error:
                if not isinstance(error.orig, errors.DeadlockDetected):
                    raise
                log.info("deadlock", extra={"facts": {"kind": self._kind, "attempt": attempt}})
        return self._take(shop_id, items)


def is_outage(error: BaseException) -> bool:
    """Whether Postgres is away, stopping, or out of something, so that the same may work later."""
    if not isinstance(error, DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", None) or ""
    return error.connection_invalidated or not state or state[:2] in ("08", "40", "53", "57", "55")


def _settle(
    future: "asyncio.Future[Result]", result: Result | None = None, error: BaseException | None = None
) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)  # type: ignore[arg-type]
