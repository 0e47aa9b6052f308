"""A report of one shop and some days as a CSV file in memory, for a mail."""

import io
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from include.db.queries import parameter_names, run_query
from include.domain.report_period import Period
from include.reports.csv_file import write_csv


@dataclass(frozen=True)
class ReportFile:
    """A CSV file."""

    name: str
    content: bytes
    row_count: int


def write_report_file(connection: Connection, report: str, shop_id: str, period: Period) -> ReportFile:
    """The rows of a report, as `restock reports export` writes them."""
    target = io.StringIO(newline="")
    block = f"{report}.select_days"
    given = {"shop_id": shop_id, **period._asdict()}
    selected: Any = run_query(connection, block, **{name: given[name] for name in parameter_names(block)})
    row_count = write_csv(target, list(selected.keys()), selected)
    return ReportFile(f"{report}_{shop_id}_{period}.csv", target.getvalue().encode(), row_count)
