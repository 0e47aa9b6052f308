"""Decides who is told that what they asked for is back.

*rules* reads the Airflow Variables `restock_...` (Admin > Variables), checks them and stores them as a rule
set; a wrong value fails here, with the Variable's name, its value and what is allowed, and nobody is told.

*decide* looks at every variant that is due and releases the oldest requests, as many as the stock allows: 20
units at 5 customers per unit are the 100 oldest. Batches of one variant are `restock_wait_minutes` apart;
`restock why SUBSCRIPTION` says why somebody was or was not told.

Airflow wakes this Dag when a variant is due, and else it does not run. Clearing a task repeats no batch.
"""

from datetime import UTC, datetime
from typing import Any

from airflow.sdk import dag, get_current_context, task

from include.domain.wake import RELEASE
from include.orchestration.assets import RELEASED_PEOPLE, due_asset
from include.orchestration.connections import open_database
from include.orchestration.defaults import dag_defaults
from include.orchestration.flow_files import valid_flows
from include.orchestration.variables import create_missing_variables, read_rule_variables


@task
def rules() -> dict[str, Any]:
    from include.services.rules import store_rule_set

    create_missing_variables()
    with open_database() as engine:
        return store_rule_set(engine, read_rule_variables(), now=datetime.now(UTC))


@task(outlets=[RELEASED_PEOPLE])
def decide(rule_set: dict[str, Any]) -> dict[str, int]:
    from include.services.flows import register_flows
    from include.services.release import release_due

    run_id, now = get_current_context()["dag_run"].run_id, datetime.now(UTC)
    with open_database() as engine:
        register_flows(engine, valid_flows(), now)
        return release_due(engine, rule_set["rule_set_id"], run_id, now)


@dag(schedule=[due_asset(RELEASE)], doc_md=__doc__, **dag_defaults("release"))
def restock_release() -> None:
    decide(rules())


restock_release()
