"""`restock reports`: report tables and CSV files."""

from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

from include.cli.parts import command_group, console, open_database, present
from include.errors import ConfigurationError
from include.settings import load_settings

reports = command_group("Report tables and CSV files.")


@reports.command("build")
def reports_build(
    first: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First day.")],
    last: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day.")],
) -> None:
    """Build the report tables of some days again and write their CSV files."""
    from include.services.reports import REPORTS, build_report, export_report

    settings = load_settings()
    first_on, last_on = _days(first, last)
    folder = Path(settings.artefact_url)
    with open_database(settings) as engine:
        for name in REPORTS:
            build_report(engine, name, first_on, last_on, present())
            rows = export_report(engine, name, first_on, last_on, folder)
            console.print(f"{name}: {rows} rows in {folder}")


def _days(first: datetime, last: datetime) -> tuple[date, date]:
    if first > last:
        raise ConfigurationError(f"--from {first.date()} is after --to {last.date()}.")
    return first.date(), last.date()
