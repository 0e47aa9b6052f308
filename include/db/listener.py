"""The connection on which Postgres says that a due time moved."""

import asyncio
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from include.db.queries import find_query

CHANNEL = "restock_due"
ANSWER_SECONDS = 30
# Statements that commit together notify together: one reading serves them all.
SETTLE_SECONDS = 0.1


class DueListener:
    """Listens from `async with` on; a peer that is gone shows as an error within ANSWER_SECONDS.

    Notifications sent while nobody listened are gone: read the due times first, then wait.
    """

    def __init__(self, url: str) -> None:
        self._url = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)

    async def __aenter__(self) -> Self:
        self._connection = await psycopg.AsyncConnection.connect(
            self._url,
            autocommit=True,
            connect_timeout=ANSWER_SECONDS,
            application_name="restock trigger",
            options="-c timezone=UTC",
        )
        try:
            await self._connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(CHANNEL)))
        except BaseException:  # cancelled on the way in, nobody would close it
            await self._connection.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._connection.close()

    async def read_due_times(self) -> dict[str, datetime]:
        """The earliest due time of each target that has one."""
        async with asyncio.timeout(ANSWER_SECONDS):
            cursor = await self._connection.execute(find_query("due.read_due_times").text.encode())
            return dict(await cursor.fetchall())

    async def wait(self, at_most: timedelta) -> None:
        """Return soon after a notification, or when the time is over."""
        notifications = self._connection.notifies(timeout=at_most.total_seconds(), stop_after=1)
        if [notification async for notification in notifications]:
            async for _ in self._connection.notifies(timeout=SETTLE_SECONDS):
                pass
