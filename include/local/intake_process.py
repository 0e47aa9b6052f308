"""The door of the local stack: `restock intake serve` on 127.0.0.1, on the database of the stack."""

import sys
import time
import urllib.request
from pathlib import Path

from include.errors import StackError
from include.local.ports import HOST, kept_port, read_port, write_port
from include.local.processes import ProcessTable, Program, log_tail
from include.settings import PROJECT_HOME, Settings, process_environment

NAME = "intake"
START_SECONDS = 60.0
COMMAND = "from include.cli import main; main()"


def choose_intake_port(settings: Settings, table: ProcessTable) -> int:
    """The port of a running door, else the one of the last start, else a free one; links in mails carry it."""
    file = _port_file(settings)
    row = table.find(NAME)
    is_running = row is not None and row.process() is not None
    port = (read_port(file) if is_running else None) or kept_port(file)
    write_port(file, port)
    return port


def intake_address(settings: Settings) -> str:
    """Where the door of this stack is, or will be again."""
    return f"http://{HOST}:{read_port(_port_file(settings))}"


def start_intake(settings: Settings, table: ProcessTable, database_url: str) -> None:
    """Start it unless it runs, and wait until it is ready; its schema must be migrated."""
    row = table.find(NAME)
    if row is None or row.process() is None:
        _spawn(settings, table, database_url)
    _wait_until_ready(settings, table)


def _spawn(settings: Settings, table: ProcessTable, database_url: str) -> None:
    port = read_port(_port_file(settings))
    table.spawn(
        Program(
            name=NAME,
            command=[sys.executable, "-c", COMMAND, "intake", "serve", "--host", HOST, "--port", str(port)],
            environment={
                **process_environment(),
                "RESTOCK_HOME": str(settings.home),
                "RESTOCK_VAR": str(settings.var_folder),
                "RESTOCK_SHOPS": str(settings.shops_file),
                "RESTOCK_DATABASE_URL": database_url,
                "RESTOCK_INTAKE_URL": settings.intake_url or intake_address(settings),
                "PYTHONPATH": str(PROJECT_HOME),
            },
            log=_log(settings),
            address=intake_address(settings),
        )
    )


def _wait_until_ready(settings: Settings, table: ProcessTable) -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    limit = time.monotonic() + START_SECONDS
    while time.monotonic() < limit:
        try:
            with direct.open(f"{intake_address(settings)}/ready", timeout=5):
                return
        except OSError:
            row = table.find(NAME)
            if row is None or row.process() is None:
                break
            time.sleep(0.1)
    raise StackError(f"{NAME} did not start. The end of {_log(settings)}:\n{log_tail(_log(settings))}")


def _port_file(settings: Settings) -> Path:
    return settings.var_folder / "ports" / NAME


def _log(settings: Settings) -> Path:
    return settings.var_folder / "logs" / f"{NAME}.log"
