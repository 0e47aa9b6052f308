"""Decides who is told that what they asked for is back.

*rules* reads the Airflow Variables `restock_...` (Admin > Variables), checks them and stores them as a rule
set; a wrong value fails here, with the Variable's name, its value and what is allowed, and nobody is told.

*decide* looks at every variant that is due and releases the oldest requests, as many as the stock allows: 20
units at 5 customers per unit are the 100 oldest. Batches of one variant are `restock_wait_minutes` apart;
`restock why SUBSCRIPTION` says why somebody was or was not told. Its XCom `decision` holds the counts. With the
parameter `dry_run` it decides the same, writes nothing, and `decision` holds what it would do.

*asked* starts a run of Dag `approve_batch` for each batch above `restock_approval_above`.

Airflow wakes this Dag when a variant is due, and else it does not run. Clearing a task repeats no batch.
"""

from datetime import UTC, datetime
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import Param, dag, get_current_context, task

from include.domain.wake import RELEASE
from include.orchestration.approval import APPROVAL, approval_runs
from include.orchestration.assets import RELEASED_PEOPLE, due_asset
from include.orchestration.connections import open_database
from include.orchestration.defaults import dag_defaults
from include.orchestration.flow_files import valid_flows
from include.orchestration.variables import read_rule_variables, store_rules

DRY_RUN = Param(False, type="boolean", description="Decide, write nothing, and return what would be done.")


@task
def rules() -> dict[str, Any]:
    return store_rules(is_dry_run=get_current_context()["params"]["dry_run"])


@task(outlets=[RELEASED_PEOPLE])
def decide(rule_set: dict[str, Any]) -> list[dict[str, Any]]:
    from include.services.flows import register_flows
    from include.services.release import preview_due, release_due

    context, now = get_current_context(), datetime.now(UTC)
    run_id, is_dry_run = context["dag_run"].run_id, context["params"]["dry_run"]
    with open_database() as engine:
        if is_dry_run:
            decision = preview_due(engine, read_rule_variables(), run_id, now)
        else:
            register_flows(engine, valid_flows(), now)
            decision = release_due(engine, rule_set["rule_set_id"], run_id, now)
        context["ti"].xcom_push("decision", decision)
        return [] if is_dry_run else approval_runs(engine)


@dag(schedule=[due_asset(RELEASE)], params={"dry_run": DRY_RUN}, **dag_defaults("release", doc=__doc__))
def restock_release() -> None:
    TriggerDagRunOperator.partial(task_id="asked", **APPROVAL).expand_kwargs(decide(rules()))


restock_release()
