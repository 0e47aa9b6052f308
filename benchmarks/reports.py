"""Building the reports after a day more, against building every day again, with ten million messages."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine, text

from benchmarks.crowds import SHOP, VARIANTS
from benchmarks.framework import register
from benchmarks.place import NOW, SETTINGS_TEXT, copied_database, open_server, statement
from include.db.engine import connect
from include.domain.report_days import REPORTS
from include.services.report_build import build_report
from include.services.report_plan import list_report_shops, note_due_days
from include.services.rules import store_rule_set

MESSAGES = 10_000_000
DAYS = 365
PER_DAY = MESSAGES // DAYS
REQUESTS = MESSAGES // 4
VARIANT_COUNT = 2_000
PEOPLE = statement("reports.people")
# Requests, batches, messages and orders come evenly over the year; number n of each at its place in it.
ASKED = statement("reports.asked")
BATCHES = statement("reports.batches")
SENT = statement("reports.sent")
ORDERS = statement("reports.orders")
KEY = "ALTER TABLE message ADD CONSTRAINT a_key_is_a_sentence_said_once UNIQUE (shop_id, message_key)"
INDEXES = statement("reports.indexes")


def year_of_messages(engine: Engine) -> None:
    """Ten million messages of a year, a quarter as many requests, an order for every twentieth."""
    store_rule_set(engine, {}, NOW - timedelta(days=500))
    _execute(engine, SHOP, now=NOW)
    _execute(engine, VARIANTS, now=NOW, variants=VARIANT_COUNT)
    _execute(engine, PEOPLE, now=NOW)
    span = {"since": NOW - timedelta(days=DAYS), "span": timedelta(days=DAYS)}
    _execute(engine, BATCHES, **span, count=MESSAGES)
    _execute(engine, ASKED, **span, count=MESSAGES, requests=REQUESTS)
    with _indexes_made_afterwards(engine):
        _execute(engine, SENT, **span, count=MESSAGES, first=0, requests=REQUESTS)
    _execute(engine, ORDERS, **span, count=MESSAGES, first=0)


@contextmanager
def _indexes_made_afterwards(engine: Engine) -> Iterator[None]:
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE message DROP CONSTRAINT a_key_is_a_sentence_said_once"))
        known = connection.execute(text(INDEXES)).all()
        for index in known:
            connection.execute(text(f"DROP INDEX {index.indexname}"))
    yield
    with engine.begin() as connection:
        for index in known:
            connection.execute(text(index.indexdef))
        connection.execute(text(KEY))


def _execute(engine: Engine, statement: str, **given: object) -> None:
    clause = text(statement)
    with engine.begin() as connection:
        connection.execute(clause, {name: given[name] for name in clause._bindparams})


@dataclass
class Year:
    """A database that gets a day more with each round."""

    engine: Engine
    now: datetime = NOW
    days: int = 0
    full_seconds: float = 0.0

    def build_next_day(self) -> float:
        """Let a day pass, then time what the Dag does after it."""
        span = {"since": self.now, "span": timedelta(days=1), "count": PER_DAY}
        first = MESSAGES + self.days * PER_DAY
        _execute(self.engine, SENT, **span, first=first, requests=REQUESTS)
        _execute(self.engine, ORDERS, **span, first=first)
        self.days += 1
        self.now += timedelta(days=1)
        return self.build(is_full=False)

    def build(self, is_full: bool) -> float:
        """Plan and build every report; the seconds."""
        began = time.perf_counter()
        (shop,) = list_report_shops(self.engine, self.now)
        note_due_days(self.engine, shop, self.now, is_full=is_full)
        for name in REPORTS:
            build_report(self.engine, name, self.now)
        return time.perf_counter() - began


@contextmanager
def _prepare() -> Iterator[Year]:
    with (
        open_server() as server,
        copied_database(server, year_of_messages, "bench_reports") as url,
    ):
        year = Year(connect(url))
        year.full_seconds = year.build(is_full=True)
        yield year
        year.engine.dispose()


register(
    "reports",
    lambda year: year.build_next_day(),
    lambda year: year.full_seconds,
    target_ratio=0.03,
    unit="s",
    about=(
        "The nightly build of every report, checks included, of a shop with ten million messages of a year, two and a "
        "half million requests and half a million order lines. Ours is the build after one more day of 27,397 "
        "messages, the floor building every day, measured once before the rounds. Postgres 18 with fsync on, "
        f"{SETTINGS_TEXT}."
    ),
    prepare=_prepare,
)
