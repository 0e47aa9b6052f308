"""Looks after everything every 15 minutes, by the clock: the net under the wake-ups.

*variables* creates the rules' Airflow Variables that do not exist, with their defaults and descriptions;
existing ones are never changed. *tidy* frees what a killed task held, ends requests that are too old or were never
confirmed, and asks people whether they still want what they wait for, where the rules say so. *wake_missed* looks
for what has been due for more than a minute, in case a notification was lost, and wakes its Dag.

*watch* looks once an hour for what needs a person: the report `watchdog`. *mail_reports* queues the report mails
that are due, of the Variable `restock_report_subscriptions` and of `restock reports subscribe`; each day, week or
month is mailed once. *measure* says how far behind everything is.
"""

from datetime import UTC, datetime
from typing import Any

from airflow.sdk import CronTriggerTimetable, dag, task

from include.orchestration.assets import MISSED_WAKE_UPS
from include.orchestration.connections import open_database
from include.orchestration.defaults import dag_defaults
from include.orchestration.housekeeping import look_around, measure_lags, missed_assets
from include.orchestration.report_mails import mail_what_is_due
from include.orchestration.variables import create_missing_variables
from include.settings import load_settings


@task
def variables() -> dict[str, int]:
    return {"created": len(create_missing_variables())}


@task
def tidy() -> dict[str, Any]:
    from include.services.housekeeping import tidy as free_what_was_held

    with open_database() as engine:
        return free_what_was_held(engine, load_settings().journals_folder, now=datetime.now(UTC))


@task(outlets=[MISSED_WAKE_UPS])
def wake_missed(*, outlet_events: Any) -> dict[str, int]:
    assets = missed_assets()
    for asset in assets:
        outlet_events[MISSED_WAKE_UPS].add(asset)
    return {"missed": len(assets)}


every_15_minutes = CronTriggerTimetable("*/15 * * * *", timezone="UTC", run_immediately=True)


@dag(schedule=every_15_minutes, **dag_defaults("housekeeping", doc=__doc__))
def housekeeping() -> None:
    variables()
    tidy() >> wake_missed()
    mailed = task(task_id="mail_reports", trigger_rule="all_done")(mail_what_is_due)()
    task(task_id="watch")(look_around)() >> mailed
    task(task_id="measure")(measure_lags)()


housekeeping()
