"""Nothing piles up: when a wait ends, no more leave than the stock then allows (SEMANTICS 4.1, 5)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from include.messaging.senders.base import Outcome
from include.services.channels import pause_channel, resume_channel
from tests.builders import World, a_row
from tests.examples import examples

NewWorld = Callable[[], AbstractContextManager[World]]
QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]

PER_UNIT = 3
PEOPLE = 60
IN_FLIGHT = "SELECT count(*) FROM subscription WHERE state = 'released'"


class Shop:
    """A shop whose stock moves while messages can't leave."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.units = 0
        world.set_rules(
            customers_per_unit=PER_UNIT, wait_minutes=60, quiet_hours_email="21:00-08:00", on_doubt="resend"
        )
        world.use_flow()
        world.sync(a_row("LAMP", 0))
        world.ask_many("LAMP", PEOPLE)

    def see(self, units: int) -> None:
        self.world.window_start = self.world.now
        self.world.sync(a_row("LAMP", units))
        self.units = units

    def run_dags(self) -> int:
        """Release, move and dispatch once; how many mails left."""
        before, in_flight = len(self.world.mail.envelopes), self.world.value(IN_FLIGHT)
        self.world.release()
        assert self.world.value(IN_FLIGHT) <= max(in_flight, self.units * PER_UNIT)
        self.world.move()
        self.world.dispatch()
        return len(self.world.mail.envelopes) - before

    def break_down(self, is_down: bool) -> None:
        answer = Outcome("channel_refused", "421", "no route", is_tried=False)
        self.world.mail.answers = dict.fromkeys(self.emails, answer) if is_down else {}

    @property
    def emails(self) -> list[str]:
        return [row.email for row in self.world.query("SELECT email FROM profile")]


hours = st.tuples(
    st.one_of(st.none(), st.integers(0, 12)),
    st.sampled_from(["go on", "go on", "go on", "pause", "resume", "break", "mend"]),
)


@settings(max_examples=examples(6), deadline=None, suppress_health_check=QUIET)
@given(walk=st.lists(hours, min_size=4, max_size=16), start=st.integers(0, 23))
def test_in_every_hour_no_more_leave_than_units_times_customers_per_unit(
    new_world: NewWorld, walk, start
) -> None:
    with new_world() as world:
        world.pass_time(hours=start)
        shop = Shop(world)
        for units, happening in walk:
            world.pass_time(hours=1, minutes=1)
            shop.see(shop.units if units is None else units)
            if happening == "pause":
                pause_channel(world.engine, "EMAIL", "a walk", world.now)
            elif happening == "resume":
                resume_channel(world.engine, "EMAIL", world.now)
            elif happening in ("break", "mend"):
                shop.break_down(happening == "break")
            assert shop.run_dags() <= shop.units * PER_UNIT


@settings(max_examples=examples(6), deadline=None, suppress_health_check=QUIET)
@given(
    before=st.integers(0, 12),
    during=st.lists(st.integers(0, 12), min_size=12, max_size=12),
    after=st.integers(0, 12),
    cause=st.sampled_from(["paused", "down", "dispatch stopped"]),
)
def test_after_an_outage_of_12_hours_what_leaves_is_within_the_stock_of_that_moment(
    new_world: NewWorld, before, during, after, cause
) -> None:
    with new_world() as world:
        world.pass_time(hours=1)
        shop = Shop(world)
        if cause == "paused":
            pause_channel(world.engine, "EMAIL", "an outage", world.now)
        shop.break_down(cause == "down")
        shop.see(before)
        for units in during:
            world.pass_time(hours=1)
            shop.see(units)
            world.release()
            world.move()
            if cause != "dispatch stopped":
                world.dispatch()
        assert world.mail.envelopes == []
        in_flight = world.value(IN_FLIGHT)
        assert in_flight <= max(before, *during) * PER_UNIT
        shop.break_down(False)
        resume_channel(world.engine, "EMAIL", world.now)
        world.set_rules(customers_per_unit=PER_UNIT, wait_minutes=60)
        shop.see(after)
        with world.engine.begin() as connection:
            connection.execute(
                text("UPDATE message SET due_at = :now WHERE state = 'queued'"), {"now": world.now}
            )
        world.dispatch()
        allowed = min(in_flight, after * PER_UNIT)
        # A channel that probes returns some of the first while there is no stock; the others keep their places.
        assert (
            len(world.mail.envelopes) <= allowed if cause == "down" else len(world.mail.envelopes) == allowed
        )
        assert world.value(IN_FLIGHT) == 0


def test_people_released_before_the_night_leave_in_the_morning_within_the_stock_of_the_morning(
    world: World,
) -> None:
    shop = Shop(world)
    world.pass_time(hours=12)
    shop.see(10)
    assert world.now.hour == 20
    assert shop.run_dags() == 0
    assert world.value(IN_FLIGHT) == 30
    for _ in range(8):
        world.pass_time(hours=1)
        shop.see(10)
        assert shop.run_dags() == 0
        assert world.value(IN_FLIGHT) == 30
    world.pass_time(hours=1)
    shop.see(4)
    assert shop.run_dags() == 12
    assert world.states() == {"notified": 12, "waiting": 48}
