"""Releasing people of 2,000 variants at ten million waiting requests against the same at one million."""

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Engine, text

from benchmarks.crowds import fill_crowd
from benchmarks.framework import register
from benchmarks.place import NOW, SETTINGS_TEXT, copied_database, open_server, statement
from include.db.engine import connect
from include.services.release import release_due
from include.services.rules import rules_in_force

VARIANT_COUNT = 50_000
DUE_COUNT = 2_000
UNITS = 2
CUSTOMERS_PER_UNIT = 5
MAKE_DUE = statement("release.make_due")


@dataclass
class Crowd:
    """A database of its own size; each round releases from variants that no round before touched."""

    engine: Engine
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def release(self) -> float:
        """Make 2,000 variants due, then time the service."""
        number = next(self.numbers)
        given = {"now": NOW, "step": VARIANT_COUNT // DUE_COUNT, "number": number, "due": DUE_COUNT}
        with self.engine.begin() as connection:
            connection.execute(text(MAKE_DUE), given)
            rule_set_id, _ = rules_in_force(connection, NOW)
        began = time.perf_counter()
        counts = release_due(self.engine, rule_set_id, f"bench-{number}", NOW)
        seconds = time.perf_counter() - began
        assert counts["batches"] == DUE_COUNT, counts
        assert counts["released"] == DUE_COUNT * UNITS * CUSTOMERS_PER_UNIT, counts
        return seconds


def crowd_of_ten_million(engine: Engine) -> None:
    """Two hundred people wait for each variant."""
    fill_crowd(engine, variants=VARIANT_COUNT, units=UNITS, people=1_000_000, requests=10_000_000)


def crowd_of_one_million(engine: Engine) -> None:
    """Twenty people wait for each variant."""
    fill_crowd(engine, variants=VARIANT_COUNT, units=UNITS, people=1_000_000, requests=1_000_000)


@contextmanager
def _prepare() -> Iterator[tuple[Crowd, Crowd]]:
    with (
        open_server() as server,
        copied_database(server, crowd_of_ten_million, "bench_ten") as ten,
        copied_database(server, crowd_of_one_million, "bench_one") as one,
    ):
        crowds = Crowd(connect(ten)), Crowd(connect(one))
        yield crowds
        for crowd in crowds:
            crowd.engine.dispose()


register(
    "release",
    lambda crowds: crowds[0].release(),
    lambda crowds: crowds[1].release(),
    target_ratio=1.5,
    unit="s",
    about=(
        "`release_due` for 2,000 due variants of 50,000, ten people each: 20,000 requests released, as "
        "many enrolments, 2,000 batches, committed. Ours is that with ten million requests waiting (200 a "
        "variant), the floor the same with one million (20 a variant), of a million people both times. A "
        "variant's requests lie scattered over the table, and each round takes variants that no round "
        f"before has touched. Postgres 18 with fsync on, {SETTINGS_TEXT}."
    ),
    prepare=_prepare,
)
