"""Report tables for a span of days, and their CSV files (SEMANTICS 9.1, 9.2)."""

import io
from collections import Counter
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Engine

from include.catalog.archive import StorePath
from include.db.queries import run_query
from include.errors import NotFound
from include.reports.csv_file import write_csv

REPORTS = ("activity", "queue", "batches")
ROWS_TOGETHER = 5_000


def build_reports(
    engine: Engine, start: datetime, end: datetime, artefact_root: StorePath, now: datetime
) -> dict[str, int]:
    """Build and export every report for the days that `[start, end)` touches; rows by report.

    The day before is built again too: west of UTC a shop's day ends after the interval that bears its date.
    """
    counts: Counter[str] = Counter()
    for day in _days(start - timedelta(days=1), end):
        for name in REPORTS:
            build_report(engine, name, day, day, now)
            counts[name] += export_report(engine, name, day, day, artefact_root)
    return dict(counts)


def build_report(engine: Engine, name: str, first_on: date, last_on: date, now: datetime) -> None:
    """Build the days of one report again from the raw tables; called twice, the second changes nothing."""
    _require(name)
    with engine.begin() as connection:
        run_query(connection, f"{name}.delete_days", first_on=first_on, last_on=last_on)
        moment = {"now": now} if name == "queue" else {}
        run_query(connection, f"{name}.build_days", first_on=first_on, last_on=last_on, **moment)


def export_report(engine: Engine, name: str, first_on: date, last_on: date, artefact_root: StorePath) -> int:
    """Write the days of a report as `<name>_<first>[_<last>].csv`; the rows written."""
    _require(name)
    artefact_root.mkdir(parents=True, exist_ok=True)
    span = f"{first_on}" if first_on == last_on else f"{first_on}_{last_on}"
    with (
        engine.connect().execution_options(yield_per=ROWS_TOGETHER) as connection,
        (artefact_root / f"{name}_{span}.csv").open("wb") as raw,
        io.TextIOWrapper(raw, encoding="utf-8", newline="") as target,
    ):
        selected: Any = run_query(connection, f"{name}.select_days", first_on=first_on, last_on=last_on)
        return write_csv(target, list(selected.keys()), selected)


def _days(start: datetime, end: datetime) -> list[date]:
    last_on = max(start, end - timedelta(microseconds=1)).date()
    return [start.date() + timedelta(days=count) for count in range((last_on - start.date()).days + 1)]


def _require(name: str) -> None:
    if name not in REPORTS:
        raise NotFound(f"No report is called '{name}'. There are: {', '.join(REPORTS)}.")
