"""Builds the reports every night: tables in the database, and files to open and share.

*plan* finds the days that have to be built: new ones since the last run, earlier ones of which something became
known late, and those of the run's interval; it removes files older than `restock_export_keep_days`. *report* builds
one report each and writes the days that ended in the interval, each shop on its own clock, as
`<shop>/<report>_<day>.csv` with a manifest into RESTOCK_ARTEFACTS. A report that does not add up fails with the two
numbers, and its days stay due. *charts* draws the same days. *mail* queues their mails if those were missed.

Backfill (Trigger > Backfill, or `airflow backfill create --dag-id reports`) builds and writes any past days again;
a day that did not change stays as it was. The queue and the demand know the present only and are not written for
past days. A run started by hand reports its day as far as it went. What is in the reports: docs/reports.md.
"""

from datetime import UTC, datetime
from typing import Any

from airflow.sdk import CronDataIntervalTimetable, dag, task

from include.domain.report_days import REPORTS
from include.orchestration.assets import REPORT_FILES, REPORT_TABLES, report_asset
from include.orchestration.connections import open_database
from include.orchestration.defaults import dag_defaults
from include.orchestration.report_mails import draw_charts, mail_what_was_missed
from include.orchestration.reports import PARAMS, artefact_root, export_options, is_full_rebuild, run_span


@task
def plan() -> dict[str, int]:
    from include.services.report_export import remove_old_exports
    from include.services.report_plan import plan_interval

    now = datetime.now(UTC)
    with open_database() as engine:
        due = plan_interval(engine, now, *run_span(), is_full_rebuild())
        return {"days": due, "files_removed": remove_old_exports(engine, artefact_root(), now)}


@task(map_index_template="{{ task.op_kwargs['name'] }}", outlets=[REPORT_FILES, REPORT_TABLES])
def report(name: str, *, outlet_events: Any) -> dict[str, int]:
    from include.services.report_build import build_report
    from include.services.report_export import export_interval

    now = datetime.now(UTC)
    with open_database() as engine:
        built = build_report(engine, name, now)
        outlet_events[REPORT_TABLES].add(report_asset(name))
        exported = export_interval(engine, name, *run_span(), artefact_root(), now, export_options())
    return built | exported


daily = CronDataIntervalTimetable("@daily", timezone="UTC")


@dag(schedule=daily, params=PARAMS, **dag_defaults("reports", doc=__doc__))
def reports() -> None:
    charts, mail = task(task_id="charts")(draw_charts), task(task_id="mail")(mail_what_was_missed)
    plan() >> report.expand(name=list(REPORTS)) >> charts() >> mail()


reports()
