"""A replay from beginning to end: a database of its own, the walk, the audit, and nothing left behind."""

import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from types import FrameType

from sqlalchemy import Engine

from include.db.engine import connect
from include.db.migrate import migrate
from include.domain.rules import parse_rule_set, variable_name
from include.errors import ConfigurationError
from include.local.postgres import FAST_UNSAFE_SETTINGS, EmbeddedPostgres
from include.local.replay import evidence
from include.local.replay.audit import audit_folder
from include.local.replay.orders import OrderHistory, read_orders
from include.local.replay.report import ReplayResult, write_bad_lines
from include.local.replay.stock_policy import PolicySettings, StockPolicy, measure_demand
from include.local.replay.walk import Walk, WalkFigures

DATABASE = "restock"
# A walk repeats a few statements tens of thousands of times, and months pass in seconds: statements are
# planned once, and again when the tables have grown.
SERVER_SETTINGS = {
    **FAST_UNSAFE_SETTINGS,
    "autovacuum_naptime": "2s",
    "plan_cache_mode": "force_generic_plan",
}
ENDING_SIGNALS = (signal.SIGTERM, signal.SIGHUP)
LONGEST_BEAT = 24 * 60
# A walk's feed is true by construction, so no jump in it is a reason to refuse it, and whoever orders for a
# whole shop waits for hundreds of articles at once.
OPEN_LIMITS = {"max_zero_rise_points": "100", "max_risen_points": "100", "max_alerts_per_day": "10000"}


JUDGED = (
    "min_restock",
    "confirm_pulls",
    "ordering",
    "basis",
    "sizing",
    "allow_overtaking",
    "subtract_invited_hours",
)
# Every option that the audit can judge, at a value that is not the default.
ALL_OPTIONS = {
    "min_restock": "2",
    "confirm_pulls": "2",
    "basis": "added",
    "sizing": "wanted_units",
    "allow_overtaking": "true",
    "subtract_invited_hours": "24",
}


@dataclass(frozen=True)
class ReplayOptions:
    """What to walk and under which thresholds; `other_rules` are those of JUDGED.

    One customer per unit, since a line of a wholesale history takes many pieces: with five, nearly every
    delivery answers everyone at once. The wait is two beats, so that a day sees several batches of an article.
    """

    orders: Path
    keep: Path | None = None
    min_inventory: int = 1
    customers_per_unit: int | None = 1
    wait_minutes: float = 480.0
    beat_minutes: int = 240
    days: int | None = None
    policy: PolicySettings = field(default_factory=PolicySettings)
    other_rules: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 1 <= self.beat_minutes <= LONGEST_BEAT or LONGEST_BEAT % self.beat_minutes:
            raise ConfigurationError(
                f"beat_minutes is {self.beat_minutes}; allowed is what divides a day: 1, 5, 15, 60 …"
            )
        if self.days is not None and self.days < 1:
            raise ConfigurationError(f"days is {self.days}; allowed is 1 or more.")
        unjudged = sorted(self.other_rules.keys() - set(JUDGED))
        if unjudged:
            raise ConfigurationError(
                f"--rule {', '.join(unjudged)[:80]}: the audit does not judge this; allowed are {', '.join(JUDGED)}."
            )

    @property
    def variables(self) -> dict[str, str | None]:
        """The thresholds of the walk as Variables."""
        per_unit = "all" if self.customers_per_unit is None else str(self.customers_per_unit)
        given = {
            "min_inventory": str(self.min_inventory),
            "customers_per_unit": per_unit,
            "wait_minutes": str(self.wait_minutes),
            **OPEN_LIMITS,
            **self.other_rules,
        }
        return {variable_name(name): value for name, value in given.items()}

    @property
    def rules(self) -> evidence.WalkRules:
        """The thresholds as the audit reads them; raises ConfigurationError."""
        rules = parse_rule_set(self.variables)
        return evidence.WalkRules(
            min_inventory=rules.min_inventory,
            customers_per_unit=rules.people_allowed(),
            wait=timedelta(minutes=rules.wait_minutes),
            min_restock=rules.min_restock,
            confirm_pulls=rules.confirm_pulls,
            # Nobody of an order history has a property, so the order of VIPs is that of asking.
            ordering="oldest" if rules.ordering == "vip_first" else rules.ordering,
            basis=rules.basis,
            sizing=rules.sizing,
            allow_overtaking=rules.allow_overtaking,
            subtract_invited=timedelta(hours=rules.subtract_invited_hours),
        )


def replay(options: ReplayOptions, on_day: Callable[[date], None] = lambda day: None) -> ReplayResult:
    """Walk the history and judge the walk; `keep` receives the evidence.

    Raises ConfigurationError for a file that is no order history and for a folder that is not empty.
    """
    started, used = time.perf_counter(), _cpu_seconds()
    history = read_orders(options.orders)
    with _signals_as_interrupt(), _evidence_folder(options.keep) as folder:
        evidence.write_rules(folder, options.rules)
        write_bad_lines(folder, history)
        figures = _walk(options, history, folder, on_day)
        walked = time.perf_counter() - started
        found = audit_folder(folder)
    return ReplayResult(
        history=history,
        figures=figures,
        audit=found,
        walk_seconds=walked,
        seconds=time.perf_counter() - started,
        cpu_seconds=_cpu_seconds() - used,
    )


def _walk(
    options: ReplayOptions, history: OrderHistory, folder: Path, on_day: Callable[[date], None]
) -> WalkFigures:
    last_day = history.lines[-1].at.date()
    if options.days is not None:
        last_day = min(last_day, history.lines[0].at.date() + timedelta(days=options.days - 1))
    policy = StockPolicy(measure_demand(history.lines), options.policy)
    with _temporary_database() as engine, tempfile.TemporaryDirectory(prefix="restock-replay-") as archive:
        walk = Walk(
            engine,
            folder,
            Path(archive),
            history,
            policy,
            options.variables,
            timedelta(minutes=options.beat_minutes),
        )
        return walk.run(last_day, on_day)


def _cpu_seconds() -> float:
    """Of this process and of those that it has seen end: the database server is one."""
    return sum(os.times()[:4])


@contextmanager
def _signals_as_interrupt() -> Iterator[None]:
    """Every wish to end arrives as KeyboardInterrupt, so that the database is stopped and removed."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, interrupt) for number in ENDING_SIGNALS}
    try:
        yield
    finally:
        for number, kept in before.items():
            signal.signal(number, kept)


@contextmanager
def _temporary_database() -> Iterator[Engine]:
    folder = Path(tempfile.mkdtemp(prefix="restock-replay-database-"))
    server = EmbeddedPostgres(folder, SERVER_SETTINGS)
    try:
        server.start()
        server.create_database(DATABASE)
        engine = connect(server.url(DATABASE))
        try:
            migrate(engine)
            yield engine
        finally:
            engine.dispose()
    finally:
        server.remove()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _evidence_folder(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="restock-replay-evidence-") as folder:
            yield Path(folder)
        return
    keep.mkdir(parents=True, exist_ok=True)
    if any(keep.iterdir()):
        raise ConfigurationError(
            f"{keep} is not empty. Give a new folder: mails of another walk would be judged too."
        )
    yield keep.resolve()
