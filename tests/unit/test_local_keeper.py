"""What ends by itself is started again; what ends too often is left to a person."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from include.errors import StackError
from include.local.keeper import WITHIN_SECONDS, Restarts
from include.local.processes import ProcessTable, Program

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
open(sys.argv[1], "w").write(str(child.pid))
time.sleep(300)
"""


def test_a_part_that_ends_too_often_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    log = tmp_path / "scheduler.log"
    log.write_text("no such table\n")
    restarts = Restarts(2, clock=lambda: 0.0)
    restarts.note("scheduler", log)
    restarts.note("scheduler", log)
    restarts.note("triggerer", log)
    with pytest.raises(StackError, match=r"scheduler ended 3 times within 120 s(?s:.*)no such table"):
        restarts.note("scheduler", log)


def test_old_ends_do_not_count(tmp_path: Path) -> None:
    moments = iter([0.0, WITHIN_SECONDS + 1, WITHIN_SECONDS + 2])
    restarts = Restarts(2, clock=lambda: next(moments))
    for _ in range(3):
        restarts.note("scheduler", tmp_path / "log")


def test_what_a_dead_process_left_running_is_killed_and_nobody_else(tmp_path: Path) -> None:
    table = ProcessTable(tmp_path)
    pid_file = tmp_path / "child"
    program = Program(
        "scheduler", [sys.executable, "-c", PARENT, str(pid_file)], dict(os.environ), tmp_path / "log"
    )
    with subprocess.Popen(["sleep", "300"]) as stranger:
        parent = table.spawn(program).process()
        while not pid_file.exists() or not pid_file.read_text():
            time.sleep(0.02)
        child = psutil.Process(int(pid_file.read_text()))
        table.end_leftovers("scheduler")
        assert child.is_running()
        assert parent is not None
        parent.send_signal(signal.SIGKILL)
        parent.wait(10)
        table.end_leftovers("scheduler")
        assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
        assert stranger.poll() is None
        stranger.kill()


def test_a_scheduler_that_will_not_end_is_killed_by_name(tmp_path: Path) -> None:
    table = ProcessTable(tmp_path)
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(300)"
    program = Program("scheduler", [sys.executable, "-c", stubborn], dict(os.environ), tmp_path / "log")
    scheduler = table.spawn(program).process()
    assert scheduler is not None
    table.kill("triggerer")
    assert scheduler.is_running()
    table.kill("scheduler")
    scheduler.wait(10)
    started = table.find("scheduler")
    assert started is not None and started.process() is None
