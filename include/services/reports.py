"""The rows of a report, for whatever shows them: charts, mails, pages (SEMANTICS 9.2)."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import Engine

from include.reports.definition import find_report
from include.services.report_build import run_block, span_parameters
from include.services.report_plan import list_report_shops


def report_rows(
    engine: Engine,
    shop_id: str,
    name: str,
    first_on: date,
    last_on: date,
    now: datetime,
    most: int | None = None,
) -> list[dict[str, Any]]:
    """The rows of some days as dictionaries, in the report's order, at most `most`; raises NotFound.

    For what people look at. A file of millions of rows is written by `export_report`.
    """
    find_report(name)
    (shop,) = list_report_shops(engine, now, shop_id)
    with engine.connect().execution_options(stream_results=True) as connection:
        given = span_parameters(connection, shop, first_on, last_on)
        selected = run_block(connection, f"{name}.select_days", given)
        rows = selected.fetchall() if most is None else selected.fetchmany(most)
        return [dict(row._mapping) for row in rows]
