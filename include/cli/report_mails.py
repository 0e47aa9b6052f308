"""`restock reports subscribe|edit|pause|resume|test|send|unsubscribe|subscriptions|runs|chart`: mails and charts."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import Engine, Row

from include.cli.parts import Most, ShopId, console, open_database, open_store, present
from include.cli.report_tables import reports
from include.domain.report_days import check_days
from include.domain.report_period import Period
from include.domain.report_wish import ALLOWED, parse_wish
from include.domain.text import count_of
from include.errors import ConfigurationError
from include.settings import load_settings

Name = Annotated[str, typer.Argument(help="The subscription's name.")]
Report = Annotated[str, typer.Argument(help="The report's name.")]
To = Annotated[list[str] | None, typer.Option("--to", help="An address; repeatable.")]
Every = Annotated[str | None, typer.Option(help=f"{ALLOWED['every']}.")]
At = Annotated[str | None, typer.Option(help=f"{ALLOWED['at']}.")]
Zone = Annotated[str | None, typer.Option("--time-zone", help=f"{ALLOWED['time_zone']}.")]
When = Annotated[str | None, typer.Option(help=f"{ALLOWED['when']}.")]
Attach = Annotated[str | None, typer.Option(help=f"{ALLOWED['attach']}.")]
Chart = Annotated[bool | None, typer.Option("--chart/--no-chart", help="The chart in the mail.")]
SkipEmpty = Annotated[
    bool | None, typer.Option("--skip-empty/--send-empty", help="Send nothing when the report has no rows.")
]
First = Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First day.")]
Last = Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day.")]


@reports.command("subscribe")
def reports_subscribe(
    name: Name,
    report: Report,
    shop: ShopId,
    to: To = None,
    every: Every = None,
    at: At = None,
    time_zone: Zone = None,
    when: When = None,
    attach: Attach = None,
    chart: Chart = None,
    skip_empty: SkipEmpty = None,
) -> None:
    """Mail a report to some people, every day, week or month, or when its figures fulfil a condition."""
    from include.services.report_subscriptions import subscribe

    given = _given(to, every, at, time_zone, when, attach, chart, skip_empty)
    wish = parse_wish(
        {"name": name, "shop": shop, "report": report, **given}, f"report subscription '{name}'"
    )
    with open_database() as engine:
        count = subscribe(engine, wish, present())
    console.print(
        f"'{name}' mails {report} {wish.every} at {wish.at:%H:%M} to {count_of(count, 'recipient')}."
    )


@reports.command("edit")
def reports_edit(
    name: Name,
    shop: ShopId,
    report: Annotated[str | None, typer.Option(help="Another report.")] = None,
    to: To = None,
    every: Every = None,
    at: At = None,
    time_zone: Zone = None,
    when: When = None,
    attach: Attach = None,
    chart: Chart = None,
    skip_empty: SkipEmpty = None,
) -> None:
    """Change what is given; the rest, and the history, stay. Recipients who unsubscribed stay unsubscribed."""
    from include.services.report_subscriptions import edit

    changes = _given(to, every, at, time_zone, when, attach, chart, skip_empty)
    if report is not None:
        changes["report"] = report
    if not changes:
        raise ConfigurationError("Nothing to change was given. See `restock reports edit --help`.")
    # Checked as a whole with stand-ins for what is not given, so that a complaint names the field.
    stand_ins = {"name": name, "shop": shop, "report": "activity", "to": ["kept@apart.invalid"]}
    checked = parse_wish({**stand_ins, **changes}, f"report subscription '{name}'")
    with open_database() as engine:
        edit(engine, shop, name, {field: getattr(checked, field) for field in changes}, present())
    console.print(f"'{name}' is changed.")


@reports.command("pause")
def reports_pause(name: Name, shop: ShopId) -> None:
    """Mail nothing until it is resumed."""
    from include.services.report_subscriptions import pause

    with open_database() as engine:
        pause(engine, shop, name)
    console.print(f"'{name}' is paused until `restock reports resume {name} --shop {shop}`.")


@reports.command("resume")
def reports_resume(name: Name, shop: ShopId) -> None:
    """Mail again, from the next period that ends; what was due during the pause is not sent."""
    from include.services.report_subscriptions import resume

    with open_database() as engine:
        resume(engine, shop, name, present())
    console.print(f"'{name}' goes on with the next period.")


@reports.command("unsubscribe")
def reports_unsubscribe(name: Name, shop: ShopId) -> None:
    """Delete a subscription; what is queued of it does not leave, its history stays."""
    from include.services.report_subscriptions import end

    with open_database() as engine:
        end(engine, shop, name, present())
    console.print(f"'{name}' is deleted.")


@reports.command("test")
def reports_test(name: Name, shop: ShopId) -> None:
    """Send the newest period to its recipients now, marked as a test."""
    from include.services.report_mail import mail_store, mail_test

    settings = load_settings()
    with open_database(settings) as engine:
        period = mail_test(
            engine,
            mail_store(settings, open_store(settings.artefact_url, "RESTOCK_ARTEFACTS")),
            shop,
            name,
            present(),
        )
        console.print(f"A test of '{name}' for {period.words} is queued.{_whether_it_leaves(engine)}")


@reports.command("send")
def reports_send(name: Name, shop: ShopId, first: First, last: Last) -> None:
    """Send a subscription's report of some days now; what was sent before for the same days is not sent again."""
    from include.services.report_mail import mail_span, mail_store

    settings, days = load_settings(), _days(first, last)
    with open_database(settings) as engine:
        outcome = mail_span(
            engine,
            mail_store(settings, open_store(settings.artefact_url, "RESTOCK_ARTEFACTS")),
            shop,
            name,
            days,
            present(),
        )
        runs = f"see `restock reports runs {name} --shop {shop}`"
        said = {
            "mailed": f"The report of {days.words} is queued.",
            "before": f"The report of {days.words} was dealt with before: {runs}.",
            "too_late": f"That report knows the present only: nothing is sent of {days.words}.",
            "skipped": f"Nothing is sent of {days.words}: {runs}.",
        }
        console.print(said[outcome] + (_whether_it_leaves(engine) if outcome == "mailed" else ""))


@reports.command("subscriptions")
def reports_subscriptions(
    shop: Annotated[str | None, typer.Option("--shop", help="Only of this shop.")] = None,
) -> None:
    """Every report subscription; `restock reports list` shows them too, below the reports."""
    with open_database() as engine:
        show_subscriptions(engine, shop)


@reports.command("runs")
def reports_runs(name: Name, shop: ShopId, most: Most = 20) -> None:
    """What was mailed of a subscription, newest first."""
    from include.services.report_subscriptions import list_runs

    with open_database() as engine:
        rows = list_runs(engine, shop, name, most)
    for row in rows:
        what = f"skipped ({row.reason})" if row.reason else _messages(row)
        marks = f"{', test' if row.is_test else ''}{', late' if row.is_late else ''}"
        console.print(
            f"{row.created_at:%Y-%m-%d %H:%M}Z  {Period(row.first_on, row.last_on).words}  {what}{marks}"
        )
    if not rows:
        console.print("Nothing was mailed yet.")


@reports.command("chart")
def reports_chart(
    shop: ShopId,
    first: First,
    last: Last,
    folder: Annotated[Path | None, typer.Option(help="Default: where exports go.")] = None,
) -> None:
    """Build what is new and draw every chart of a shop for some days, as PNG and SVG."""
    from include.services.report_build import build_new
    from include.services.report_charts import SOURCES, write_charts

    settings, days = load_settings(), _days(first, last)
    target = folder or open_store(settings.artefact_url, "RESTOCK_ARTEFACTS")
    with open_database(settings) as engine:
        build_new(engine, {name for names in SOURCES.values() for name in names}, present(), shop)
        for file_name in write_charts(engine, shop, days, target, present()):
            console.print(str(target / file_name))


def _days(first: datetime, last: datetime) -> Period:
    check_days(first.date(), last.date(), present())
    return Period(first.date(), last.date())


def _whether_it_leaves(engine: Engine) -> str:
    from include.services.outbox import read_delivery

    mode = read_delivery(engine).mode
    return "" if mode == "live" else f" Delivery is {mode}, so see `restock delivery show`."


def _given(
    to: list[str] | None,
    every: str | None,
    at: str | None,
    time_zone: str | None,
    when: str | None,
    attach: str | None,
    chart: bool | None,
    skip_empty: bool | None,
) -> dict[str, Any]:
    values = {
        "to": to,
        "every": every,
        "at": at,
        "time_zone": time_zone,
        "when": when,
        "attach": attach,
        "chart": chart,
        "skip_empty": skip_empty,
    }
    given = {name: value for name, value in values.items() if value is not None}
    # An empty text takes a zone or a condition away.
    return {
        name: None if value == "" and name in ("time_zone", "when") else value
        for name, value in given.items()
    }


def show_subscriptions(engine: Engine, shop: str | None) -> None:
    """A line for each report subscription."""
    from include.services.report_subscriptions import list_subscriptions

    rows = list_subscriptions(engine, shop)
    for row in rows:
        console.print(_describe(row))
    if not rows:
        console.print("No report is mailed. `restock reports subscribe` begins.")


def _describe(row: Row[Any]) -> str:
    condition = f" when {row.condition}" if row.condition else ""
    paused = ", paused" if row.state == "paused" else ""
    origin = ", kept by the Variable" if row.origin == "variable" else ""
    return (
        f"{row.name}  {row.shop_id}  {row.report}  {row.frequency}{condition} at {row.send_at:%H:%M} {row.time_zone} "
        f"to {count_of(row.recipient_count, 'recipient')}{paused}{origin}"
    )


def _messages(row: Row[Any]) -> str:
    counts = {"sent": row.sent_count, "on their way": row.open_count, "not sent": row.unsent_count}
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "no messages"
