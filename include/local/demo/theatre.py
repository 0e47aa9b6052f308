"""The stage on which the demo plays: a local stack of its own, in a folder of its own, fresh every time."""

import contextlib
import dataclasses
import fcntl
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import yaml
from rich.console import Console
from sqlalchemy import Engine

from include.db.engine import connect
from include.errors import StackError
from include.local import stack
from include.local.companions import COMPANIONS
from include.local.demo.airflow_api import AirflowApi
from include.local.demo.shop_client import SHOP_PROCESS
from include.local.demo.show import Show
from include.local.demo.signals import signals_as_interrupt, signals_ignored
from include.local.postgres import EmbeddedPostgres
from include.local.processes import ProcessTable
from include.local.stack_start import RunningStack, raise_if_ended
from include.settings import Settings

SHOP_ID = "demo"
PULL_EVERY = "10 seconds"
LOOK_EVERY_SECONDS = 0.25
REPORT_KEY = b"X-Restock-Message: report:"
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)

Seen = TypeVar("Seen")


class DemoFailed(StackError):
    """Something that the demo waited for did not happen, or something else did."""


@dataclass
class Theatre:
    """A running stack, and everything by which the demo looks at it."""

    settings: Settings
    show: Show
    running: RunningStack
    engine: Engine
    airflow: AirflowApi

    @property
    def mailbox(self) -> Path:
        return self.settings.var_folder / "mailbox"

    @property
    def shop_port(self) -> int:
        return self.running.ports[SHOP_PROCESS]

    def count_mails(self) -> int:
        """Mails to people who waited."""
        return sum(1 for _ in self.mailbox.glob("*.eml")) - len(self.report_mails())

    def report_mails(self) -> list[Path]:
        """Mails to the shop's own people."""
        return [path for path in sorted(self.mailbox.glob("*.eml")) if REPORT_KEY in path.read_bytes()[:4096]]

    def wait_for(self, what: str, look: Callable[[], Seen | None], seconds: float) -> Seen:
        """Look until there is something to see; raises DemoFailed that says what did not come and where to look."""
        table = ProcessTable(self.settings.var_folder)
        limit = time.monotonic() + seconds
        with self.show.waiting(what):
            while time.monotonic() < limit:
                seen = look()
                if seen is not None:
                    return seen
                raise_if_ended(table)
                time.sleep(LOOK_EVERY_SECONDS)
        raise DemoFailed(
            f"Waited {seconds:.0f} s for {what}, and it did not come. {self._name_failures()} "
            f"Logs: {self.settings.var_folder / 'logs'} (tasks: in its folder airflow)."
        )

    def _name_failures(self) -> str:
        try:
            failed = self.airflow.failed_tasks()
        except StackError as error:
            return str(error)
        return f"Failed tasks: {'; '.join(failed)}." if failed else "Airflow knows of no failed task."


@contextlib.contextmanager
def open_theatre(settings: Settings, show: Show) -> Iterator[Theatre]:
    """Start a stack in an emptied folder; whatever happens, everything that was started is stopped again."""
    with _alone(settings), signals_as_interrupt():
        _clear(settings)
        _write_shops(settings)
        try:
            running = stack.start(settings, show.console())
            engine = connect(running.database_url)
            yield Theatre(settings, show, running, engine, AirflowApi(running))
            engine.dispose()
        finally:
            with signals_ignored():
                stopped = stack.down(settings, Console(quiet=True))
                if stopped:
                    show.say(f"Stopped: {', '.join(stopped)}.")


def demo_settings(settings: Settings) -> Settings:
    """The same project with folders of the demo's own, and no database but the one that it starts."""
    var = settings.var_folder / "demo"
    return dataclasses.replace(
        settings,
        var_folder=var,
        database_url=None,
        archive_url=str(var / "archive"),
        artefact_url=str(var / "exports"),
        shops_file=var / "shops.yaml",
    )


def _clear(settings: Settings) -> None:
    """A demo that was killed may still run, and its database may lie elsewhere."""
    ProcessTable(settings.var_folder).stop_all()
    EmbeddedPostgres(settings.var_folder / "postgres").remove()
    try:
        if settings.var_folder.exists():
            shutil.rmtree(settings.var_folder)
        settings.var_folder.mkdir(parents=True)
    except OSError as error:
        raise StackError(
            f"{settings.var_folder} can't be emptied for a new demo: {error}. Is it another user's? Then delete it."
        ) from None


def _write_shops(settings: Settings) -> None:
    connection = next(companion.connection for companion in COMPANIONS if companion.name == SHOP_PROCESS)
    shop = {
        "id": SHOP_ID,
        "name": "Demo Shop",
        "platform": "feed",
        "conn_id": connection,
        "schedule": PULL_EVERY,
        "currency": "EUR",
        "time_zone": "UTC",
        "locale": "en",
        "feed": {"path": "/feed.jsonl", "allow_private": True},
    }
    settings.shops_file.write_text(yaml.safe_dump({"shops": [shop]}, sort_keys=False))


@contextlib.contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    lock = settings.var_folder.parent / "demo.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackError(f"Another demo runs in {settings.var_folder}. Wait for its end.") from None
        yield
