"""The local stack: Postgres, four Airflow processes, a mail sink and a demo shop, on 127.0.0.1 only.

`up`, `down` and `status` are what `restock stack` and the Makefile call. All state lies in the `var` folder,
so that a second `up` goes on with the same data.
"""

import contextlib
import fcntl
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

from rich.console import Console
from rich.table import Table

from include.errors import StackError
from include.local.keeper import Keeper
from include.local.ports import HOST
from include.local.postgres import EmbeddedPostgres
from include.local.processes import ProcessTable
from include.local.stack_start import RunningStack, start_stack
from include.settings import Settings

STOPPING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Line:
    """One row of `status`; `pid` is None when the process does not run."""

    name: str
    pid: int | None
    address: str
    log: str


def up(settings: Settings, detach: bool = False, console: Console | None = None) -> None:
    """Start the stack, print where it is, and stay until Ctrl-C, SIGTERM or `down`; `detach` returns at once.

    A part that ends by itself is started again. Raises StackError with the end of the log of whatever did not
    start, or ended too often; nothing runs then.
    """
    console = console or Console()
    with _signals_as_interrupt():
        running = start(settings, console)
        _announce(console, settings, running, detach)
        if detach:
            return
        try:
            _hold(settings, Keeper(settings, running))
        except KeyboardInterrupt:
            _say(console, "Stopping …")
        finally:
            _stop_undisturbed(settings, console)


def start(settings: Settings, console: Console | None = None) -> RunningStack:
    """Start what does not run yet; when that fails, or is interrupted, everything is stopped again."""
    console = console or Console()
    _refuse_foreign_folder(settings)
    table = ProcessTable(settings.var_folder)
    _refuse_second_owner(table)
    with _alone(settings):
        try:
            return start_stack(settings, table, lambda text: _say(console, text))
        except BaseException:
            _stop_undisturbed(settings, console)
            raise


def down(settings: Settings, console: Console | None = None) -> list[str]:
    """Stop every process of this stack, and no other; the names of those that ran."""
    _refuse_foreign_folder(settings)
    stopped = ProcessTable(settings.var_folder).stop_all()
    postgres = EmbeddedPostgres(settings.var_folder / "postgres")
    if postgres.is_running():
        postgres.stop()
        stopped.append("postgres")
    _say(console or Console(), f"Stopped: {', '.join(stopped)}." if stopped else "Nothing was running.")
    return stopped


def status(settings: Settings, console: Console | None = None) -> list[Line]:
    """Print and return what runs and at which addresses."""
    _refuse_foreign_folder(settings)
    lines = [*_postgres_line(settings), *_process_lines(settings)]
    if not lines:
        _say(console or Console(), "Nothing was started here. Start the stack with `make up`.")
        return lines
    table = Table("name", "state", "pid", "address")
    for line in lines:
        table.add_row(line.name, "running" if line.pid else "not running", str(line.pid or ""), line.address)
    (console or Console()).print(table)
    _say(console or Console(), f"Logs       {settings.var_folder / 'logs'}")
    return lines


def _postgres_line(settings: Settings) -> list[Line]:
    postgres = EmbeddedPostgres(settings.var_folder / "postgres")
    if not postgres.log.exists():
        return []
    pid = postgres.process_id
    return [Line("postgres", pid, f"{HOST}:{postgres.port}" if pid else "", str(postgres.log))]


def _process_lines(settings: Settings) -> list[Line]:
    rows = ProcessTable(settings.var_folder).started()
    return [Line(row.name, row.pid if row.process() else None, row.address, row.log) for row in rows]


def _refuse_foreign_folder(settings: Settings) -> None:
    if settings.var_folder.exists() and not os.access(settings.var_folder, os.W_OK | os.X_OK):
        raise StackError(
            f"{settings.var_folder} belongs to another account. Use the account that started the stack first, "
            "or another folder (RESTOCK_VAR)."
        )


def _refuse_second_owner(table: ProcessTable) -> None:
    owner = table.owner()
    if owner is not None:
        raise StackError(
            f"The stack runs already, in the foreground of process {owner.pid}. `make status` shows where; "
            "`make down` stops it."
        )


def _hold(settings: Settings, keeper: Keeper) -> None:
    """Keep everything alive; returns when `down` was called elsewhere, raises StackError when that fails."""
    table = ProcessTable(settings.var_folder)
    table.set_owner(is_held=True)
    while table.owner() is not None:
        time.sleep(0.5)
        # Who calls `down` takes the owner away first: what has ended by then ended by itself.
        ended = keeper.ended()
        if ended and table.owner() is not None:
            keeper.revive(ended)


def _announce(console: Console, settings: Settings, running: RunningStack, detach: bool) -> None:
    _say(console, f"Airflow    {running.address}   login: {running.user}   password: {running.password}")
    for name, port in running.ports.items():
        _say(console, f"{name:<10} {HOST}:{port}")
    _say(console, f"Mails      {settings.var_folder / 'mailbox'}")
    _say(console, "Stop it with `make down`." if detach else "Ctrl-C stops everything.")


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


@contextlib.contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    settings.var_folder.mkdir(parents=True, exist_ok=True)
    with (settings.var_folder / "stack.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _signals_as_interrupt() -> Iterator[None]:
    """Every wish to end arrives as KeyboardInterrupt, so that what was started is stopped."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with _handlers(interrupt):
        yield


def _stop_undisturbed(settings: Settings, console: Console) -> None:
    """A second Ctrl-C must not leave half of the processes behind."""
    with _handlers(signal.SIG_IGN):
        down(settings, console)


@contextlib.contextmanager
def _handlers(handler: object) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in STOPPING_SIGNALS}  # type: ignore[arg-type]
    try:
        yield
    finally:
        for number, kept in before.items():
            signal.signal(number, kept)
