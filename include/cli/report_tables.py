"""`restock reports`: report tables and files."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from include.cli.parts import command_group, console, open_database, open_store, present, print_table
from include.domain.report_days import check_days
from include.errors import ConfigurationError
from include.settings import load_settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from include.services.report_plan import ReportShop

reports = command_group("Report tables and files; docs/reports.md says what is in them.")

ReportName = Annotated[str | None, typer.Argument(metavar="[NAME]", help="A report; all without one.")]
FirstDay = Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day.")]
LastDay = Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day.")]
OneShop = Annotated[str | None, typer.Option("--shop", help="A shop; all without one.")]


@reports.command("build")
def reports_build(
    name: ReportName = None,
    first: FirstDay = None,
    last: LastDay = None,
    shop_id: OneShop = None,
    full: Annotated[bool, typer.Option("--full", help="Build every day from the first one on.")] = False,
) -> None:
    """Build what is new since the last build, and the days from --from to --to again."""
    from include.reports.definition import find_report
    from include.services.report_build import build_report
    from include.services.report_plan import list_report_shops, note_due_days

    days, now = _days(first, last), present()
    with open_database() as engine:
        for shop in list_report_shops(engine, now, shop_id):
            note_due_days(engine, shop, now, days, full)
        for known in _names(name):
            built = build_report(engine, known, now, shop_id)
            done = f"days built {built['days']}, rows {built['rows']:,}"
            console.print(f"{known}: {done if find_report(known).is_built else _without_build(known)}")


@reports.command("export")
def reports_export(
    name: ReportName = None,
    first: FirstDay = None,
    last: LastDay = None,
    shop_id: OneShop = None,
    form: Annotated[str, typer.Option("--format", help="csv or parquet.")] = "csv",
    bom: Annotated[
        bool, typer.Option("--bom", help="CSV for spreadsheets that take it for another encoding.")
    ] = False,
) -> None:
    """Build what is new and write reports as files with a manifest each; yesterday's without days."""
    from include.reports.definition import find_report
    from include.services.report_build import build_new
    from include.services.report_export import ExportOptions, export_report, is_past_for, require_format
    from include.services.report_plan import list_report_shops

    days, now = _days(first, last), present()
    options, root = (
        ExportOptions(require_format(form), bom),
        open_store(load_settings().artefact_url, "RESTOCK_ARTEFACTS"),
    )
    with open_database() as engine:
        build_new(engine, _names(name), now, shop_id)
        for shop in list_report_shops(engine, now, shop_id):
            span = days or _yesterday(shop, now)
            for known in _names(name):
                if is_past_for(find_report(known), shop, span[1], now):
                    console.print(f"{known}: it knows the present only, nothing is written of {span[1]}")
                    continue
                written = export_report(engine, shop, known, *span, root, now, options)
                console.print(f"{root / shop.shop_id / written.file}: rows {written.row_count:,}")


@reports.command("list")
def reports_list(name: ReportName = None, shop_id: OneShop = None) -> None:
    """The reports that there are, when each was built last, the files that lie in the store, and who gets mails."""
    from include.cli.report_mails import show_subscriptions
    from include.reports.definition import find_report
    from include.services.report_export import list_exports
    from include.services.report_plan import list_report_shops

    root = open_store(load_settings().artefact_url, "RESTOCK_ARTEFACTS")
    with open_database() as engine:
        _show_builds(engine, list(_names(name)))
        for shop in list_report_shops(engine, present(), shop_id):
            for manifest in list_exports(root, shop.shop_id):
                if name in (None, manifest.report):
                    console.print(f"{root / shop.shop_id / manifest.file}: rows {manifest.row_count:,}")
        if name is None:
            show_subscriptions(engine, shop_id)
    if name is not None:
        for column, meaning in find_report(name).columns.items():
            console.print(f"  {column}: {meaning}")


def _show_builds(engine: "Engine", names: list[str]) -> None:
    from include.reports.definition import find_report
    from include.services.report_build import list_builds

    built = list_builds(engine)
    table = Table("report", "what it holds", "last built")
    for name in names:
        known = [f"{row.shop_id}: {row.built_at:%Y-%m-%d %H:%M}Z" for row in built if row.report == name]
        state = ", ".join(known) or ("not yet" if find_report(name).is_built else _without_build(name))
        table.add_row(name, find_report(name).grain, state)
    print_table(table)


def _without_build(name: str) -> str:
    from include.reports.definition import find_report

    return "of the last look, one an hour" if find_report(name).is_looked_for else "always current"


def _names(name: str | None) -> Iterable[str]:
    from include.domain.report_days import REPORTS
    from include.reports.definition import find_report

    return REPORTS if name is None else (find_report(name).name,)


def _yesterday(shop: "ReportShop", now: datetime) -> tuple[date, date]:
    from include.domain.report_days import DAY

    day = now.astimezone(shop.zone).date() - DAY
    return day, day


def _days(first: datetime | None, last: datetime | None) -> tuple[date, date] | None:
    if first is None and last is None:
        return None
    if first is None or last is None:
        raise ConfigurationError("Give both --from and --to, such as --from 2026-03-01 --to 2026-03-31.")
    check_days(first.date(), last.date(), present())
    return first.date(), last.date()
