"""The small servers that stand in for the outside world: a mail server, a shop."""

import importlib.util
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from include.errors import StackError
from include.local.ports import HOST, answers, kept_port, read_port
from include.local.processes import ProcessTable, Program, log_tail
from include.settings import PROJECT_HOME, process_environment

START_SECONDS = 30.0


@dataclass(frozen=True)
class Companion:
    """`python -m MODULE --port-file FILE --port N ARGUMENTS`; `{var}` in arguments is the stack's folder.

    The server listens on 127.0.0.1, writes the port file once it does, and keeps its state between starts.
    `connection` is the Airflow Connection by which the Dags find it.
    """

    name: str
    module: str
    arguments: tuple[str, ...]
    connection: str
    connection_type: str
    schema: str | None
    extra: Mapping[str, str]

    def is_installed(self) -> bool:
        return importlib.util.find_spec(self.module) is not None

    def address(self, port: int) -> str:
        return f"{self.connection_type}://{HOST}:{port}"

    def connection_json(self, port: int) -> str:
        """The Connection as Airflow reads it from `AIRFLOW_CONN_<ID>`."""
        parts = {"conn_type": self.connection_type, "schema": self.schema, "host": HOST, "port": port}
        return json.dumps({**parts, "extra": dict(self.extra)})


COMPANIONS = (
    Companion(
        name="mail-sink",
        module="include.local.mail_sink",
        arguments=("--mailbox", "{var}/mailbox", "--pace-file", "{var}/mail_sink.pace"),
        connection="restock_smtp",
        connection_type="smtp",
        schema=None,
        extra={"security": "none", "from_email": "hello@demo-shop.example", "from_name": "Demo Shop"},
    ),
    Companion(
        name="demo-shop",
        module="include.local.demo_shop",
        arguments=("--state", "{var}/demo_shop"),
        connection="shop_demo",
        connection_type="http",
        schema="http",
        extra={},
    ),
)


def start_companions(var: Path, table: ProcessTable) -> dict[str, int]:
    """Start those that are installed and not running; the port of each by its name."""
    installed = [companion for companion in COMPANIONS if companion.is_installed()]
    for companion in installed:
        row = table.find(companion.name)
        if row is None or row.process() is None:
            _spawn(companion, var, table)
    return {companion.name: _wait_for_port(companion, var, table) for companion in installed}


def _port_file(companion: Companion, var: Path) -> Path:
    return var / "ports" / companion.name


def _spawn(companion: Companion, var: Path, table: ProcessTable) -> None:
    port_file = _port_file(companion, var)
    port = kept_port(port_file)
    port_file.unlink(missing_ok=True)
    arguments = [argument.format(var=var) for argument in companion.arguments]
    ports = ["--port-file", str(port_file), "--port", str(port)]
    table.spawn(
        Program(
            name=companion.name,
            command=[sys.executable, "-m", companion.module, *ports, *arguments],
            environment={**process_environment(), "PYTHONPATH": str(PROJECT_HOME)},
            log=var / "logs" / f"{companion.name}.log",
            address=companion.address(port),
        )
    )


def _wait_for_port(companion: Companion, var: Path, table: ProcessTable) -> int:
    limit = time.monotonic() + START_SECONDS
    while time.monotonic() < limit:
        port = read_port(_port_file(companion, var))
        if port is not None and answers(port):
            return port
        row = table.find(companion.name)
        if row is None or row.process() is None:
            break
        time.sleep(0.02)
    log = var / "logs" / f"{companion.name}.log"
    raise StackError(f"{companion.name} did not start. The end of {log}:\n{log_tail(log)}")
