"""Limits per second that hold over lanes and machines (SEMANTICS 5), and the order of what is held back."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Lock
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.messaging.senders.base import Outcome
from include.services.dispatch import dispatch_lane
from include.services.due import read_due_times
from include.services.rate_limits import BURST_SECONDS, find_room, take_tokens
from tests.builders import START, Mailbin, World


class SharedClock:
    """A clock that moves only while a lane waits for room; lanes of several threads share it."""

    def __init__(self, start: datetime) -> None:
        self.now = start
        self._moving = Lock()

    def read(self) -> datetime:
        return self.now

    def wait(self, seconds: float) -> None:
        with self._moving:
            self.now += timedelta(seconds=seconds)


class StampedMailbin(Mailbin):
    """Keeps the time of each mail."""

    def __init__(self, clock: SharedClock) -> None:
        super().__init__()
        self.clock = clock
        self.times: list[datetime] = []

    def send(self, batch):
        for envelope, outcome in super().send(batch):
            self.times.append(self.clock.read())
            yield envelope, outcome


def send_with_lanes(world: World, count: int, seconds: float) -> list[StampedMailbin]:
    clock = SharedClock(world.now)
    bins = [StampedMailbin(clock) for _ in range(count)]
    lanes = [
        world.lane(f"lane-{number}", sender=mail, clock=clock.read, pause=clock.wait)
        for number, mail in enumerate(bins)
    ]
    with ThreadPoolExecutor(max_workers=count) as threads:
        runs = [threads.submit(dispatch_lane, lane, world.now + timedelta(seconds=seconds)) for lane in lanes]
    for run in runs:
        run.result()
    return bins


def parcels_for(domain: str, count: int) -> list[SimpleNamespace]:
    row = SimpleNamespace(email=f"a@{domain}")
    return [SimpleNamespace(row=row, key=number) for number in range(count)]


def domain_of(world: World, share: str, domain: str) -> None:
    with world.engine.begin() as connection:
        connection.exec_driver_sql(
            f"UPDATE profile SET email = replace(email, 'example.org', '{domain}') WHERE {share}"
        )


@pytest.mark.parametrize("lanes", [1, 2])
def test_a_limit_of_the_channel_holds_over_all_lanes(world, lanes):
    world.set_rules(email_per_second=20)
    emails = world.queue_alerts(people=60, units=100)
    bins = send_with_lanes(world, lanes, seconds=60)
    times = sorted(moment for mail in bins for moment in mail.times)
    assert sorted(recipient for mail in bins for recipient in mail.recipients) == emails
    for start in times:
        within = sum(start <= moment < start + timedelta(seconds=1) for moment in times)
        assert within <= 20 * (1 + BURST_SECONDS) + 1
    assert timedelta(seconds=2.5) <= times[-1] - times[0] <= timedelta(seconds=6)


def test_a_limit_of_a_domain_holds_back_nobody_else(world):
    world.set_rules(email_per_domain={"slow.example": 2})
    world.queue_alerts(people=40, units=100)
    domain_of(world, "mod(profile_id, 2) = 0", "slow.example")
    world.dispatch()
    assert Counter(mail.partition("@")[2] for mail in world.mail.recipients) == {
        "example.org": 20,
        "slow.example": 1,
    }
    assert world.query("SELECT DISTINCT state, reason, parked_domain FROM message WHERE state <> 'sent'") == [
        ("queued", "rate_limit", "slow.example")
    ]


def test_what_is_parked_keeps_its_order_and_goes_before_what_came_later(world):
    world.set_rules(email_per_domain={"example.org": 8})
    first = world.queue_alerts(people=12)
    world.dispatch()
    later = world.ask_many("LAMP", 4, prefix="q")
    world.release()
    world.move()
    for _ in range(8):
        world.pass_time(seconds=0.25)
        world.dispatch()
    assert world.mail.recipients == [*first, *later]


def test_a_person_asking_in_capitals_counts_for_the_same_domain(world):
    world.set_rules(email_per_domain={"slow.example": 2})
    world.queue_alerts(people=5)
    domain_of(world, "true", "SLOW.Example")
    assert world.dispatch()["sent"] == 1


@pytest.mark.parametrize("limits", [{}, {"example.org": 10_000}])
def test_a_limit_raised_or_removed_lets_what_is_parked_go_at_once(world, limits):
    world.set_rules(email_per_domain={"example.org": 0.001})
    emails = world.queue_alerts(people=10)
    world.dispatch()
    assert read_due_times(world.engine)["dispatch"] > world.now + timedelta(minutes=15)
    world.pass_time(seconds=1)
    world.set_rules(email_per_domain=limits)
    assert read_due_times(world.engine)["dispatch"] <= world.now
    world.dispatch()
    assert world.mail.recipients == emails


def test_a_limit_lowered_holds_from_the_next_message_on(world):
    world.set_rules(email_per_domain={"example.org": 40})
    world.queue_alerts(people=30)
    assert world.dispatch()["sent"] == 10
    world.set_rules(email_per_domain={"example.org": 1})
    world.pass_time(seconds=1)
    assert world.dispatch()["sent"] == 1


def test_the_dispatch_is_due_again_when_what_is_parked_has_room(world):
    world.set_rules(email_per_domain={"example.org": 0.5})
    world.queue_alerts(people=3)
    world.dispatch()
    assert read_due_times(world.engine)["dispatch"] == world.now + timedelta(seconds=2)


def test_what_its_domain_holds_back_takes_no_token_of_the_channel(world):
    limits = {"slow.example": 1.0, "": 100.0}
    with world.engine.begin() as connection:
        allowed, above = take_tokens(connection, "EMAIL", limits, parcels_for("slow.example", 5), START)
        assert (len(allowed), len(above)) == (1, 4)
        allowed, above = take_tokens(connection, "EMAIL", limits, parcels_for("fast.example", 30), START)
    assert len(allowed) == 24


def test_without_limits_nothing_is_counted(world):
    world.queue_alerts()
    world.dispatch()
    assert world.query("SELECT * FROM send_rate") == []


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    rate=st.floats(0.2, 500),
    takings=st.lists(st.tuples(st.floats(0, 3), st.integers(1, 50)), min_size=1, max_size=30),
)
def test_a_bucket_never_grants_more_than_its_rate_and_one_burst(connection, rate, takings):
    transaction = connection.begin_nested() if connection.in_transaction() else connection.begin()
    now, taken, spent = START, [], 0.0
    for seconds, wanted in takings:
        now += timedelta(seconds=seconds)
        allowed, above = take_tokens(
            connection, "EMAIL", {"d.example": rate}, parcels_for("d.example", wanted), now
        )
        assert len(allowed) + len(above) == wanted
        taken.append((now, len(allowed)))
        room = find_room(connection, "EMAIL", {"d.example": rate}, 1000, now)
        assert room.claim_size == 1000
    burst = max(1.0, rate * BURST_SECONDS)
    for place, (start, _) in enumerate(taken):
        for end_place in range(place, len(taken)):
            spent = sum(count for _, count in taken[place : end_place + 1])
            elapsed = (taken[end_place][0] - start).total_seconds()
            assert spent <= burst + elapsed * rate + 0.01
    transaction.rollback()


def test_a_bucket_is_full_again_after_its_burst_and_not_fuller(connection):
    for now in (START, START + timedelta(seconds=BURST_SECONDS), START + timedelta(days=1)):
        allowed, _ = take_tokens(connection, "EMAIL", {"d.example": 100}, parcels_for("d.example", 99), now)
        assert len(allowed) == 25


def test_takings_at_the_same_moment_share_one_bucket(world):
    def take(_: int) -> int:
        with world.engine.begin() as connection:
            allowed, _above = take_tokens(
                connection, "EMAIL", {"d.example": 80.0}, parcels_for("d.example", 7), START
            )
        return len(allowed)

    with ThreadPoolExecutor(max_workers=8) as threads:
        assert sum(threads.map(take, range(16))) == 20


def test_retry_after_of_a_provider_is_waited_for(world):
    emails = world.queue_alerts(people=2)
    world.mail.answers[emails[0]] = Outcome("temporary", "429", "slow down", retry_after=900)
    world.dispatch()
    due_at = world.value("SELECT due_at FROM message WHERE state = 'queued'")
    assert due_at == world.now + timedelta(seconds=900)


def test_retry_after_of_a_channel_that_is_down_is_when_it_is_probed(world):
    for email in world.queue_alerts(people=6):
        world.mail.answers[email] = Outcome("temporary", "503", "down", retry_after=600, is_tried=False)
    world.dispatch()
    assert world.value("SELECT probe_at FROM channel WHERE channel = 'EMAIL'") == world.now + timedelta(
        seconds=600
    )
    assert world.value("SELECT max(attempt_count) FROM message") == 0


def test_a_shorter_retry_after_than_our_own_patience_changes_nothing(world):
    emails = world.queue_alerts(people=1)
    world.mail.answers[emails[0]] = Outcome("temporary", "450", "later", retry_after=1)
    world.dispatch()
    assert world.value("SELECT due_at FROM message") == world.now + timedelta(minutes=1)
