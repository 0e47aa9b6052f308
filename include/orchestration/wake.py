"""The trigger that wakes a Dag when its target is due, so that nothing runs while nothing is due.

All targets share one stream: one connection that listens to Postgres and reads the due times when one may
have moved. Each target then decides by itself (`include.domain.wake`).
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Hashable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from include.domain.wake import Lookout, Wake

logger = logging.getLogger(__name__)

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0


@dataclass(frozen=True)
class Reading:
    """What was due when; `at` is when it was read."""

    at: datetime
    due_times: dict[str, datetime]


class DueTrigger(BaseEventTrigger):
    """Fires an event when `target` has something to do; it knows no secret, the triggerer looks that up."""

    def __init__(self, target: str) -> None:
        super().__init__()
        self.target = target

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class and its arguments, as Airflow stores them."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {"target": self.target}

    def shared_stream_key(self) -> Hashable:
        """One stream for all targets."""
        return ("restock_due",)

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[Reading]:
        """Readings, for ever: an outage of Postgres is logged once and waited out."""
        pause, is_out = FIRST_PAUSE, False
        while True:
            try:
                async with aclosing(read_when_moved()) as readings:
                    async for reading in readings:
                        if is_out:
                            logger.info("Due times can be read again.")
                        pause, is_out = FIRST_PAUSE, False
                        yield reading
            except Exception as error:
                if not is_out:
                    logger.warning("Due times can't be read; trying again until they can: %s", _say(error))
                is_out = True
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    async def filter_shared_stream(
        self, shared_stream: AsyncIterator[Reading]
    ) -> AsyncIterator[TriggerEvent]:
        """An event whenever the target's Dag is to be woken."""
        wake = Wake()
        async for reading in shared_stream:
            due_at = reading.due_times.get(self.target)
            fires, wake = wake.decide(due_at, reading.at)
            if fires and due_at:
                yield TriggerEvent({"target": self.target, "due_at": due_at.isoformat()})

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """The same without sharing."""
        async for event in self.filter_shared_stream(self.open_shared_stream({})):
            yield event


async def read_when_moved() -> AsyncGenerator[Reading]:
    """A reading at the start, after each notification and when it is time to look again."""
    from include.db.listener import DueListener
    from include.orchestration.connections import find_database_url

    lookout = Lookout()
    async with DueListener(await find_database_url()) as listener:
        while True:
            due_times = await listener.read_due_times()
            reading = Reading(datetime.now(UTC), due_times)
            yield reading
            lookout, wait = lookout.after_reading(due_times, reading.at)
            await listener.wait(wait)


def _say(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".strip().splitlines()[0]
