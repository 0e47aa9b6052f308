"""Sign-ups through the door, over real HTTP into Postgres, against what pgbench commits into the same table."""

import contextlib
import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from sqlalchemy import Engine, make_url, text

from benchmarks.debian_tools import find_tool
from benchmarks.framework import register
from benchmarks.place import open_server, statement
from include.db.engine import connect
from include.db.migrate import migrate
from include.domain.shop import Shop
from include.local.ports import HOST, free_port
from include.services.keys import create_key
from include.services.shops import register_shop
from include.settings import process_environment

SECONDS = 60
FLOOR_SECONDS = 12
WARM_UP_SECONDS = 10
CONNECTIONS = 64
FLOOR_CLIENTS = 8
SERVE = "from include.cli import main; main()"
# Every request is from somebody new, for one of 1,000 variants.
SCRIPT = """
local number = 0
local made = os.time()
request = function()
  number = number + 1
  local body = '{"data":{"type":"back-in-stock-subscription","attributes":{"channels":["EMAIL"],"profile":{"data":'
    .. '{"type":"profile","attributes":{"email":"p' .. made .. '.' .. number .. '@example.org"}}}},'
    .. '"relationships":{"variant":{"data":{"type":"catalog-variant","id":"$custom:::$default:::v'
    .. (number % 1000) .. '"}}}}}'
  return wrk.format('POST', wrk.path, wrk.headers, body)
end
done = function(summary, latency, requests)
  io.write(string.format('{"requests":%d,"refused":%d,"seconds":%f,"p50_ms":%f,"p99_ms":%f,"slowest_ms":%f}',
    summary.requests, summary.errors.status + summary.errors.timeout, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3))
end
"""
INSERT = statement("intake.insert")


@dataclass
class Door:
    """A running door on a database of its own."""

    engine: Engine
    process: psutil.Process
    postgres: psutil.Process
    address: str
    company_id: str
    folder: Path

    def settle_in(self) -> None:
        """Bring the database where autovacuum has it a minute later: planned for tables that hold something."""
        self.take(WARM_UP_SECONDS)
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("ANALYZE"))

    def take(self, seconds: int = SECONDS) -> tuple[float, Mapping[str, float]]:
        """Requests answered with 202 a second, each of them a committed row."""
        tool = find_tool("wrk", "wrk")
        script = self.folder / "sign_up.lua"
        script.write_text(SCRIPT)
        before, spent = self._count(), self._spent()
        url = f"{self.address}/client/back-in-stock-subscriptions?company_id={self.company_id}"
        headers = ["-H", "Content-Type: application/vnd.api+json", "-H", "revision: 2026-07-15"]
        command = ["-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "-s", str(script), *headers, url]
        with subprocess.Popen(
            [tool.path, *command], env=tool.environment, stdout=subprocess.PIPE, text=True
        ) as wrk:
            used = psutil.Process(wrk.pid)
            load_seconds = 0.0
            while wrk.poll() is None:
                with contextlib.suppress(psutil.NoSuchProcess):
                    load_seconds = sum(used.cpu_times()[:2])
                time.sleep(0.5)
            output = wrk.stdout.read() if wrk.stdout else ""
        found = json.loads(re.findall(r"\{.*\}", output)[-1])
        door_seconds, postgres_seconds = (now - then for now, then in zip(self._spent(), spent, strict=True))
        rows = self._count() - before
        assert found["refused"] == 0, found
        assert 0 <= rows - found["requests"] <= CONNECTIONS, (rows, found)
        whole = load_seconds + door_seconds + postgres_seconds
        return found["requests"] / found["seconds"], {
            "p50_ms": found["p50_ms"],
            "p99_ms": found["p99_ms"],
            "slowest_ms": found["slowest_ms"],
            "cpu_percent_of_load_tool": 100 * load_seconds / whole,
            "cpu_percent_of_door": 100 * door_seconds / whole,
            "cpu_percent_of_postgres": 100 * postgres_seconds / whole,
            "cores_used": whole / found["seconds"],
        }

    def insert(self) -> float:
        """Rows a second that pgbench commits one by one."""
        tool = find_tool("pgbench", "postgresql-contrib")
        script = self.folder / "insert.sql"
        script.write_text(f"{INSERT};\n")
        url = make_url(str(self.engine.url)).set(drivername="postgresql", password=self.engine.url.password)
        before, began = self._count(), time.perf_counter()
        subprocess.run(
            [
                *(tool.path, "-n", "-M", "prepared", "-c", str(FLOOR_CLIENTS), "-j", "1"),
                *("-T", str(FLOOR_SECONDS), "-f", str(script), url.render_as_string(hide_password=False)),
            ],
            env=tool.environment,
            check=True,
            capture_output=True,
        )
        return (self._count() - before) / (time.perf_counter() - began)

    def _count(self) -> int:
        with self.engine.connect() as connection:
            return int(connection.execute(text(statement("intake.count_requests"))).scalar_one())

    def _spent(self) -> tuple[float, float]:
        return _cpu_seconds(self.process), _cpu_seconds(self.postgres)


def _cpu_seconds(process: psutil.Process) -> float:
    """Of a process with all its children, also those that have ended."""
    own = process.cpu_times()
    spent = own.user + own.system + own.children_user + own.children_system
    for child in process.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            spent += sum(child.cpu_times()[:2])
    return float(spent)


@contextmanager
def _prepare() -> Iterator[Door]:
    with TemporaryDirectory() as name, open_server() as server:
        folder = Path(name)
        server.drop_database("intake")
        server.create_database("intake")
        engine = connect(server.url("intake"))
        migrate(engine)
        company_id = _open_shop(engine)
        port = free_port()
        environment = {
            "RESTOCK_DATABASE_URL": server.url("intake"),
            "RESTOCK_ADDRESS_RATE": "1000000/s 10000000/m",
        }
        with subprocess.Popen(
            [sys.executable, "-c", SERVE, "intake", "serve", "--port", str(port)],
            env=process_environment() | environment,
            stdout=(folder / "log").open("w"),
        ) as process:
            try:
                _wait(f"http://{HOST}:{port}/ready")
                postgres = psutil.Process(server.process_id)
                door = Door(
                    engine, psutil.Process(process.pid), postgres, f"http://{HOST}:{port}", company_id, folder
                )
                door.settle_in()
                yield door
            finally:
                process.terminate()
                engine.dispose()


def _open_shop(engine: Engine) -> str:
    shop = Shop.model_validate(
        {
            "id": "bench",
            "platform": "feed",
            "schedule": "15 minutes",
            "currency": "EUR",
            "time_zone": "Europe/Berlin",
            "feed": {"url": "https://shop.example/feed.jsonl"},
        }
    )
    from benchmarks.place import NOW

    with engine.begin() as connection:
        register_shop(connection, shop, NOW)
        connection.execute(text("CREATE SEQUENCE bench_number CACHE 100"))
        connection.execute(text(statement("intake.known_person")))
    return create_key(engine, "bench", "public", NOW, rate_factor=10_000)


def _wait(url: str) -> None:
    limit = time.monotonic() + 30
    while time.monotonic() < limit:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"{url} does not answer.")


register(
    "intake",
    Door.take,
    Door.insert,
    target_ratio=0.5,
    unit="requests/s",
    about=(
        f"Sign-ups by {CONNECTIONS} connections for {SECONDS} s through one process of the door (HTTP, key, limits, "
        "checks, profile and request, commit), each 202 a committed row; against single inserts into the same table "
        f"that {FLOOR_CLIENTS} clients of pgbench commit for {FLOOR_SECONDS} s. Before the rounds come "
        f"{WARM_UP_SECONDS} s of sign-ups and an ANALYZE, as autovacuum does it in a shop's first minutes."
    ),
    prepare=_prepare,
    limits={"p99_ms": 100},
)
