"""What a file that can't be used becomes: a Dag that says so, where its own Dag would have been."""

from typing import Any

from airflow.sdk import DAG, CronTriggerTimetable, task

from include.errors import ConfigurationError
from include.orchestration.defaults import dag_defaults

PAGE = """\
A file can't be used. Nobody is lost: people wait where they are until it is mended.

```
{problems}
```
"""


@task(retries=0)
def show_problems(problems: str) -> None:
    """Fail with what is wrong in the file."""
    raise ConfigurationError(problems)


EVERY_HOUR = CronTriggerTimetable("@hourly", timezone="UTC", run_immediately=True)


def broken_dag(dag_id: str, problems: str, schedule: Any = EVERY_HOUR) -> DAG:
    """A Dag of one task, which fails with the problems whenever `schedule` says."""
    with DAG(
        dag_id,
        dag_display_name=f"{dag_id} (broken)",
        schedule=schedule,
        **dag_defaults("broken", doc=PAGE.format(problems=problems)),
    ) as dag:
        show_problems(problems)
    return dag
