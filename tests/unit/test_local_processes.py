import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from include.local.processes import MARK, ProcessTable, Program, Started
from include.settings import PROJECT_HOME

FORKER = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
open("pids", "a").write(f"{os.getpid()}\\n")
time.sleep(300)
"""


@pytest.fixture
def table(tmp_path: Path) -> Iterator[ProcessTable]:
    table = ProcessTable(tmp_path / "var")
    yield table
    table.stop_all()


def program(table: ProcessTable, name: str, *command: str, patience: float = 0.2) -> Program:
    return Program(name, command, dict(os.environ), table.file.parent / f"{name}.log", patience=patience)


def wait_for(is_met: Callable[[], bool]) -> None:
    limit = time.monotonic() + 20
    while not is_met():
        assert time.monotonic() < limit
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_a_started_process_is_found_by_a_later_command(table: ProcessTable) -> None:
    started = table.spawn(program(table, "sleeper", "sleep", "300"))
    assert ProcessTable(table.file.parent).find("sleeper") == started
    assert started.process() is not None
    assert table.file.stat().st_mode & 0o777 == 0o600


def test_stopping_names_what_ran_and_forgets_it(table: ProcessTable) -> None:
    table.spawn(program(table, "sleeper", "sleep", "300"))
    assert table.stop_all() == ["sleeper"]
    assert table.stop_all() == []
    assert table.started() == []


def test_a_process_that_ignores_the_request_is_killed_with_its_children(
    table: ProcessTable, tmp_path: Path
) -> None:
    script = FORKER.replace('"pids"', repr(str(tmp_path / "pids")))
    table.spawn(program(table, "stubborn", sys.executable, "-c", script))
    wait_for(lambda: (tmp_path / "pids").exists() and len((tmp_path / "pids").read_text().split()) == 2)
    table.stop_all()
    assert not any(is_alive(int(pid)) for pid in (tmp_path / "pids").read_text().split())


def test_children_of_a_killed_process_are_found_by_their_mark(table: ProcessTable, tmp_path: Path) -> None:
    script = FORKER.replace('"pids"', repr(str(tmp_path / "pids")))
    started = table.spawn(program(table, "parent", sys.executable, "-c", script))
    wait_for(lambda: (tmp_path / "pids").exists() and len((tmp_path / "pids").read_text().split()) == 2)
    os.kill(started.pid, signal.SIGKILL)
    table.file.unlink()
    table.stop_all()
    assert not any(is_alive(int(pid)) for pid in (tmp_path / "pids").read_text().split())


def test_processes_of_a_killed_starter_are_stopped_by_the_next_command(table: ProcessTable) -> None:
    code = (
        "import os, pathlib, signal, sys; from include.local.processes import *\n"
        "table = ProcessTable(pathlib.Path(sys.argv[1]))\n"
        "print(table.spawn(Program('x', ['sleep', '300'], dict(os.environ), table.file.parent / 'x.log')).pid)\n"
        "sys.stdout.flush(); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    starter = subprocess.run(
        [sys.executable, "-c", code, str(table.file.parent)], cwd=PROJECT_HOME, capture_output=True, text=True
    )
    pid = int(starter.stdout)
    assert is_alive(pid)
    assert table.stop_all() == ["x"]
    assert not is_alive(pid)


def test_a_number_given_to_somebody_else_is_left_alone(table: ProcessTable) -> None:
    with subprocess.Popen(["sleep", "300"]) as stranger:
        table.add(Started("lost", stranger.pid, time.time() - 3600, "", "", 0.1))
        assert table.stop_all() == []
        assert stranger.poll() is None
        stranger.kill()


def test_another_stack_is_left_alone(table: ProcessTable, tmp_path: Path) -> None:
    other = ProcessTable(tmp_path / "other")
    kept = other.spawn(program(other, "sleeper", "sleep", "300"))
    table.spawn(program(table, "sleeper", "sleep", "300"))
    table.stop_all()
    assert kept.process() is not None
    assert psutil.Process(kept.pid).environ()[MARK] == str(tmp_path / "other")
    other.stop_all()


def test_a_broken_table_does_not_hide_processes(table: ProcessTable) -> None:
    started = table.spawn(program(table, "sleeper", "sleep", "300"))
    table.file.write_text("{")
    table.stop_all()
    assert started.process() is None


def test_the_owner_is_known_while_it_lives(table: ProcessTable) -> None:
    assert table.owner() is None
    table.set_owner(is_held=True)
    owner = table.owner()
    assert owner is not None
    assert owner.pid == os.getpid()
    table.set_owner(is_held=False)
    assert table.owner() is None
