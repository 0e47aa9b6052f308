"""What the tasks of `catalog_sync__<shop>` are given: shop, connector, window and schedule."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from airflow.sdk import (
    CronDataIntervalTimetable,
    DeltaDataIntervalTimetable,
    ObjectStoragePath,
    Param,
    get_current_context,
)

from include.catalog.shops import read_shops_file
from include.domain.shop import Shop
from include.domain.window import GRID_ORIGIN, Window
from include.errors import ConfigurationError
from include.orchestration.connections import open_database, shop_connection
from include.settings import load_settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from include.catalog.base import Connector

INTERVAL_RUNS = ("scheduled", "backfill")
ACCEPT_REASON = Param(
    "",
    type="string",
    description="Let this pull pass once, whatever the gates say of it. The reason is kept with its snapshot.",
)


class OpenShop(NamedTuple):
    """One shop with everything that a service needs to sync it, in the order in which services take it."""

    engine: "Engine"
    shop: Shop
    connector: "Connector"
    archive_root: ObjectStoragePath
    window: Window


def read_shops() -> tuple[tuple[Shop, ...], str | None]:
    """The good shops of the shops file, and what is wrong with the rest: it must show as a Dag, not vanish."""
    try:
        read = read_shops_file(load_settings().shops_file)
        return read.shops, read.report
    except ConfigurationError as error:
        return (), str(error)


def storeless_shops() -> set[str]:
    """Shops whose products need not be in an online store to be published."""
    return {shop.id for shop in read_shops()[0] if getattr(shop.options, "published_on", None) == "any"}


def shop_timetable(shop: Shop) -> CronDataIntervalTimetable | DeltaDataIntervalTimetable:
    """Real data intervals, so that a backfill means something; plain cron has empty ones in Airflow 3."""
    if shop.interval is not None:
        return DeltaDataIntervalTimetable(shop.interval)
    return CronDataIntervalTimetable(shop.schedule, timezone=shop.time_zone)


@contextmanager
def open_shop(shop_id: str) -> Iterator[OpenShop]:
    """The shop of the shops file as it is now, for the window of the running task."""
    from include.catalog.registry import build_connector

    settings = load_settings()
    shop = read_shops_file(settings.shops_file).find(shop_id)
    connector = build_connector(shop, shop_connection(shop.conn_id), open_store=open_store)
    with open_database() as engine:
        yield OpenShop(
            engine, shop, connector, ObjectStoragePath(settings.archive_url), run_window(shop.interval)
        )


def accepted_reason() -> str:
    """Why a person lets the running run's pull pass, or nothing (SEMANTICS 2.3)."""
    return str(get_current_context()["params"].get("accept_reason") or "")


def run_window(interval: timedelta | None) -> Window:
    """The data interval of a scheduled or backfilled run; a run started by hand is an observation of its own.

    Airflow gives manual runs the last interval: reading that as a window would call today's stock the past.
    And it counts the intervals of a duration from wherever a backfill begins; the windows of a shop keep to
    one grid, else a backfill would not find what was archived.
    """
    run = get_current_context()["dag_run"]
    start, end = run.data_interval_start, run.data_interval_end
    if run.run_type not in INTERVAL_RUNS or start is None or end is None:
        return Window.manual(run.run_id)
    if interval is not None:
        start -= (start - GRID_ORIGIN) % interval
        end = start + interval
    return Window.scheduled(start, end)


def open_store(url: str, conn_id: str | None) -> ObjectStoragePath:
    """A feed's place in an object store, with the credentials of the shop's Connection."""
    return ObjectStoragePath(url, conn_id=conn_id)
