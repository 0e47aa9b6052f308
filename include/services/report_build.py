"""Builds report tables from the raw ones: the days that are due, each checked before it is believed (SEMANTICS 9.1)."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row

from include.db.queries import parameter_names, query_names, run_query
from include.db.statistics import introduce_shop
from include.domain.report_days import as_runs
from include.errors import DataCheckFailed
from include.reports.definition import Report, find_report
from include.services.report_plan import ReportShop, list_report_shops, note_due_days
from include.services.watchdog import look_now


def build_report(engine: Engine, name: str, now: datetime, shop_id: str | None = None) -> dict[str, int]:
    """Build what is due of one report, each shop in a transaction of its own; the days and rows built.

    Called twice, the second changes nothing. Raises NotFound, and DataCheckFailed with the observed number.
    """
    report = find_report(name)
    for needed in report.needs:
        build_report(engine, needed, now, shop_id)
    counts: Counter[str] = Counter(days=0, rows=0)
    if report.is_looked_for:
        look_now(engine, now)
    if report.is_built:
        for shop in list_report_shops(engine, now, shop_id):
            counts.update(_build_shop(engine, report, shop, now))
    return dict(counts)


def build_new(engine: Engine, names: Iterable[str], now: datetime, shop_id: str | None = None) -> None:
    """Bring some reports up to now: what came since the last build is noted and built."""
    for shop in list_report_shops(engine, now, shop_id):
        note_due_days(engine, shop, now)
    for name in sorted(names):
        build_report(engine, name, now, shop_id)


def list_builds(engine: Engine) -> list[Row[Any]]:
    """When each report of each shop was built last, and how much."""
    with engine.connect() as connection:
        return list(run_query(connection, "report.list_builds").all())


def _build_shop(engine: Engine, report: Report, shop: ReportShop, now: datetime) -> dict[str, int]:
    # Table lock first, snapshot second: the check counts exactly what was built.
    with (
        engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection,
        connection.begin(),
    ):
        run_query(connection, f"{report.name}.lock_table")
        built = (
            _build_days(connection, report, shop)
            if report.has_days
            else _build_present(connection, report, shop, now)
        )
        run_query(
            connection,
            "report.record_build",
            report=report.name,
            shop_id=shop.shop_id,
            now=now,
            day_count=built["days"],
            row_count=built["rows"],
        )
    return built


def _build_days(connection: Connection, report: Report, shop: ReportShop) -> dict[str, int]:
    due = run_query(connection, "report.take_due", report=report.name, shop_id=shop.shop_id).scalars().all()
    rows = 0
    for first_on, last_on in as_runs(due):
        given = span_parameters(connection, shop, first_on, last_on)
        run_block(connection, f"{report.name}.delete_days", given)
        built = run_block(connection, f"{report.name}.build_days", given).rowcount
        introduce_shop(connection, f"report_{report.name}", shop.shop_id, built)
        if f"{report.name}.carry_on" in query_names():
            run_block(connection, f"{report.name}.carry_on", given)
        _check(connection, report, "check_days", given)
        rows += built
    return {"days": len(due), "rows": rows}


def _build_present(connection: Connection, report: Report, shop: ReportShop, now: datetime) -> dict[str, int]:
    given = {**asdict(shop), "today": now.astimezone(shop.zone).date()}
    rows = run_block(connection, f"{report.name}.build_present", given).rowcount
    _check(connection, report, "check_present", given)
    return {"days": 1, "rows": rows}


def span_parameters(
    connection: Connection, shop: ReportShop, first_on: date, last_on: date
) -> dict[str, Any]:
    """What the blocks of a report may ask for about some days of a shop."""
    days = {"first_on": first_on, "last_on": last_on}
    bounds = run_query(connection, "report.find_bounds", shop_id=shop.shop_id, **days).one()
    return {**asdict(shop), **days, "start_at": bounds.start_at, "end_at": bounds.end_at}


def run_block(connection: Connection, name: str, given: Mapping[str, Any]) -> Any:
    """Execute a block of a report with those of the parameters that it takes."""
    taken = parameter_names(name)
    return run_query(connection, name, **{key: value for key, value in given.items() if key in taken})


def _check(connection: Connection, report: Report, block: str, given: Mapping[str, Any]) -> None:
    span = f" from {given['first_on']} to {given['last_on']}" if "first_on" in given else ""
    wrong = [
        f"{row.figure}: {row.observed:,} in the report, {row.expected:,} in the tables it is built from"
        for row in run_block(connection, f"{report.name}.{block}", given)
        if row.observed != row.expected
    ]
    if wrong:
        raise DataCheckFailed(
            f"Report {report.name} of shop '{given['shop_id']}'{span} does not add up. {'; '.join(wrong)}. "
            "Nothing was changed; the days stay due."
        )
