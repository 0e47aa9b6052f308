"""The key figures of each report, and the span before to compare them with (SEMANTICS 9.3)."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection

from include.db.queries import run_query
from include.domain.report_period import Period, span_before
from include.domain.report_wish import Condition
from include.errors import ConfigurationError

WATCHDOG = "watchdog"

ACTIVITY = {
    "request_count": "people asked to be told",
    "restock_count": "restocks",
    "restocked_units": "units back in stock",
    "released_count": "people released",
    "notified_count": "people told",
    "skipped_count": "people skipped",
    "order_count": "orders credited to alerts",
    "revenue": "revenue credited to alerts",
}
FIGURES: Mapping[str, Mapping[str, str]] = {
    "activity": ACTIVITY,
    "deliverability": {
        "sent_count": "messages sent",
        "failed_count": "messages failed",
        "skipped_count": "messages skipped",
        "error_count": "errors on the way",
        "invalid_count": "addresses that do not exist",
        "unsubscribed_count": "people who unsubscribed",
    },
    "data_quality": {
        "snapshot_count": "pulls",
        "refused_count": "pulls refused",
        "row_count": "rows pulled",
        "rejected_row_count": "rows that could not be read",
        "changed_count": "quantities changed",
    },
    "demand": {
        "waiting_count": "people waiting",
        "item_count": "items that they wait for",
        "wanted_units": "units that they want",
        "reorder_units": "units to order",
        "lost_revenue": "lost revenue, estimated",
    },
    "queue": {
        "waiting_count": "people waiting",
        "wanted_units": "units that they want",
        "new_count": "new in this time",
    },
    WATCHDOG: {
        "finding_count": "open findings",
        "new_count": "found in this time",
        "amount": "people or messages",
    },
}
# What is of the present has no span before.
OF_THE_PRESENT = frozenset({"demand", "queue", WATCHDOG})
MONEY = frozenset({"revenue", "lost_revenue"})


class Figure(NamedTuple):
    """A key figure with that of the span before; None where there is none."""

    name: str
    label: str
    value: float
    before: float | None


def figures_of(report: str) -> str:
    """The report whose figures head another: those without figures of their own are headed by the activity's."""
    return report if report in FIGURES else "activity"


def sources_of_figures(report: str) -> tuple[str, ...]:
    """The report tables that the key figures of a report are read from."""
    kind = figures_of(report)
    return (kind, "attribution") if kind == "activity" else (kind,)


def check_condition(report: str, condition: Condition) -> None:
    """Raises ConfigurationError where a report has no such key figure."""
    known = FIGURES[figures_of(report)]
    if condition.figure not in known:
        raise ConfigurationError(
            f"The report {report} has no key figure '{condition.figure}'. There are: {', '.join(known)}."
        )


def read_figures(connection: Connection, report: str, shop_id: str, period: Period) -> list[Figure]:
    """The key figures of a period, with those of the span before; one that nobody can tell is left out."""
    kind = figures_of(report)
    now = _read(connection, kind, shop_id, period)
    before = {} if kind in OF_THE_PRESENT else _read(connection, kind, shop_id, span_before(period))
    return [
        Figure(name, label, float(now[name]), float(before[name]) if before else None)
        for name, label in FIGURES[kind].items()
        if now[name] is not None
    ]


def _read(connection: Connection, kind: str, shop_id: str, period: Period) -> Mapping[str, Any]:
    row = run_query(
        connection, f"figures.{kind}", shop_id=shop_id, first_on=period.first_on, last_on=period.last_on
    ).one()
    return dict(row._mapping)
