"""SEMANTICS 9.1: a report built day by day is the report built at once, whatever comes late."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from include.domain.attribution import Alert, find_credited
from include.domain.orders import OrderLine
from include.domain.report_days import REPORTS, days_between
from include.domain.window import Window
from include.services import catalog
from include.services.feedback import Feedback, FeedbackKind, take_feedback
from include.services.marks import Key, mark_sent
from include.services.orders import record_order_lines
from include.services.privacy import Identifiers, erase_person
from include.services.report_build import build_report
from include.services.report_plan import list_report_shops, note_due_days
from tests.builders import START, RowsConnector, World, a_row

NewWorld = Callable[[], AbstractContextManager[World]]
QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
AS_FOUND = [Phase.explicit, Phase.reuse, Phase.generate]
TABLES = ("activity", "demand", "skips", "deliverability", "data_quality", "attribution")
BY_DAY = tuple(name for name in TABLES if name != "demand")
VARIANTS = ("LAMP", "VASE", "SOFA")


class History:
    """A shop's life at random: pulls now and late, requests now and imported, mails, orders and returns."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.draw = random.Random(seed)
        self.window = 0
        self.late: list[Window] = []
        self.orders: dict[str, OrderLine] = {}
        self.emails = [f"p{number}@example.org" for number in range(8)]
        world.use_flow()
        world.set_rules(wait_minutes=60, customers_per_unit=1, max_risen_points=100, max_zero_rise_points=100)

    def step(self) -> None:
        self.world.pass_time(minutes=self.draw.choice([7, 45, 200, 900, 1600]))
        actions = [self.pull, self.pull, self.pull_late, self.ask, self.ask, self.import_old, self.tell]
        actions += [self.tell, self.order, self.give_back, self.cancel]
        for action in self.draw.choices(actions, k=4):
            action()

    def pull(self) -> None:
        window = self.world.next_window()
        if self.draw.random() < 0.3:
            self.archive(window)
            self.late.append(window)
        else:
            self.archive(window)
            self.load(window)

    def pull_late(self) -> None:
        if self.late:
            self.load(self.late.pop(self.draw.randrange(len(self.late))))

    def archive(self, window: Window) -> None:
        catalog.pull_window(*self.parts(window), window.end)

    def load(self, window: Window) -> None:
        loaded = catalog.load_snapshot(*self.parts(window), self.world.now)
        catalog.detect_changes(*self.parts(window), loaded["snapshot_id"], self.world.now)

    def parts(self, window: Window) -> tuple[Any, ...]:
        levels = random.Random(window.key)
        rows = [a_row(name, levels.choice([0, 0, 1, 3]), product_id="P", price="9.90") for name in VARIANTS]
        return self.world.engine, self.world.shop, RowsConnector(rows), self.world.folder, window

    def ask(self) -> None:
        email, wanted = self.draw.choice(self.emails), self.draw.randint(1, 3)
        if self.draw.random() < 0.2:
            self.world.ask_for_any(email, "P")
        else:
            channels = self.draw.choice([("EMAIL",), ("EMAIL",), ("SMS",)])
            self.world.ask(email, self.draw.choice(VARIANTS), channels=channels, wanted_quantity=wanted)

    def import_old(self) -> None:
        asked_at = self.world.now - timedelta(
            days=self.draw.randint(0, 40), minutes=self.draw.randint(0, 1440)
        )
        self.world.ask(self.draw.choice(self.emails), self.draw.choice(VARIANTS), subscribed_at=asked_at)

    def tell(self) -> None:
        self.world.tell()

    def cancel(self) -> None:
        with self.world.engine.begin() as connection:
            connection.execute(
                text(
                    "UPDATE subscription SET state = 'cancelled', ended_at = :now WHERE subscription_id = ("
                    "SELECT min(subscription_id) FROM subscription WHERE state = 'waiting')"
                ),
                {"now": self.world.now},
            )

    def order(self) -> None:
        ordered_at = self.world.now - timedelta(hours=self.draw.choice([0, 0, 0, 30, 90]))
        order_id = f"o{len(self.orders)}"
        self.record(
            OrderLine(
                order_id,
                1,
                self.draw.choice(VARIANTS),
                self.draw.choice([None, *self.emails]),
                Decimal(self.draw.randint(1, 3)),
                Decimal("9.90"),
                self.draw.choice(["EUR", "EUR", "CHF"]),
                ordered_at,
            )
        )

    def give_back(self) -> None:
        if self.orders:
            line = self.orders[self.draw.choice(sorted(self.orders))]
            known = {name: getattr(line, name) for name in line.__slots__}
            self.record(
                OrderLine(**{**known, "returned_quantity": Decimal(1), "returned_amount": Decimal(3)})
            )

    def record(self, line: OrderLine) -> None:
        self.orders[line.order_id] = line
        with self.world.engine.begin() as connection:
            record_order_lines(connection, "demo", [line], self.world.now)


def build(world: World, asked: Any = None, is_full: bool = False) -> None:
    (shop,) = list_report_shops(world.engine, world.now)
    note_due_days(world.engine, shop, world.now, asked, is_full)
    for name in REPORTS:
        build_report(world.engine, name, world.now)


def tables(world: World) -> dict[str, list[Any]]:
    return {
        name: world.query(f"SELECT * FROM report_{name} ORDER BY 1, 2, 3, 4, 5, 6, 7, 8") for name in TABLES
    }


@settings(max_examples=5, deadline=None, suppress_health_check=QUIET, phases=AS_FOUND)
@given(seed=st.integers(0, 2**32), builds=st.sets(st.integers(0, 13), min_size=3))
def test_what_is_built_day_by_day_is_what_is_built_at_once(
    new_world: NewWorld, seed: int, builds: set[int]
) -> None:
    with new_world() as world:
        history = History(world, seed)
        for number in range(14):
            history.step()
            if number in builds:
                build(world)
        build(world)
        by_day = tables(world)
        build(world)
        assert tables(world) == by_day
        today = world.now.date()
        build(world, (today - timedelta(days=30), today))
        for day in history.draw.sample(days_between(today - timedelta(days=30), today), 3):
            build(world, (day, day))
        assert tables(world) == by_day
        with world.engine.begin() as connection:
            for name in TABLES:
                connection.execute(text(f"DELETE FROM report_{name}"))
        build(world, is_full=True)
        assert tables(world) == by_day
        assert attributed(world) == credited(world)


def attributed(world: World) -> dict[str, int]:
    return {row.order_id: row.message_id for row in world.query("SELECT * FROM report_attribution")}


def credited(world: World) -> dict[str, int]:
    alerts = [
        Alert(*row)
        for row in world.query(
            "SELECT message_id, profile_id, variant_id, ended_at FROM message WHERE state = 'sent'"
        )
    ]
    found = {}
    for line in world.query("SELECT order_id, profile_id, variant_id, ordered_at FROM order_line"):
        alert = find_credited(line.profile_id, line.variant_id, line.ordered_at, alerts, 5)
        if alert is not None:
            found[line.order_id] = alert.message_id
    return found


def settled_world(world: World) -> None:
    world.use_flow()
    world.sync(a_row("LAMP", 0))
    world.ask_many("LAMP", 3)
    world.sync(a_row("LAMP", 9))
    world.release()
    world.move()
    world.pass_time(days=10)
    build(world)
    build(world)


def days_due(world: World) -> int:
    (shop,) = list_report_shops(world.engine, world.now)
    return note_due_days(world.engine, shop, world.now)


def test_a_settled_past_costs_nothing(world: World) -> None:
    settled_world(world)
    assert days_due(world) == 1


def test_a_mail_that_is_found_to_have_left_long_ago_corrects_its_day(world: World) -> None:
    settled_world(world)
    sent_at = START + timedelta(days=2)
    (message_id,) = world.query("SELECT min(message_id) FROM message")[0]
    with world.engine.begin() as connection:
        mark_sent(connection, [(Key("demo", message_id), sent_at)])
    assert days_due(world) == 1 + 6
    for name in REPORTS:
        build_report(world.engine, name, world.now)
    day = world.query("SELECT notified_count FROM report_activity WHERE report_on = :day", day=sent_at.date())
    assert day == [(1,)]


def test_a_transaction_that_commits_after_the_build_is_read_by_the_next(world: World) -> None:
    settled_world(world)
    (message_id,) = world.query("SELECT min(message_id) FROM message")[0]
    slow = world.engine.connect()
    with slow.begin():
        mark_sent(slow, [(Key("demo", message_id), world.now)])
        for _ in range(3):
            world.pass_time(days=1)
            build(world)
    slow.close()
    for _ in range(2):
        world.pass_time(days=1)
        build(world)
    by_day = tables(world)
    assert sum(row.notified_count for row in by_day["activity"]) == 1
    build(world, is_full=True)
    assert tables(world) == by_day
    assert days_due(world) == 1


def test_a_request_that_is_open_again_changes_the_day_on_which_it_ended(world: World) -> None:
    settled_world(world)
    ended_at = world.now - timedelta(days=5)
    with world.engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE subscription SET state = 'skipped', reason = 'covered', ended_at = :at"
                " WHERE subscription_id = 1"
            ),
            {"at": ended_at},
        )
    build(world, is_full=True)
    with world.engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE subscription SET state = 'waiting', reason = NULL, batch_id = NULL, ended_at = NULL"
                " WHERE subscription_id = 1"
            )
        )
    build(world)
    by_day = tables(world)
    assert by_day["skips"] == []
    build(world, is_full=True)
    assert tables(world) == by_day


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kathmandu", "Pacific/Chatham"])
def test_another_time_zone_of_the_shop_moves_every_day(world: World, zone: str) -> None:
    settled_world(world)
    with world.engine.begin() as connection:
        connection.execute(text("UPDATE shop SET time_zone = :zone"), {"zone": zone})
    build(world)
    by_day = tables(world)
    with world.engine.begin() as connection:
        for name in BY_DAY:
            connection.execute(text(f"DELETE FROM report_{name}"))
    build(world, is_full=True)
    assert tables(world) == by_day


def complain(world: World, kind: FeedbackKind) -> None:
    take_feedback(world.engine, [Feedback(kind, "p0000@example.org", world.now)], world.now)


def unsubscribed_and_complained(world: World) -> list[Any]:
    return world.query(
        "SELECT unsubscribed_count, complaint_count FROM report_deliverability ORDER BY report_on"
    )


def test_who_unsubscribed_and_complains_later_counts_once_on_the_day_already_built(world: World) -> None:
    world.queue_alerts(people=1)
    world.dispatch()
    complain(world, "unsubscribed")
    for _ in range(3):
        world.pass_time(days=1)
        build(world)
    assert (1, 0) in unsubscribed_and_complained(world)
    complain(world, "complained")
    build(world)
    assert (0, 1) in unsubscribed_and_complained(world)
    assert (1, 0) not in unsubscribed_and_complained(world)


def test_10_3_a_report_that_is_built_again_still_counts_who_was_erased_since(world: World) -> None:
    world.queue_alerts(people=1)
    world.dispatch()
    complain(world, "unsubscribed")
    world.pass_time(days=1)
    build(world)
    before = tables(world)
    erase_person(world.engine, "demo", Identifiers("p0000@example.org", None, None), "test", world.now)
    build(world, (START.date(), world.now.date()))
    assert tables(world) == before
    assert world.value("SELECT count(*) FROM suppression WHERE address_key LIKE '%@%'") == 0
