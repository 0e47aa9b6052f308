"""Reports that go out by mail: which are due, what they say, and their rows in the outbox (SEMANTICS 6.1, 9.3)."""

import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine, Row

from include.catalog.archive import StorePath
from include.db.queries import run_query
from include.domain.delivery import priority_of
from include.domain.report_days import ended_days
from include.domain.report_period import MailSchedule, Period, span_before
from include.domain.report_wish import parse_condition
from include.domain.wake import DISPATCH
from include.errors import NotFound, RestockError
from include.reports.chart_style import as_png
from include.reports.definition import find_report
from include.services.due import wake
from include.services.report_build import build_new
from include.services.report_charts import SOURCES, chart_of, draw_chart
from include.services.report_export import ExportOptions, export_report, remove_old_exports
from include.services.report_figures import MONEY, Figure, read_figures, sources_of_figures
from include.services.report_plan import list_report_shops
from include.services.report_subscriptions import find_subscription
from include.services.rules import rules_in_force
from include.settings import Settings

# A mail that is larger is refused by many a provider; base64 adds a third.
LARGEST_ATTACHMENT = 10_000_000
# The files of mails lie beside those of the Dag, whose form a person may have chosen.
FOLDER = "mailed"

# Due by the clock or a backfill; a test; or of days that are not over.
Why = Literal["due", "test", "so_far"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Store:
    """Where exports lie, and under which address people open them; None: its place is named."""

    root: StorePath
    link: str | None = None


class _File(NamedTuple):
    """A written file: its `content` where it is attached, its `place` where it is too large for that."""

    name: str
    row_count: int
    content: bytes | None
    place: str | None


def mail_store(settings: Settings, root: StorePath) -> Store:
    """The store of the settings, opened at `root`."""
    return Store(root, settings.artefact_link)


def mail_newest(engine: Engine, store: Store, now: datetime) -> dict[str, int]:
    """By the clock: of each subscription the newest period that is over, once; counts by what became of it."""
    newest = [(row, _schedule(row).newest_due(now)) for row in _active(engine)]
    return _mail_all(engine, store, [(row, period) for row, period in newest if period is not None], now)


def mail_missed(
    engine: Engine, store: Store, start: datetime, end: datetime, now: datetime
) -> dict[str, int]:
    """For a run over `[start, end)`: every period that ended in it, is due by now and was not mailed."""
    ended = [
        (row, period)
        for row in _active(engine)
        for period in _schedule(row).due_within(*ended_days(start, end, ZoneInfo(row.shop_time_zone)), now)
    ]
    return _mail_all(engine, store, ended, now)


def mail_span(engine: Engine, store: Store, shop_id: str, name: str, period: Period, now: datetime) -> str:
    """By hand, for any days, once; 'mailed', 'skipped', 'before' or 'too_late'.

    Days that are not over are mailed as they are so far, and once more when they are.
    """
    with engine.connect() as connection:
        row = find_subscription(connection, shop_id, name)
    if period.last_on >= now.astimezone(ZoneInfo(row.shop_time_zone)).date():
        return _mail(engine, store, row, period, now, "so_far")
    return _mail_once(engine, store, row, period, now)


def mail_test(engine: Engine, store: Store, shop_id: str, name: str, now: datetime) -> Period:
    """The newest period that is over, to all recipients, marked as a test; it counts as nothing else."""
    with engine.connect() as connection:
        row = find_subscription(connection, shop_id, name)
    always = datetime.min.replace(tzinfo=now.tzinfo)
    period = replace(_schedule(row), since=always).newest_due(now)
    assert period is not None
    if _mail(engine, store, row, period, now, "test") != "mailed":
        raise NotFound(f"Nobody gets the report '{name}': all its recipients unsubscribed or were refused.")
    return period


def drop_parts(connection: Connection, before: datetime) -> int:
    """Forget pictures and files of mails that have ended; how many."""
    return run_query(connection, "report_mail.drop_parts", before=before).rowcount


def _mail_all(
    engine: Engine, store: Store, due: Sequence[tuple[Row[Any], Period]], now: datetime
) -> dict[str, int]:
    """Each by itself: what is wrong with one keeps none of the others; raises the first error in the end."""
    counts: Counter[str] = Counter()
    errors: list[RestockError] = []
    for row, period in due:
        try:
            counts[_mail_once(engine, store, row, period, now)] += 1
        except RestockError as error:
            log.error(
                "Report %s of shop %s for %s was not mailed: %s", row.name, row.shop_id, period.words, error
            )
            errors.append(error)
    if due:
        remove_old_exports(engine, store.root / FOLDER, now)
    if errors:
        raise errors[0]
    return dict(counts)


def _active(engine: Engine) -> list[Row[Any]]:
    with engine.connect() as connection:
        rows = run_query(connection, "report_mail.list_subscriptions", shop_id=None).all()
    return [row for row in rows if row.state == "active"]


def _schedule(row: Row[Any]) -> MailSchedule:
    zone, shop_zone = ZoneInfo(row.time_zone), ZoneInfo(row.shop_time_zone)
    return MailSchedule(row.frequency, zone, row.send_at, row.active_since, shop_zone)


def _mail_once(engine: Engine, store: Store, row: Row[Any], period: Period, now: datetime) -> str:
    with engine.connect() as connection:
        is_mailed = run_query(
            connection, "report_mail.is_mailed", **_here(row), **period._asdict()
        ).scalar_one()
    if is_mailed:
        return "before"
    if find_report(row.report).is_of_present and _schedule(row).is_late(period, now):
        return "too_late"
    return _mail(engine, store, row, period, now, "due")


def _mail(engine: Engine, store: Store, row: Row[Any], period: Period, now: datetime, why: Why) -> str:
    """The tables and the file first; then, in one transaction, the run and a message per recipient.

    A second one finds the run there and leaves it at that.
    """
    file = _export(engine, store, row, period, now)
    with engine.begin() as connection:
        figures = read_figures(connection, row.report, row.shop_id, period)
        recipients = _recipients(connection, row, now)
        reason = _why_not(row, why, recipients, figures, file.row_count)
        is_late = why == "due" and _schedule(row).is_late(period, now)
        run_id = run_query(
            connection,
            "report_mail.insert_run",
            **_here(row),
            **period._asdict(),
            is_test=why != "due",
            is_late=is_late,
            state="skipped" if reason else "mailed",
            reason=reason,
            mail=json.dumps(_describe(row, period, figures, file, why, is_late, now)),
            now=now,
        ).scalar_one_or_none()
        if run_id is None:
            return "before"
        if reason is None:
            _put_in(connection, row, period, run_id, file, now)
            _queue(connection, row, period, run_id, recipients, why, now)
        return "skipped" if reason else "mailed"


def _export(engine: Engine, store: Store, row: Row[Any], period: Period, now: datetime) -> _File:
    (shop,) = list_report_shops(engine, now, row.shop_id)
    charted = SOURCES.get(chart_of(row.report) or "", ())
    build_new(engine, {row.report, *sources_of_figures(row.report), *charted}, now, row.shop_id)
    options = ExportOptions(pack_above=LARGEST_ATTACHMENT)
    root = store.root / FOLDER
    written = export_report(engine, shop, row.report, *period, root, now, options)
    path = root / row.shop_id / written.file
    if row.attachment == "none":
        return _File(written.file, written.row_count, None, None)
    if written.file.endswith(".gz"):
        place = f"{FOLDER}/{row.shop_id}/{written.file}"
        return _File(
            written.file,
            written.row_count,
            None,
            f"{store.link.rstrip('/')}/{place}" if store.link else str(path),
        )
    with path.open("rb") as stream:
        return _File(written.file, written.row_count, stream.read(), None)


def _why_not(
    row: Row[Any], why: Why, recipients: Sequence[int], figures: Sequence[Figure], row_count: int
) -> str | None:
    if not recipients:
        return "no_recipient"
    if why == "test":
        return None
    if row.skips_empty and row_count == 0:
        return "empty"
    values = {figure.name: figure.value for figure in figures}
    if row.condition and not parse_condition(row.condition).holds(values):
        return "condition"
    return None


def _recipients(connection: Connection, row: Row[Any], now: datetime) -> list[int]:
    """Who gets it today: domains may have been closed since."""
    _, rules = rules_in_force(connection, now)
    return [
        one.recipient_id
        for one in run_query(connection, "report_mail.list_recipients", **_here(row))
        if one.end_reason is None
        and (not rules.report_domains or one.address_key.rpartition("@")[2] in rules.report_domains)
    ]


def _describe(
    row: Row[Any],
    period: Period,
    figures: Sequence[Figure],
    file: _File,
    why: Why,
    is_late: bool,
    now: datetime,
) -> dict[str, Any]:
    """What the template is given; kept, so that a repeated message is the same."""
    today = now.astimezone(ZoneInfo(row.time_zone))
    date_now = f"{today.day} {today:%B %Y}"
    report = find_report(row.report)
    words = f"{period.words}, so far" if why == "so_far" else period.words
    return {
        "report": report.title,
        "name": row.name,
        "shop": row.shop_name,
        "period": f"as of {date_now}, {today:%H:%M}" if report.is_of_present else words,
        "frequency": row.frequency,
        "compared_with": None if report.is_of_present else span_before(period).words,
        "figures": [_in_words(figure, row.currency) for figure in figures],
        "rows": f"{file.row_count:,} row{'' if file.row_count == 1 else 's'}",
        "is_empty": file.row_count == 0,
        "place": file.place,
        "has_csv": file.content is not None,
        "condition": row.condition,
        "is_test": why == "test",
        "late_on": date_now if is_late else None,
    }


def _in_words(figure: Figure, currency: str) -> dict[str, str]:
    unit = f" {currency}" if figure.name in MONEY else ""
    value = f"{figure.value:,.2f}{unit}" if unit else f"{figure.value:,.0f}"
    return {"label": figure.label, "value": value, **_change(figure, unit)}


def _change(figure: Figure, unit: str) -> Mapping[str, str]:
    if figure.before is None:
        return {"change": "", "before": ""}
    before = f"{figure.before:,.2f}{unit}" if unit else f"{figure.before:,.0f}"
    if figure.before == 0:
        return {"change": "new" if figure.value else "same", "before": before}
    if figure.value == figure.before:
        return {"change": "same", "before": before}
    share = 100 * (figure.value - figure.before) / abs(figure.before)
    return {"change": f"{share:+,.0f}%" if abs(share) >= 0.5 else "about the same", "before": before}


def _put_in(
    connection: Connection, row: Row[Any], period: Period, run_id: int, file: _File, now: datetime
) -> None:
    parts = [("csv", file.name, file.content)] if file.content else []
    chart = chart_of(row.report) if row.has_chart and file.row_count else None
    if chart:
        drawn = draw_chart(connection, chart, row.shop_id, period, now)
        parts.append(("chart", f"{row.report}_{period}.png", as_png(drawn)))
    for kind, file_name, content in parts:
        run_query(
            connection,
            "report_mail.insert_part",
            shop_id=row.shop_id,
            report_run_id=run_id,
            kind=kind,
            file_name=file_name,
            content=content,
            now=now,
        )


def _queue(
    connection: Connection,
    row: Row[Any],
    period: Period,
    run_id: int,
    recipients: Sequence[int],
    why: Why,
    now: datetime,
) -> None:
    again = "" if why == "due" else f":{why}-{run_id}"
    run_query(
        connection,
        "report_mail.insert_messages",
        shop_id=row.shop_id,
        key_start=f"report:{row.report_subscription_id}:{period}{again}",
        priority=priority_of("report"),
        report_run_id=run_id,
        recipient_ids=list(recipients),
        now=now,
    )
    wake(connection, DISPATCH)


def _here(row: Row[Any]) -> dict[str, Any]:
    return {"shop_id": row.shop_id, "report_subscription_id": row.report_subscription_id}
