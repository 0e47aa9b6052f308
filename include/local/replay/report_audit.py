"""Counts the raw tables of a walk once more, a row at a time, and compares the reports with it.

Nothing of the reports' SQL is used: every row is read and counted here by its day, in UTC as the walk's shop has it.
"""

from collections import Counter, defaultdict
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine

from include.db.queries import run_query
from include.domain.attribution import Alert, find_credited
from include.domain.rules import RuleSet
from include.services.report_build import build_report
from include.services.report_plan import list_report_shops, note_due_days
from include.services.reports import report_rows

COUNTED = ("activity", "skips", "deliverability", "attribution")
# What a row of each report is found by, and what of it is counted.
KEYS = {
    "activity": ("report_on", "variant_id"),
    "skips": ("report_on", "subject", "outcome", "reason", "channel", "purpose", "variant_id"),
    "deliverability": ("report_on", "channel"),
    "attribution": ("order_id",),
}
FIGURES = {
    "activity": (
        "request_count",
        "ended_count",
        "waiting_count",
        "restock_count",
        "restocked_units",
        "batch_count",
        "released_count",
        "notified_count",
        "skipped_count",
        "order_count",
        "ordered_units",
        "revenue",
    ),
    "skips": ("skipped_count",),
    "deliverability": ("sent_count", "failed_count", "skipped_count"),
    "attribution": ("message_id", "quantity", "amount"),
}
Counts = defaultdict[tuple[Any, ...], Counter[str]]


def build_counted(engine: Engine, shop_id: str, now: datetime, is_full: bool = False) -> None:
    """Build what is new, or everything, of the reports that are counted."""
    (shop,) = list_report_shops(engine, now, shop_id)
    note_due_days(engine, shop, now, is_full=is_full)
    for name in COUNTED:
        build_report(engine, name, now, shop_id)


def find_report_faults(engine: Engine, shop_id: str, first_on: date, now: datetime) -> dict[str, int]:
    """Rows of each report that differ from the count, and from the same report built all at once."""
    build_counted(engine, shop_id, now)
    by_day = _read(engine, shop_id, first_on, now)
    build_counted(engine, shop_id, now, is_full=True)
    at_once = _read(engine, shop_id, first_on, now)
    with engine.connect() as connection:
        counted = _count(connection, shop_id)
    return {
        name: _differing(by_day[name], counted[name]) + _differing(by_day[name], at_once[name])
        for name in COUNTED
    }


def _read(engine: Engine, shop_id: str, first_on: date, now: datetime) -> dict[str, Counts]:
    read: dict[str, Counts] = {}
    for name in COUNTED:
        rows = report_rows(engine, shop_id, name, first_on - timedelta(days=1), now.date(), now)
        read[name] = defaultdict(Counter)
        for row in rows:
            key = tuple(row[column] for column in KEYS[name])
            read[name][key].update({column: row[column] for column in FIGURES[name]})
    return read


def _differing(one: Counts, other: Counts) -> int:
    return sum(one.get(key, Counter()) != other.get(key, Counter()) for key in one.keys() | other.keys())


def _count(connection: Connection, shop_id: str) -> dict[str, Counts]:
    counts: dict[str, Counts] = {name: defaultdict(Counter) for name in COUNTED}
    _count_requests(connection, shop_id, counts)
    _count_batches(connection, shop_id, counts["activity"])
    alerts = _count_messages(connection, shop_id, counts)
    _count_orders(connection, shop_id, alerts, counts)
    _count_on(counts["activity"])
    return counts


def _count_requests(connection: Connection, shop_id: str, counts: dict[str, Counts]) -> None:
    activity = counts["activity"]
    for row in run_query(connection, "replay.list_requests", shop_id=shop_id):
        activity[row.subscribed_at.date(), row.variant_id]["request_count"] += 1
        if row.ended_at is None:
            continue
        ended = activity[row.ended_at.date(), row.variant_id]
        ended["ended_count"] += 1
        ended["notified_count"] += row.state == "notified"
        ended["skipped_count"] += row.state == "skipped"
        if row.state == "skipped":
            key = (row.ended_at.date(), "request", "skipped", row.reason, "", "", row.variant_id)
            counts["skips"][key]["skipped_count"] += 1


def _count_batches(connection: Connection, shop_id: str, activity: Counts) -> None:
    for row in run_query(connection, "replay.list_batches", shop_id=shop_id):
        day = activity[row.decided_at.date(), row.variant_id]
        day["batch_count"] += 1
        day["released_count"] += row.released_count
    for row in run_query(connection, "replay.list_restocks", shop_id=shop_id):
        day = activity[row.opened_at.date(), row.variant_id]
        day["restock_count"] += 1
        day["restocked_units"] += row.units_after - row.units_before


def _count_messages(
    connection: Connection, shop_id: str, counts: dict[str, Counts]
) -> dict[tuple[int, str], list[Alert]]:
    alerts: dict[tuple[int, str], list[Alert]] = defaultdict(list)
    for row in run_query(connection, "replay.list_messages", shop_id=shop_id):
        if row.ended_at is None:
            continue
        counts["deliverability"][row.ended_at.date(), row.channel][f"{row.state}_count"] += 1
        if row.state == "sent":
            alert = Alert(row.message_id, row.profile_id, row.variant_id, row.ended_at)
            alerts[row.profile_id, row.variant_id].append(alert)
        else:
            place = (row.ended_at.date(), "message", row.state, row.reason, row.channel, row.purpose)
            counts["skips"][*place, row.variant_id]["skipped_count"] += 1
    return alerts


def _count_orders(
    connection: Connection,
    shop_id: str,
    alerts: dict[tuple[int, str], list[Alert]],
    counts: dict[str, Counts],
) -> None:
    days = RuleSet().attribution_days
    for row in run_query(connection, "replay.list_order_lines", shop_id=shop_id):
        sent = alerts.get((row.profile_id, row.variant_id), [])
        alert = find_credited(row.profile_id, row.variant_id, row.ordered_at, sent, days)
        if alert is None:
            continue
        bought = {"quantity": row.quantity, "amount": row.amount}
        counts["attribution"][(row.order_id,)].update({"message_id": alert.message_id, **bought})
        day = counts["activity"][row.ordered_at.date(), row.variant_id]
        day.update({"order_count": 1, "ordered_units": row.quantity, "revenue": row.amount})


def _count_on(activity: Counts) -> None:
    waiting: Counter[str] = Counter()
    for day, variant_id in sorted(activity):
        figures = activity[day, variant_id]
        waiting[variant_id] += figures["request_count"] - figures["ended_count"]
        figures["waiting_count"] = waiting[variant_id]
