import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import psutil
import psycopg
import pytest
from rich.console import Console

from include.errors import StackError
from include.local import stack
from include.local.airflow import COMMANDS
from include.local.ports import HOST
from include.local.postgres import EmbeddedPostgres
from include.local.processes import MARK
from include.settings import PROJECT_HOME, Settings, load_settings

pytestmark = pytest.mark.e2e

DAG = """
from airflow.sdk import dag, task


@dag(schedule="@once")
def ping():
    @task
    def answer() -> int:
        import os
        from airflow.sdk import Connection
        assert Connection.get("restock_smtp").port
        assert os.environ["RESTOCK_VAR"]
        return 1

    answer()


ping()
"""
FOREGROUND = (
    "from include.local import stack; from include.settings import load_settings; stack.up(load_settings())"
)


@pytest.fixture(scope="module")
def settings() -> Iterator[Settings]:
    with tempfile.TemporaryDirectory(prefix="restock-stack-") as folder:
        home = Path(folder)
        (home / "dags").mkdir()
        (home / "plugins").mkdir()
        (home / "dags" / "ping.py").write_text(DAG)
        settings = load_settings({"RESTOCK_HOME": str(home)})
        yield settings
        stack.down(settings, quiet())
        EmbeddedPostgres(settings.var_folder / "postgres").remove()


def quiet() -> Console:
    return Console(file=StringIO(), width=200)


def wait_for(is_met: Callable[[], object], seconds: float = 120) -> None:
    limit = time.monotonic() + seconds
    while not is_met():
        assert time.monotonic() < limit
        time.sleep(0.2)


@contextlib.contextmanager
def foreground(settings: Settings) -> Iterator[tuple[subprocess.Popen, str]]:
    """`make up` in a terminal, and what it has printed when it is up."""
    environment = {**os.environ, "RESTOCK_HOME": str(settings.home), "PYTHONUNBUFFERED": "1"}
    output = settings.home / "output"
    with output.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", FOREGROUND], cwd=PROJECT_HOME, env=environment, stdout=file, stderr=file
        )
    try:
        wait_for(lambda: "Ctrl-C" in output.read_text() or process.poll() is not None)
        assert process.poll() is None, output.read_text()
        yield process, output.read_text()
    finally:
        process.kill()
        process.wait()


def processes_of(settings: Settings) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == str(settings.var_folder) or str(
                settings.var_folder / "postgres"
            ) in " ".join(process.cmdline()):
                found.append(process)
    return [process for process in found if process.status() != psutil.STATUS_ZOMBIE]


def listening_addresses(settings: Settings) -> set[str]:
    family = {
        child for process in processes_of(settings) for child in [process, *process.children(recursive=True)]
    }
    addresses = set()
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            connections = process.net_connections("inet")
            addresses |= {c.laddr.ip for c in connections if c.status == psutil.CONN_LISTEN or not c.raddr}
    return addresses


def run_states(settings: Settings) -> list[str]:
    postgres = EmbeddedPostgres(settings.var_folder / "postgres")
    with psycopg.connect(postgres.url("airflow", driver="postgresql")) as connection:
        return [row[0] for row in connection.execute("SELECT state FROM dag_run WHERE dag_id = 'ping'")]


def pid_of(settings: Settings, name: str) -> int | None:
    return next(line.pid for line in stack.status(settings, quiet()) if line.name == name)


def log_in(address: str, user: str, password: str) -> int:
    body = json.dumps({"username": user, "password": password}).encode()
    request = urllib.request.Request(
        f"{address}/auth/token", body, headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.status


def modes(folder: Path, names: list[str]) -> dict[str, int]:
    return {name: (folder / name).stat().st_mode & 0o077 for name in names}


def test_the_stack_starts_works_revives_what_died_survives_and_stops(settings: Settings) -> None:
    with foreground(settings) as (process, printed):
        lines = {line.name: line for line in stack.status(settings, quiet())}
        assert {"postgres", "mail-sink", "intake", *COMMANDS} <= set(lines)
        assert all(line.pid for line in lines.values())
        assert listening_addresses(settings) == {HOST}
        address, user, password = re.findall(r"(http\S+)\s+login: (\S+)\s+password: (\S+)", printed)[0]
        assert log_in(address, user, password) == 201
        secrets = ["database_url", "stack.json", "airflow/passwords.json", "airflow/secrets.json"]
        assert set(modes(settings.var_folder, [*secrets, "airflow", "postgres/password"]).values()) == {0}
        wait_for(lambda: run_states(settings) == ["success"])
        killed = lines["triggerer"].pid
        os.kill(killed, signal.SIGKILL)
        wait_for(lambda: pid_of(settings, "triggerer") not in (None, killed))
        with pytest.raises(StackError, match="runs already"):
            stack.up(settings, console=quiet())
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert all(line.pid for line in stack.status(settings, quiet()))
    with foreground(settings) as (process, printed):
        assert address in printed
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert processes_of(settings) == []
    assert not any(line.pid for line in stack.status(settings, quiet()))


def test_a_second_start_goes_on_with_the_same_data_and_a_stranger_is_left_alone(settings: Settings) -> None:
    with subprocess.Popen(["sleep", "300"]) as stranger:
        running = stack.start(settings, quiet())
        try:
            assert run_states(settings) == ["success"]
            assert running.database_url == (settings.var_folder / "database_url").read_text().strip()
        finally:
            stopped = stack.down(settings, quiet())
        assert {"postgres", *COMMANDS} <= set(stopped)
        assert processes_of(settings) == []
        assert stranger.poll() is None
        stranger.kill()


def test_a_process_that_does_not_start_is_named_with_its_log_and_nothing_stays(settings: Settings) -> None:
    broken = settings.home / "plugins" / "broken.py"
    broken.write_text("raise SystemExit('a plugin that ends whoever imports it')\n")
    try:
        with pytest.raises(StackError, match="ended") as failure:
            stack.start(settings, quiet())
    finally:
        broken.unlink()
    assert "The end of" in str(failure.value)
    assert processes_of(settings) == []


def test_stopping_what_does_not_run_says_so(settings: Settings) -> None:
    console = quiet()
    assert stack.down(settings, console) == []
    assert "Nothing was running." in console.file.getvalue()
