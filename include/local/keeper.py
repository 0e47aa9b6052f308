"""Starts again what ended by itself, as the init system of a real machine would.

What a dead process left in its process group is killed first: a scheduler's idle workers would stay for ever.
Running tasks have groups of their own and end by themselves, whether or not Airflow starts them again meanwhile.
What ends again and again is left to a person.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

from include.errors import StackError
from include.local.airflow import COMMANDS
from include.local.companions import start_companions
from include.local.intake_process import NAME as INTAKE
from include.local.intake_process import start_intake
from include.local.postgres import EmbeddedPostgres
from include.local.processes import ProcessTable, log_tail
from include.local.stack_start import RunningStack, spawn_airflow
from include.settings import Settings

MOST_RESTARTS = 5
WITHIN_SECONDS = 120.0

log = logging.getLogger(__name__)


class Restarts:
    """When a part was started again; `most` within WITHIN_SECONDS are allowed."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._moments: dict[str, deque[float]] = {}

    def note(self, name: str, log_file: Path) -> None:
        """Raise StackError with the end of the log when it was too often."""
        now, moments = self._clock(), self._moments.setdefault(name, deque())
        while moments and now - moments[0] > WITHIN_SECONDS:
            moments.popleft()
        if len(moments) >= self._most:
            raise StackError(
                f"{name} ended {self._most + 1} times within {WITHIN_SECONDS:.0f} s. "
                f"The end of {log_file}:\n{log_tail(log_file)}"
            )
        moments.append(now)


class Keeper:
    """Keeps the parts of a running stack alive."""

    def __init__(self, settings: Settings, running: RunningStack, most_restarts: int = MOST_RESTARTS) -> None:
        self._settings = settings
        self._running = running
        self._table = ProcessTable(settings.var_folder)
        self._postgres = EmbeddedPostgres(settings.var_folder / "postgres")
        self._restarts = Restarts(most_restarts)

    def ended(self) -> dict[str, Path]:
        """What should run and does not, each with its log."""
        rows = {row.name: Path(row.log) for row in self._table.started() if row.process() is None}
        return rows if self._postgres.is_running() else {"postgres": self._postgres.log, **rows}

    def revive(self, ended: Mapping[str, Path]) -> None:
        """Start these again. Raises StackError for what ends too often or does not start."""
        for name, log_file in ended.items():
            self._restarts.note(name, log_file)
            self._start(name)
            log.warning("%s ended and was started again.", name)

    def _start(self, name: str) -> None:
        if name == "postgres":
            self._postgres.start()
            # It ends when its database is away, and may then wait for ever for a worker of its own.
            self._table.kill("scheduler")
            return
        self._table.end_leftovers(name)
        if name in COMMANDS:
            environment, address = self._running.airflow_environment, self._running.address
            spawn_airflow(name, self._settings, self._table, environment, address)
        elif name == INTAKE:
            start_intake(self._settings, self._table, self._running.database_url)
        else:
            start_companions(self._settings.var_folder, self._table)
