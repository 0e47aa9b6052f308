"""Looks after everything every 15 minutes, by the clock: the net under the wake-ups.

*variables* creates the rules' Airflow Variables that do not exist, with their defaults and descriptions;
existing ones are never changed. *tidy* frees what a killed task held, ends requests that are too old or were never
confirmed, and asks people whether they still want what they wait for, where the rules say so.
*wake_missed* looks for what has been due for more than a minute, in case a notification was lost, and wakes
its Dag.
"""

from datetime import UTC, datetime
from typing import Any

from airflow.sdk import CronTriggerTimetable, dag, task

from include.domain.wake import find_missed
from include.orchestration.assets import MISSED_WAKE_UPS, due_assets
from include.orchestration.connections import open_database
from include.orchestration.defaults import dag_defaults
from include.orchestration.flow_files import read_flow_files
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
    from include.services.due import read_due_times

    with open_database() as engine:
        missed = find_missed(read_due_times(engine), now=datetime.now(UTC))
    assets = [asset for target, asset in due_assets(read_flow_files()).items() if target in missed]
    for asset in assets:
        outlet_events[MISSED_WAKE_UPS].add(asset)
    return {"missed": len(assets)}


every_15_minutes = CronTriggerTimetable("*/15 * * * *", timezone="UTC", run_immediately=True)


@dag(schedule=every_15_minutes, doc_md=__doc__, **dag_defaults("housekeeping"))
def housekeeping() -> None:
    variables()
    tidy() >> wake_missed()


housekeeping()
