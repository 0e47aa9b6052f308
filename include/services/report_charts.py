"""The charts of a shop's reports: a few rows of aggregates, drawn once, written as PNG and SVG (SEMANTICS 9.2)."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import altair
from sqlalchemy import Connection, Engine

from include.catalog.archive import StorePath
from include.db.queries import run_query
from include.domain.report_days import ended_days
from include.domain.report_period import Period
from include.errors import NotFound
from include.reports.chart_style import ANY_PAGE, as_png, as_svg
from include.reports.charts import CHARTS, MOST_BARS
from include.services.report_plan import list_report_shops
from include.services.rules import rules_in_force

STEPS = 300
FOLDER = "charts"
_FILE = re.compile(r"^[a-z_]+_(?:\d{4}-\d\d-\d\d_)?(\d{4}-\d\d-\d\d)\.(?:png|svg)$")
# A day alone shows no course of things.
SHORTEST_COURSE = timedelta(days=7)
CHART_OF = {
    "activity": "outcomes",
    "batches": "stock",
    "demand": "demand",
    "queue": "queue_age",
    "restocks": "first_message",
    "skips": "outcomes",
    "deliverability": "outcomes",
}
# The report tables that a chart is drawn from.
SOURCES = {"outcomes": ("deliverability", "skips"), "first_message": ("restocks",)}

Rows = Sequence[dict[str, Any]]


def chart_of(report: str) -> str | None:
    """The chart that goes with a report; None for one that has none."""
    return CHART_OF.get(report)


def draw_chart(
    connection: Connection,
    name: str,
    shop_id: str,
    period: Period,
    now: datetime,
    variant_id: str | None = None,
) -> altair.TopLevelMixin:
    """One chart of a shop; `stock` is of `variant_id`, else of the variant that told most people. Raises NotFound."""
    if name not in CHARTS:
        raise NotFound(f"No chart is called '{name}'. There are: {', '.join(CHARTS)}.")
    shop = run_query(connection, "report_mail.find_shop", shop_id=shop_id).one_or_none()
    if shop is None:
        raise NotFound(f"No shop '{shop_id}' is known to the database.")
    if name == "stock":
        rows, about = _stock(connection, shop, period, now, variant_id)
        return CHARTS[name](rows, f"{about}{shop.name}, {period.words}, time zone {shop.time_zone}")
    rows = _rows(connection, name, shop_id, period, now)
    return CHARTS[name](rows, f"{shop.name}, {_when(name, shop, period, now)}")


def write_charts(
    engine: Engine, shop_id: str, period: Period, root: StorePath, now: datetime
) -> dict[str, int]:
    """Write every chart of a shop as `<shop>/charts/<name>_<period>.png` and `.svg`; octets by file."""
    folder = root / shop_id / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    written: dict[str, int] = {}
    for name in CHARTS:
        with engine.connect() as connection:
            chart = draw_chart(connection, name, shop_id, period, now)
        for suffix, content in (("png", as_png(chart)), ("svg", as_svg(chart, ANY_PAGE).encode())):
            file_name = f"{name}_{period}.{suffix}"
            with (folder / file_name).open("wb") as target:
                written[f"{shop_id}/{FOLDER}/{file_name}"] = target.write(content)
    return written


def write_charts_of_interval(
    engine: Engine, start: datetime, end: datetime, root: StorePath, now: datetime
) -> dict[str, int]:
    """Draw the days that ended in `[start, end)`, each shop its own, and remove what is too old; counts."""
    counts = {"written": 0, "removed": 0}
    for shop in list_report_shops(engine, now):
        first_on, last_on = ended_days(start, end, shop.zone)
        counts["removed"] += _remove_old(engine, root / shop.shop_id / FOLDER, now)
        if first_on <= last_on:
            period = Period(first_on, last_on)
            counts["written"] += len(write_charts(engine, shop.shop_id, period, root, now))
    return counts


def _remove_old(engine: Engine, folder: StorePath, now: datetime) -> int:
    with engine.begin() as connection:
        keep_days = rules_in_force(connection, now)[1].export_keep_days
    removed = 0
    if keep_days:
        first_kept = now.date() - timedelta(days=keep_days)
        for path in _files(folder):
            if (match := _FILE.search(path.name)) and date.fromisoformat(match[1]) < first_kept:
                path.unlink()
                removed += 1
    return removed


def _files(folder: StorePath) -> list[StorePath]:
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _rows(connection: Connection, name: str, shop_id: str, period: Period, now: datetime) -> Rows:
    given: dict[str, Any] = {"shop_id": shop_id}
    if name == "demand":
        given["most"] = MOST_BARS
    elif name == "queue_age":
        given["now"] = now
    else:
        given |= {"first_on": period.first_on, "last_on": period.last_on}
    return [dict(row._mapping) for row in run_query(connection, f"chart.{name}", **given)]


def _stock(
    connection: Connection, shop: Any, period: Period, now: datetime, variant_id: str | None
) -> tuple[Rows, str]:
    zone = ZoneInfo(shop.time_zone)
    start_at = _midnight(period.first_on, zone)
    end_at = min(_midnight(period.last_on + timedelta(days=1), zone), now)
    told = {"shop_id": shop.shop_id, "start_at": start_at, "end_at": end_at}
    variant_id = variant_id or run_query(connection, "chart.find_told_variant", **told).scalar_one_or_none()
    if variant_id is None or end_at <= start_at:
        return [], ""
    variant = {"shop_id": shop.shop_id, "variant_id": variant_id}
    known_since = run_query(connection, "chart.find_first_change", **variant).scalar_one()
    start_at = min(start_at, end_at - SHORTEST_COURSE)
    if known_since is not None and start_at < known_since < end_at:
        start_at = known_since - (end_at - known_since) / STEPS
    rows = run_query(
        connection,
        "chart.stock",
        **variant,
        start_at=start_at,
        end_at=end_at,
        time_zone=shop.time_zone,
        steps=STEPS,
    )
    title = run_query(connection, "chart.variant_title", **variant).scalar_one_or_none()
    return [dict(row._mapping) for row in rows], f"{title or variant_id}; "


def _when(name: str, shop: Any, period: Period, now: datetime) -> str:
    if name in ("demand", "queue_age"):
        moment = now.astimezone(ZoneInfo(shop.time_zone))
        return f"as of {moment.day} {moment:%B %Y, %H:%M}, time zone {shop.time_zone}"
    return f"{period.words}, time zone {shop.time_zone}"


def _midnight(day: Any, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)
