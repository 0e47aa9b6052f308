"""Tells operators of failed tasks and missed deadlines; wired into every Dag by `defaults`.

Airflow Connection `restock_operators` holds their addresses: extra {"to": ["ops@shop.example"]}, mails leave by
`restock_smtp`. Connection `restock_slack` holds a webhook: its URL in the password, or Slack's host and the rest.
Without either nobody is told.
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseNotifier, Context

if TYPE_CHECKING:
    from include.services.operators import Notice

RUNBOOK = "docs/runbook.md"

log = logging.getLogger(__name__)


class TellOperators(BaseNotifier):
    """Mail and Slack; `what` is the sentence for a missed deadline, without one it is a failed task."""

    def __init__(self, what: str = "", context: Context | None = None) -> None:
        super().__init__(context)
        self.what = what

    def notify(self, context: Context) -> None:
        """In a task's process, after it failed for good."""
        from include.orchestration.connections import operators
        from include.services.operators import tell

        self._tell(context, lambda notice, now: tell(operators(), notice, now))

    async def async_notify(self, context: Context) -> None:
        """In the triggerer, when a deadline was missed."""
        from include.orchestration.connections import find_operators
        from include.services.operators import tell

        known = await find_operators()
        await asyncio.to_thread(self._tell, context, lambda notice, now: tell(known, notice, now))

    def _tell(self, context: Mapping[str, Any], tell: Any) -> None:
        # Whatever goes wrong here must not hide what went wrong before.
        try:
            told = tell(self._notice(context), datetime.now(UTC))
        except Exception as error:
            log.warning("Operators could not be told: %s", type(error).__name__)
        else:
            log.info(
                "Operators were told by: %s", ", ".join(told) or "nobody is set, or they were told lately"
            )

    def _notice(self, context: Mapping[str, Any]) -> "Notice":
        from include.services.operators import Notice

        dag_id, run_id = _ids(context)
        if self.what:
            lines = [self.what, f"Run: {run_id}", f"What to do: {RUNBOOK}"]
            return Notice(
                f"deadline:{dag_id}", f"deadline:{dag_id}:{run_id}", f"{dag_id} takes too long", lines
            )
        task = context["ti"]
        lines = [_complaint(context.get("exception")), f"Run: {run_id}, try {task.try_number}"]
        lines += [f"Log: {task.log_url}", f"What to do: {RUNBOOK}"]
        key = f"failed:{dag_id}:{run_id}:{task.task_id}:{task.map_index}:{task.try_number}"
        return Notice(f"failed:{dag_id}", key, f"{dag_id}.{task.task_id} failed", lines)


def _ids(context: Mapping[str, Any]) -> tuple[str, str]:
    run = context.get("dag_run") or {}
    if isinstance(run, Mapping):
        return str(run.get("dag_id", "?")), str(run.get("dag_run_id") or run.get("run_id", "?"))
    return str(run.dag_id), str(run.run_id)


def _complaint(error: Any) -> str:
    if isinstance(error, BaseException):
        return f"{type(error).__name__}: {error}"
    return str(error or "The task ended without saying why; its log may.")
