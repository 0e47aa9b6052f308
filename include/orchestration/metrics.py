"""Figures for StatsD, by Airflow's own client: nothing leaves unless `[metrics] statsd_on` is set.

Airflow puts its `statsd_prefix` before each name. docs/grafana/restock.json shows them.
"""

import logging
from collections.abc import Mapping
from typing import Any

from airflow.sdk import Context
from airflow.sdk.configuration import conf
from airflow.sdk.observability import stats

PULLED = "restock.pulled"
REJECTED = "restock.rejected"
RESTOCKS = "restock.restocks"
RELEASED = "restock.released"
SENT = "restock.sent"
UNSENT = "restock.unsent"
LAG = "restock.lag"

# What a task returns, by its name: the figure of the result that is counted under a metric.
COUNTED: Mapping[str, Mapping[str, str]] = {
    "load": {"rows": PULLED, "rejected": REJECTED},
    "detect": {"events": RESTOCKS},
    "decide": {"released": RELEASED},
    "send_email": {"sent": SENT, "failed": UNSENT, "skipped": UNSENT},
    "send_sms": {"sent": SENT, "failed": UNSENT, "skipped": UNSENT},
}
MEASURED = "measure"
RESULT_KEYS = {"decide": "decision"}

log = logging.getLogger(__name__)


def count_result(context: Context) -> None:
    """After a task succeeded: count what it returned. Its figures, never its success, depend on this."""
    if not is_on():
        return
    task = context["ti"]
    if task.task_id not in COUNTED and task.task_id != MEASURED:
        return
    try:
        result = task.xcom_pull(
            task_ids=task.task_id,
            key=RESULT_KEYS.get(task.task_id, "return_value"),
            map_indexes=task.map_index if task.map_index >= 0 else None,
        )
        emit(task.task_id, result if isinstance(result, Mapping) else {})
    except Exception as error:
        log.warning("The figures of %s could not be counted: %s", task.task_id, type(error).__name__)


def emit(task_id: str, result: Mapping[str, Any]) -> None:
    """Hand the figures of a task's result to StatsD."""
    if task_id == MEASURED:
        for name, seconds in result.items():
            stats.gauge(f"{LAG}.{name}", float(seconds))
        return
    for figure, metric in COUNTED[task_id].items():
        if count := int(result.get(figure) or 0):
            stats.incr(metric, count)


def is_on() -> bool:
    """Whether StatsD, or one of Airflow's other backends, is set."""
    return any(
        conf.getboolean("metrics", name, fallback=False)
        for name in ("statsd_on", "statsd_datadog_enabled", "otel_on")
    )
