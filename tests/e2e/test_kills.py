"""SIGKILL at random moments while thousands of messages are on their way: nobody is lost.

`--kills N` sets the kills per kind (default 2; docs/reliability.md was made with 20). Counted at the mail sink by
Message-ID: everyone gets the mail, and a kill repeats at most one message per connection.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import random
import re
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from rich.console import Console
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from include.db.engine import connect
from include.domain.request import Request, fold_email
from include.domain.shop import Shop
from include.local import stack
from include.local.airflow import COMMANDS, airflow_command
from include.local.companions import start_companions
from include.local.postgres import EmbeddedPostgres
from include.local.processes import ProcessTable, Program
from include.local.stack_start import RunningStack
from include.services.outbox import set_delivery
from include.services.requests import take_requests
from include.services.shops import register_shop
from include.settings import Settings, load_settings

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(7200)]

PEOPLE = 5_000
PER_SECOND = 250
CONNECTIONS_PER_KILL = 2
KINDS = ("task", "scheduler", "triggerer", "api-server", "mail-sink", "postgres")
_MESSAGE_ID = re.compile(rb"^Message-ID: (\S+)", re.MULTILINE | re.IGNORECASE)


@dataclass
class Besieged:
    """A stack whose processes are killed and started again."""

    folder: Path
    settings: Settings
    running: RunningStack
    engine: Engine
    levels: dict[str, int] = field(default_factory=dict)

    @property
    def table(self) -> ProcessTable:
        return ProcessTable(self.settings.var_folder)

    def set_level(self, variant_id: str, level: int) -> None:
        self.levels[variant_id] = level
        rows = [{"id": name, "title": name, "quantity": level} for name, level in self.levels.items()]
        unfinished = self.folder / "feed.unfinished"
        unfinished.write_text("".join(json.dumps(row) + "\n" for row in rows))
        unfinished.replace(self.folder / "feed.jsonl")

    def ask(self, variant_id: str, count: int) -> None:
        now = datetime.now(UTC)
        emails = [f"{variant_id.lower()}{number}@example.org" for number in range(count)]
        asked = [Request(email, fold_email(email), variant_id, now) for email in emails]
        with self.engine.begin() as connection:
            take_requests(connection, "demo", asked, "test", "notify", now)

    def value(self, statement: str, **parameters: Any) -> Any:
        with contextlib.suppress(OperationalError), self.engine.connect() as connection:
            return connection.execute(text(statement), parameters).scalar()
        return None

    def kill(self, kind: str) -> bool:
        """SIGKILL one process of the kind; False when there is none right now."""
        victim = self._victim(kind)
        if victim is None:
            return False
        with contextlib.suppress(psutil.Error):
            victim.send_signal(signal.SIGKILL)
        return True

    def heal(self) -> None:
        """Start again what a supervisor of processes would start again."""
        EmbeddedPostgres(self.settings.var_folder / "postgres").start()
        start_companions(self.settings.var_folder, self.table)
        for name, words in COMMANDS.items():
            row = self.table.find(name)
            if row is None or row.process() is None:
                self._spawn(name, words)

    def _spawn(self, name: str, words: Any) -> None:
        self.table.spawn(
            Program(
                name=name,
                command=airflow_command(*words),
                environment=self.running.airflow_environment,
                log=self.settings.var_folder / "logs" / f"{name}.log",
                address=self.running.address if name == "api-server" else "",
            )
        )

    def _victim(self, kind: str) -> psutil.Process | None:
        if kind == "postgres":
            pid = EmbeddedPostgres(self.settings.var_folder / "postgres").process_id
            return psutil.Process(pid) if pid else None
        row = self.table.find("scheduler" if kind == "task" else kind)
        process = row.process() if row else None
        if kind != "task" or process is None:
            return process
        with contextlib.suppress(psutil.Error):
            tasks = [child for worker in process.children() for child in worker.children(recursive=True)]
            return random.choice(tasks) if tasks else None
        return None


def wait_for(what: str, look: Any, seconds: float) -> Any:
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        if seen := look():
            return seen
        time.sleep(0.2)
    raise AssertionError(f"waited {seconds:.0f} s for {what}")


@pytest.fixture(scope="module")
def besieged() -> Iterator[Besieged]:
    with tempfile.TemporaryDirectory(prefix="restock-kills-") as name:
        folder = Path(name)
        shop = {
            "id": "demo",
            "platform": "feed",
            "schedule": "10 seconds",
            "currency": "EUR",
            "time_zone": "UTC",
            "feed": {"url": f"file://{folder}/feed.jsonl"},
        }
        (folder / "shops.yaml").write_text(yaml.safe_dump({"shops": [shop]}))
        settings = load_settings(
            {"RESTOCK_VAR": str(folder / "var"), "RESTOCK_SHOPS": str(folder / "shops.yaml")}
        )
        settings = dataclasses.replace(settings, database_url=None)
        quiet = Console(file=io.StringIO())
        try:
            running = stack.start(settings, quiet)
            engine = connect(running.database_url)
            with engine.begin() as connection:
                register_shop(connection, Shop.model_validate(shop), datetime.now(UTC))
            set_delivery(engine, "live", [])
            besieged = Besieged(folder, settings, running, engine)
            for kind in KINDS:
                besieged.set_level(variant_of(kind), 0)
            wait_for("the baseline", lambda: besieged.value("SELECT count(*) FROM variant_stock"), 120)
            set_rate(besieged)
            yield besieged
            engine.dispose()
        finally:
            stack.down(settings, quiet)
            EmbeddedPostgres(settings.var_folder / "postgres").remove()


def set_rate(besieged: Besieged) -> None:
    from include.local.demo.airflow_api import AirflowApi

    AirflowApi(besieged.running).set_variable("restock_email_per_second", str(PER_SECOND))


def variant_of(kind: str) -> str:
    return kind.replace("-", "").upper()


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_is_lost_and_hardly_anything_is_repeated(
    besieged: Besieged, kind: str, request: pytest.FixtureRequest
) -> None:
    kills = int(request.config.getoption("--kills"))
    variant = variant_of(kind)
    besieged.ask(variant, PEOPLE)
    besieged.set_level(variant, 1)
    wait_for("the queue", lambda: (unsent(besieged, variant) or 0) >= PEOPLE * 0.9, 120)
    done = 0
    while done < kills:
        time.sleep(random.uniform(0.1, 1.5))
        done += besieged.kill(kind)
        besieged.heal()
        if unsent(besieged, variant) == 0:
            break
    killed_at = time.monotonic()
    wait_for("every message to end", lambda: unsent(besieged, variant) == 0, 600)
    settled = time.monotonic() - killed_at
    seen = Counter(mail_ids(besieged, variant))
    repeated = sum(count - 1 for count in seen.values())
    print(
        f"\n{kind}: {done} kills, {len(seen)} of {PEOPLE} told, {repeated} repeated, "
        f"settled {settled:.0f} s after the last kill"
    )
    assert len(seen) == PEOPLE
    assert repeated <= done * CONNECTIONS_PER_KILL
    assert (
        besieged.value(
            "SELECT count(*) FROM subscription WHERE variant_id = :variant AND state <> 'notified'",
            variant=variant,
        )
        == 0
    )


def unsent(besieged: Besieged, variant: str) -> int | None:
    return besieged.value(
        "SELECT count(*) FROM message WHERE variant_id = :variant AND state IN ('queued', 'sending')",
        variant=variant,
    )


def mail_ids(besieged: Besieged, variant: str) -> Iterator[bytes]:
    wanted = f"To: {variant.lower()}".encode()
    for path in (besieged.settings.var_folder / "mailbox").glob("*.eml"):
        content = path.read_bytes()
        if wanted in content and (found := _MESSAGE_ID.search(content)):
            yield found[1]
