"""Asks a person before a large batch leaves; one run per batch, so that no other variant waits.

*ask* shows the batch under Browse > Required Actions, and over Airflow's REST API, until a person approves or
rejects it; `restock_approval_hours` after the batch was proposed it counts as rejected. It holds no worker.

*settle* acts on the answer. Approved: the stock is read again and as many people are told as it allows now.
Rejected or unanswered: nobody is told until `restock_wait_minutes` have passed, then it is decided anew.

Dag `restock_release` starts the runs, for batches of more people than `restock_approval_above`.
"""

from datetime import UTC, datetime
from typing import Any

from airflow.sdk import Param, dag, get_current_context, task

from include.orchestration.approval import AskAboutBatch, answered_by, is_approved
from include.orchestration.assets import RELEASED_PEOPLE
from include.orchestration.connections import open_database
from include.orchestration.defaults import dag_defaults

BATCH = {
    "shop_id": Param("", type="string", description="The shop of the proposed batch."),
    "batch_id": Param(0, type="integer", description="The id of the proposed batch."),
}


@task(outlets=[RELEASED_PEOPLE])
def settle(answer: dict[str, Any]) -> dict[str, int]:
    from include.services.approval import approve_batch, decline_batch

    context, now = get_current_context(), datetime.now(UTC)
    batch = context["params"]["shop_id"], context["params"]["batch_id"]
    with open_database() as engine:
        if is_approved(answer):
            return approve_batch(engine, *batch, context["dag_run"].run_id, answered_by(answer), now)
        return decline_batch(engine, *batch, answered_by(answer), now)


@dag(schedule=None, params=BATCH, **dag_defaults("release", doc=__doc__) | {"max_active_runs": 1000})
def approve_batch() -> None:
    settle(AskAboutBatch(task_id="ask").output)


approve_batch()
