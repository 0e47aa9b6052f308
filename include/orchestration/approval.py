"""Asking a person about a large batch, in Airflow's own way (SEMANTICS 4.7)."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Context

from include.orchestration.connections import open_database
from include.orchestration.defaults import DEFAULT_ARGS

if TYPE_CHECKING:
    from sqlalchemy import Engine

APPROVAL: dict[str, Any] = {"trigger_dag_id": "approve_batch", "skip_when_already_exists": True}
APPROVE, REJECT = "Approve", "Reject"


class AskAboutBatch(HITLOperator):
    """Waits, without a worker, until a person approves or rejects the run's batch; no answer in time rejects."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(
            subject="A batch to approve", options=[APPROVE, REJECT], defaults=REJECT, **arguments
        )
        # Airflow takes it for the time to wait for an answer, which `execute` sets, and drops it.
        self.execution_timeout = DEFAULT_ARGS["execution_timeout"]

    def execute(self, context: Context) -> None:
        """Ask with the batch's own figures, and for as long as its rule says."""
        from include.services.proposals import ask_about

        batch = context["params"]
        with open_database() as engine:
            question = ask_about(engine, batch["shop_id"], batch["batch_id"], now=datetime.now(UTC))
        self.subject, self.body = question.subject, question.body
        self.response_timeout = question.time_left
        super().execute(context)


def approval_runs(engine: "Engine") -> list[dict[str, Any]]:
    """A run of Dag `approve_batch` for each batch that no person was asked about yet."""
    from include.services.proposals import list_unasked

    return [{"trigger_run_id": f"batch_{batch['batch_id']}", "conf": batch} for batch in list_unasked(engine)]


def is_approved(answer: dict[str, Any]) -> bool:
    """Whether the person chose to approve."""
    return list(answer["chosen_options"]) == [APPROVE]


def answered_by(answer: dict[str, Any]) -> str | None:
    """The login of who answered; None where time ran out."""
    user = answer.get("responded_by_user")
    return str(user["name"]) if user else None
