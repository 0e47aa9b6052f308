"""Start, find and stop the processes of one stack, and no other.

Every process inherits a mark in its environment (the stack's `var` folder), so that also forked workers and
processes whose starter was killed are found again. A process number alone is never trusted: it may have
been given to somebody else.
"""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from include.errors import StackError
from include.local.private_file import write_private
from include.settings import PROJECT_HOME

MARK = "RESTOCK_STACK"
CLOCK_TOLERANCE_SECONDS = 2.0
LONGEST_BIRTH_SECONDS = 5.0


@dataclass(frozen=True)
class Started:
    """A process that we started; `created` tells it from a later one with the same number."""

    name: str
    pid: int
    created: float
    address: str
    log: str
    patience: float

    def process(self) -> psutil.Process | None:
        """The living process, or None."""
        try:
            process = psutil.Process(self.pid)
            is_same = abs(process.create_time() - self.created) < CLOCK_TOLERANCE_SECONDS
            return process if is_same and _is_alive(process) else None
        except psutil.NoSuchProcess:
            return None


@dataclass(frozen=True)
class Program:
    """What to start; `address` is shown, `patience` is how long it may take to end when it is asked to."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    address: str = ""
    patience: float = 10.0


class ProcessTable:
    """The processes of one stack, kept in `var/stack.json` so that any later command finds them."""

    def __init__(self, var_folder: Path) -> None:
        self.file = var_folder / "stack.json"
        self.mark = str(var_folder)
        self._children: list[subprocess.Popen[bytes]] = []

    def started(self) -> list[Started]:
        """What was started and not yet stopped, alive or not, in order of start."""
        return [Started(**row) for row in self._read()["processes"]]

    def find(self, name: str) -> Started | None:
        return next((row for row in self.started() if row.name == name), None)

    def owner(self) -> psutil.Process | None:
        """The living process that holds the stack in the foreground."""
        row = self._read()["owner"]
        return Started(**row).process() if row else None

    def set_owner(self, is_held: bool) -> None:
        own = psutil.Process()
        row = Started("foreground", own.pid, own.create_time(), address="", log="", patience=0)
        self._write({**self._read(), "owner": asdict(row) if is_held else None})

    def spawn(self, program: Program) -> Started:
        """Start the program in a process group of its own; its output goes to its log."""
        program.log.parent.mkdir(parents=True, exist_ok=True)
        # SPT_NOENV keeps setproctitle, which Airflow calls, from overwriting the mark.
        environment = {**program.environment, MARK: self.mark, "SPT_NOENV": "1"}
        with program.log.open("ab") as log:
            child = subprocess.Popen(
                program.command,
                cwd=PROJECT_HOME,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._children.append(child)
        created = psutil.Process(child.pid).create_time()
        self._await_mark(child)
        started = Started(
            program.name, child.pid, created, program.address, str(program.log), program.patience
        )
        self.add(started)
        return started

    def add(self, started: Started) -> None:
        kept = self._read()
        rows = [row for row in kept["processes"] if row["name"] != started.name]
        self._write({**kept, "processes": [*rows, asdict(started)]})

    def stop_all(self) -> list[str]:
        """Stop everything that bears the mark; the names of the started processes that were alive.

        Servers go last: a running task ends in good order only while it can report.
        """
        leaders = [row for row in self.started() if row.process()]
        if leaders:
            self.set_owner(is_held=False)
        _stop_together({row.process(): row.patience for row in leaders if not row.address})
        _stop_together({row.process(): row.patience for row in leaders if row.address})
        _stop_together(dict.fromkeys(self._marked(), 1.0))
        for child in self._children:
            child.poll()
        self.file.unlink(missing_ok=True)
        return [row.name for row in leaders]

    def kill(self, name: str) -> None:
        """End it at once, if it runs."""
        row = self.find(name)
        process = row.process() if row else None
        if process is not None:
            _signal([process], signal.SIGKILL)

    def end_leftovers(self, name: str) -> None:
        """Kill what a dead process of this name left in its process group."""
        row = self.find(name)
        if row is not None and row.process() is None:
            leftovers = [process for process in self._marked() if _group_of(process) == row.pid]
            _signal(leftovers, signal.SIGKILL)
            _wait(leftovers, 4.0)

    def _await_mark(self, child: subprocess.Popen[bytes]) -> None:
        """The environment of a new process can be read a moment after it began; until then its mark finds nobody."""
        process, limit = psutil.Process(child.pid), time.monotonic() + LONGEST_BIRTH_SECONDS
        while child.poll() is None and not self._bears(process) and time.monotonic() < limit:
            time.sleep(0.001)

    def _marked(self) -> list[psutil.Process]:
        own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
        return [
            process for process in psutil.process_iter() if process.pid not in own and self._bears(process)
        ]

    def _bears(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get(MARK) == self.mark and _is_alive(process)
        except (psutil.Error, OSError):
            return False

    def _read(self) -> dict[str, Any]:
        """A lost or broken file costs names and addresses only: the mark finds the processes without it."""
        try:
            kept: dict[str, Any] = json.loads(self.file.read_text())
            return kept
        except (FileNotFoundError, ValueError):
            return {"owner": None, "processes": []}

    def _write(self, kept: Mapping[str, Any]) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        write_private(self.file, json.dumps(kept, indent=1))


def log_tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log, for an error's text."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return "(no log)"


def _stop_together(patience: Mapping[psutil.Process | None, float]) -> None:
    """Ask all at once; each has its patience to end itself and its children in good order."""
    began = time.monotonic()
    families = {process: [process, *_children(process)] for process in patience if process}
    _signal(families, signal.SIGTERM)
    for process in sorted(families, key=lambda process: patience[process]):
        _wait(families[process], patience[process] - (time.monotonic() - began))
        _end_family(families[process])


def _end_family(family: list[psutil.Process]) -> None:
    """Ask everybody, then force."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        family += [child for process in family for child in _children(process) if child not in family]
        _signal(family, number)
        _wait(family, 4.0)
    rest = ", ".join(str(process.pid) for process in family if _is_alive(process))
    if rest:
        raise StackError(f"These processes do not end, not even when killed: {rest}.")


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _group_of(process: psutil.Process) -> int | None:
    with contextlib.suppress(ProcessLookupError):
        return os.getpgid(process.pid)
    return None


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _signal(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def _wait(processes: Iterable[psutil.Process], seconds: float) -> None:
    limit = time.monotonic() + seconds
    while any(_is_alive(process) for process in processes) and time.monotonic() < limit:
        time.sleep(0.05)
