"""Builds yesterday's reports every night: tables in the database, and CSV files to open and share.

The tables and files of a day are built again from scratch, so that clearing or backfilling a run changes a
report only where its day changed. The files are in the folder or bucket that RESTOCK_ARTEFACTS names. A run
started by hand reports today as far as it went.
"""

from datetime import UTC, datetime
from typing import Any

from airflow.sdk import CronDataIntervalTimetable, dag, task

from include.orchestration.assets import REPORT_FILES
from include.orchestration.connections import open_database
from include.orchestration.defaults import dag_defaults
from include.orchestration.reports import artefact_root, run_day


@task(outlets=[REPORT_FILES])
def build() -> dict[str, Any]:
    from include.services.reports import build_reports

    now = datetime.now(UTC)
    with open_database() as engine:
        return build_reports(engine, *run_day(now), artefact_root(), now)


@dag(schedule=CronDataIntervalTimetable("@daily", timezone="UTC"), doc_md=__doc__, **dag_defaults("reports"))
def reports() -> None:
    build()


reports()
