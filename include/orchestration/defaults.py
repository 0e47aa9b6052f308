"""What all Dags have in common."""

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import Context, RetryDecision, RetryPolicy
from airflow.sdk.configuration import conf
from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference

from include.errors import RestockError, TemporaryError
from include.orchestration.metrics import count_result
from include.orchestration.notify import TellOperators

TAG = "restock"


class ReactToErrorClass(RetryPolicy):
    """The class of our errors decides: only a TemporaryError is worth another try, when it says so.

    A refused feed or a wrong setting fails the task at once: repeating it mends nothing. Errors that are not
    ours keep Airflow's usual retries.
    """

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """Airflow asks this in the worker, after a task failed."""
        if isinstance(exception, TemporaryError):
            after = exception.retry_after
            return RetryDecision.retry(timedelta(seconds=after) if after else None, "This may pass.")
        if isinstance(exception, RestockError):
            return RetryDecision.fail(f"{type(exception).__name__}: trying again would not mend it.")
        return RetryDecision.default()


LANES = {"email": 4, "sms": 1}

DEFAULT_ARGS: dict[str, Any] = {
    "owner": "restock",
    "retries": 3,
    "retry_delay": timedelta(seconds=15),
    "retry_exponential_backoff": 2,
    "max_retry_delay": timedelta(minutes=5),
    "retry_policy": ReactToErrorClass(),
    "execution_timeout": timedelta(hours=1),
    "on_failure_callback": TellOperators(),
    "on_success_callback": count_result,
}

# A run that waits or works for longer is told to operators, by the first tag of its Dag.
DEADLINES = {
    "sync": (
        timedelta(hours=1),
        "Stock is not read in time: soon it is stale, and then nobody is told.",
    ),
    "dispatch": (timedelta(minutes=15), "Messages leave slowly, or not at all."),
}


def dag_defaults(*tags: str, doc: str | None) -> dict[str, Any]:
    """The arguments that every Dag shares: no catch-up, one run at a time, its page and the first line of that."""
    page = doc or ""
    return {
        "doc_md": page,
        "description": page.partition("\n")[0].replace("*", ""),
        "default_args": DEFAULT_ARGS,
        "start_date": datetime(2024, 1, 1, tzinfo=UTC),
        "catchup": False,
        "max_active_runs": 1,
        "tags": [TAG, *tags],
        "deadline": _deadline(tags[0]),
    }


def _deadline(kind: str) -> DeadlineAlert | None:
    if kind not in DEADLINES:
        return None
    interval, what = DEADLINES[kind]
    callback = AsyncCallback(TellOperators, {"what": what})
    return DeadlineAlert(DeadlineReference.DAGRUN_QUEUED_AT, interval, callback)


def channel_pool(channel: str) -> str:
    """The pool in which a channel's lanes run: `[restock] email_pool` of Airflow's configuration.

    A task whose pool does not exist never runs, and no task can create one: who names a pool has created it.
    """
    return str(conf.get("restock", f"{channel}_pool", fallback="default_pool"))


def channel_lanes(channel: str) -> int:
    """How many lanes send at the same time: `[restock] email_lanes` of Airflow's configuration."""
    return int(conf.getint("restock", f"{channel}_lanes", fallback=LANES[channel]))
