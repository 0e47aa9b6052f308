"""The task that pulls a shop; while its platform prepares the answer, it waits without a worker."""

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, Context, Param
from airflow.sdk.exceptions import AirflowSkipException
from airflow.triggers.base import BaseTrigger, TriggerEvent

from include.catalog.shops import read_shops_file
from include.errors import NotReady, RestockError, TemporaryError
from include.orchestration.catalog_sync import open_shop
from include.orchestration.connections import find_shop_connection
from include.settings import load_settings

if TYPE_CHECKING:
    from include.catalog.base import Connector

logger = logging.getLogger(__name__)

FIRST_PAUSE = 2.0
LONGEST_PAUSE = 30.0
WAIT_AT_MOST = timedelta(hours=6)

FULL_SWEEP = Param(False, type="boolean", description="Read the whole shop, not only what changed.")


class ReadyTrigger(BaseTrigger):
    """Fires when a shop's platform has prepared what it was asked for; it knows no secret."""

    def __init__(self, shop_id: str, awaited: str) -> None:
        super().__init__()
        self.shop_id = shop_id
        self.awaited = awaited

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class and its arguments, as Airflow stores them."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {"shop_id": self.shop_id, "awaited": self.awaited},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Ask again and again, ever more slowly."""
        connector = await self._connector()
        pause = FIRST_PAUSE
        while not await self._is_ready(connector):
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, LONGEST_PAUSE)
        yield TriggerEvent({"awaited": self.awaited})

    async def _is_ready(self, connector: "Connector") -> bool:
        try:
            return await asyncio.to_thread(connector.is_ready, self.awaited)
        except TemporaryError as error:
            logger.warning("Asking again: %s", error)
            return False
        except RestockError:
            return True  # asking again would not mend it: the pull meets the same error and tells it

    async def _connector(self) -> "Connector":
        from include.catalog.registry import build_connector

        shop = read_shops_file(load_settings().shops_file).find(self.shop_id)
        return build_connector(shop, await find_shop_connection(shop.conn_id))


class PullShop(BaseOperator):
    """Makes sure that the run's window is archived, or skips where nothing of it was recorded."""

    template_fields = ()

    def __init__(self, shop_id: str, **options: Any) -> None:
        super().__init__(**{"execution_timeout": WAIT_AT_MOST, **options})
        self.shop_id = shop_id

    def execute(self, context: Context, event: dict[str, Any] | None = None) -> dict[str, str]:
        """Pull, or wait for the platform and come back here."""
        from include.services import catalog

        try:
            with open_shop(self.shop_id) as parts:
                is_full = bool(context["params"].get("full_sweep"))
                is_begun = event is not None
                pulled = catalog.pull_window(
                    *parts, now=datetime.now(UTC), is_full=is_full, is_begun=is_begun
                )
        except NotReady as waiting:
            self.log.info("%s; waiting for it without a worker.", waiting)
            trigger = ReadyTrigger(self.shop_id, waiting.awaited)
            self.defer(trigger=trigger, method_name="execute", timeout=WAIT_AT_MOST)
        if pulled["source"] == "none":
            raise AirflowSkipException(
                "Nothing was recorded for this window, and today's stock is not the past."
            )
        return pulled
