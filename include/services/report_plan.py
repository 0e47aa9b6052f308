"""Which days the reports have to build: those that are new, and those of which something became known late.

A build reads again from a moment on; what happens to be earlier must have been logged by whoever wrote it. That
moment, `read_from`, follows `log_from`, which is published first: a transaction that was under way then may not
have known it, so `read_from` waits until all of these have ended (the fence). Nothing is missed, however late a
transaction commits, and nobody waits for anybody (SEMANTICS 9.1).
"""

import json
import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine, Row

from include.db.queries import run_query
from include.domain.report_days import FIRST_DAY, days_between, ended_days, with_followers
from include.errors import NotFound
from include.reports.definition import all_reports
from include.services.rules import rules_in_force

# Whoever writes took the time before the transaction began: a task does so up to its time-out before it commits.
SETTLING = timedelta(hours=1)
LONG_AGO = datetime.combine(FIRST_DAY, time.min, UTC)


@dataclass(frozen=True)
class ReportShop:
    """What the days of a shop's reports depend on."""

    shop_id: str
    time_zone: str
    currency: str
    attribution_days: float

    @property
    def zone(self) -> ZoneInfo:
        """The clock of its days."""
        return ZoneInfo(self.time_zone)

    @property
    def basis(self) -> dict[str, Any]:
        """What every day is built under; another one means other days."""
        return {
            "time_zone": self.time_zone,
            "currency": self.currency,
            "attribution_days": self.attribution_days,
        }


def list_report_shops(engine: Engine, now: datetime, shop_id: str | None = None) -> list[ReportShop]:
    """All shops, or the named one; raises NotFound."""
    with engine.begin() as connection:
        days = rules_in_force(connection, now)[1].attribution_days
        rows = run_query(connection, "report.list_shops", shop_id=shop_id).all()
    if shop_id is not None and not rows:
        raise NotFound(f"No shop '{shop_id}' is known. A shop is registered by its first sync or import.")
    return [ReportShop(row.shop_id, row.time_zone, row.currency, days) for row in rows]


def plan_interval(
    engine: Engine, now: datetime, start: datetime, end: datetime, is_full: bool = False
) -> int:
    """Note what is new, and the days that ended in `[start, end)`; the days noted over all shops."""
    shops = list_report_shops(engine, now)
    return sum(note_due_days(engine, shop, now, ended_days(start, end, shop.zone), is_full) for shop in shops)


def note_due_days(
    engine: Engine,
    shop: ReportShop,
    now: datetime,
    asked: tuple[date, date] | None = None,
    is_full: bool = False,
) -> int:
    """Note the days of one shop that are new, late or asked for, for every report by day; how many."""
    published = _publish(engine, shop, now)
    with engine.begin() as connection:
        run_query(connection, "report.set_fence", shop_id=shop.shop_id)
    with engine.begin() as connection:
        run_query(connection, "report.lock_plan", shop_id=shop.shop_id)
        progress = run_query(connection, "report.find_progress", shop_id=shop.shop_id).one()
        today = now.astimezone(shop.zone).date()
        days = _find_days(connection, shop, progress, today, is_full)
        if asked is not None:
            days.update(day for day in days_between(*asked) if FIRST_DAY <= day <= today)
        names = [report.name for report in all_reports() if report.has_days]
        run_query(connection, "report.note_due", shop_id=shop.shop_id, reports=names, days=sorted(days))
        reached = (progress.log_from, progress.log_after_request) if progress.has_passed else published
        run_query(
            connection,
            "report.save_progress",
            shop_id=shop.shop_id,
            basis=json.dumps(shop.basis),
            read_from=reached[0],
            read_after_request=reached[1],
        )
    return len(days)


def _publish(engine: Engine, shop: ReportShop, now: datetime) -> tuple[datetime, int]:
    """Publish a later `log_from` where the one before is known to all; up to where that one let everything be read."""
    with engine.begin() as connection:
        run_query(connection, "report.lock_plan", shop_id=shop.shop_id)
        before = run_query(connection, "report.find_progress", shop_id=shop.shop_id).one_or_none()
        if before is not None and before.is_fenced and not before.has_passed:
            return before.read_from, before.read_after_request
        settled = (now - SETTLING).astimezone(shop.zone)
        run_query(
            connection,
            "report.publish_log",
            shop_id=shop.shop_id,
            long_ago=LONG_AGO,
            log_from=datetime.combine(settled.date(), time.min, shop.zone),
        )
    if before is None:
        return LONG_AGO, 0
    if not before.is_fenced:
        return before.read_from, before.read_after_request
    return before.log_from, before.log_after_request


def _find_days(
    connection: Connection, shop: ReportShop, progress: Row[Any], today: date, is_full: bool
) -> set[date]:
    late = run_query(
        connection,
        "report.take_late_days",
        shop_id=shop.shop_id,
        read_from=progress.read_from,
        read_after_request=progress.read_after_request,
    )
    late_days = [row.report_on for row in late]
    if is_full or progress.basis != shop.basis or progress.read_from == LONG_AGO:
        first_on = run_query(connection, "report.find_first_day", shop_id=shop.shop_id).scalar_one()
        # A day more: under another time zone, what was first may have had an earlier date.
        return set() if first_on is None else set(days_between(first_on - timedelta(days=1), today))
    since = progress.read_from.astimezone(shop.zone).date()
    following = math.ceil(shop.attribution_days)
    return set(days_between(since, today)) | with_followers(late_days, following, today)
