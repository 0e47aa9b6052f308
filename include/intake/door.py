"""What every route is given: the database, the clock, and threads in which services do their work."""

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import ParamSpec, TypeVar

from sqlalchemy import Engine
from starlette.requests import Request

from include.db.engine import connect
from include.db.migrate import check_schema
from include.intake.answers import ApiError
from include.settings import Settings

THREADS = 6
STATEMENT_SECONDS = 10.0
MOST_WAITING = 300

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


def present() -> datetime:
    """The moment at which a request is looked at."""
    return datetime.now(UTC)


@dataclass
class Door:
    """One process of the door; each thread has at most one connection to Postgres at a time."""

    settings: Settings
    engine: Engine
    clock: Callable[[], datetime] = present
    threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(THREADS, thread_name_prefix="door")
    )
    waiting: int = 0

    @classmethod
    def open(cls, settings: Settings) -> "Door":
        """Connect; raises SchemaOutdated, naming the command, where the schema is another version's."""
        engine = connect(settings.require_database_url(), THREADS, STATEMENT_SECONDS, "restock intake")
        check_schema(engine)
        return cls(settings, engine)

    async def run(self, work: Callable[Given, Answer], *given: Given.args, **named: Given.kwargs) -> Answer:
        """Do blocking work in a thread; 503 where too much waits already."""
        if self.waiting >= MOST_WAITING:
            raise ApiError.of(503, "Too much is waiting here. Try again in a second.", Retry_After="1")
        self.waiting += 1
        try:
            call = functools.partial(work, *given, **named)
            return await asyncio.get_running_loop().run_in_executor(self.threads, call)
        finally:
            self.waiting -= 1

    def close(self) -> None:
        """Let running work end, then disconnect."""
        self.threads.shutdown(wait=True)
        self.engine.dispose()


def door_of(request: Request) -> Door:
    """The door that a request came through."""
    door: Door = request.app.state.door
    return door
