"""Who is killed: one living process of a kind, or the task that it works for."""

from __future__ import annotations

import contextlib
import random
import re
import signal
import time
from dataclasses import dataclass

import psutil
import psycopg
from sqlalchemy import make_url

from include.local.postgres import EmbeddedPostgres
from tests.e2e.kills.besieged import Besieged

KINDS = ("task", "scheduler", "triggerer", "api-server", "postgres", "mail-sink")
LANE = "send_email"
# A title may lose its last characters.
_TASK_ID = re.compile("[0-9a-f-]{30}")


@dataclass(frozen=True)
class Victim:
    """What was killed; `label` says which task and which of its processes."""

    label: str
    processes: list[psutil.Process]

    def kill(self) -> None:
        for process in self.processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)


def find_victim(besieged: Besieged, kind: str, age: float, chance: random.Random) -> Victim | None:
    """One of this kind that has lived so many seconds, or None; a task may be younger."""
    if kind == "task":
        return _find_task(besieged, chance)
    if kind == "postgres":
        return _find_postgres(besieged)
    row = besieged.table.find(kind)
    process = row.process() if row else None
    if process is None or time.time() - process.create_time() < age:
        return None
    return Victim(kind, [process])


def _find_postgres(besieged: Besieged) -> Victim | None:
    """The postmaster and its backends, in this order: nobody has time to end in good order."""
    pid = EmbeddedPostgres(besieged.settings.var_folder / "postgres").process_id
    with contextlib.suppress(psutil.NoSuchProcess):
        if pid is not None:
            postmaster = psutil.Process(pid)
            return Victim("postgres", [postmaster, *postmaster.children()])
    return None


def _find_task(besieged: Besieged, chance: random.Random) -> Victim | None:
    """A running task: its process, its supervisor, or both. Lanes and other tasks have the same chance."""
    running = _running_tasks(besieged)
    lanes = {worker: name for worker, name in running.items() if name == LANE}
    others = {worker: name for worker, name in running.items() if name != LANE}
    pool = chance.choice([group for group in (lanes, others) if group] or [{}])
    if not pool:
        return None
    worker = chance.choice(sorted(pool, key=lambda process: process.pid))
    with contextlib.suppress(psutil.NoSuchProcess):
        parts = {"task": worker.children(), "supervisor": [worker], "both": [worker, *worker.children()]}
        part = chance.choice(sorted(parts))
        return Victim(f"{pool[worker]} ({part})", parts[part])
    return None


def _running_tasks(besieged: Besieged) -> dict[psutil.Process, str]:
    """The scheduler's workers that have a task, with its name: Airflow puts its id into their titles."""
    row = besieged.table.find("scheduler")
    scheduler = row.process() if row else None
    workers = {}
    with contextlib.suppress(psutil.Error):
        for worker in scheduler.children() if scheduler else []:
            with contextlib.suppress(psutil.Error):
                if worker.children() and (found := _TASK_ID.search(" ".join(worker.cmdline()))):
                    workers[worker] = found[0]
    names = _task_names(besieged, list(workers.values()))
    return {worker: names[key] for worker, key in workers.items() if key in names}


def _task_names(besieged: Besieged, keys: list[str]) -> dict[str, str]:
    url = make_url(besieged.running.database_url).set(drivername="postgresql", database="airflow")
    with (
        contextlib.suppress(psycopg.Error),
        psycopg.connect(url.render_as_string(hide_password=False)) as connection,
    ):
        rows = connection.execute(
            "SELECT left(CAST(id AS text), 30), task_id FROM task_instance "
            "WHERE left(CAST(id AS text), 30) = ANY (%s)",
            [keys],
        )
        return dict(rows.fetchall())
    return {}
