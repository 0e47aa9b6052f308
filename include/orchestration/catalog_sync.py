"""What the tasks of `catalog_sync__<shop>` are given: shop, connector, window and schedule."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from airflow.sdk import (
    CronDataIntervalTimetable,
    DeltaDataIntervalTimetable,
    ObjectStoragePath,
    get_current_context,
)

from include.catalog.shops import load_shops
from include.domain.shop import Shop
from include.domain.window import Window
from include.errors import ConfigurationError, NotFound
from include.orchestration.connections import open_database, shop_connection
from include.settings import load_settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from include.catalog.base import Connector

INTERVAL_RUNS = ("scheduled", "backfill")
GRID_ORIGIN = datetime(1970, 1, 1, tzinfo=UTC)


class OpenShop(NamedTuple):
    """One shop with everything that a service needs to sync it, in the order in which services take it."""

    engine: "Engine"
    shop: Shop
    connector: "Connector"
    archive_root: ObjectStoragePath
    window: Window


def read_shops() -> tuple[tuple[Shop, ...], str | None]:
    """The shops of the shops file, or why it can't be used: its problems must show as a Dag, not vanish."""
    try:
        return load_shops(load_settings().shops_file), None
    except ConfigurationError as error:
        return (), str(error)


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
    shop = _find_shop(load_shops(settings.shops_file), shop_id)
    connector = build_connector(shop, shop_connection(shop.conn_id))
    with open_database() as engine:
        yield OpenShop(
            engine, shop, connector, ObjectStoragePath(settings.archive_url), run_window(shop.interval)
        )


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


def _find_shop(shops: tuple[Shop, ...], shop_id: str) -> Shop:
    for shop in shops:
        if shop.id == shop_id:
            return shop
    raise NotFound(
        f"The shops file has no shop '{shop_id}' any more. It has: {', '.join(s.id for s in shops)}."
    )
