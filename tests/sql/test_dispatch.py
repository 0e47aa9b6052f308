from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from email import message_from_bytes, policy
from typing import Any

import pytest
from sqlalchemy import Engine

from include.errors import ConfigurationError
from include.messaging.senders.base import Envelope, Outcome
from include.services import dispatch
from include.services.marks import Key
from include.services.requests import cancel_request, unsubscribe
from tests.builders import Mailbin, World, a_row

queued_world = World.queue_alerts


def messages(world: World) -> list[tuple[object, ...]]:
    return [tuple(row) for row in world.query("SELECT state, reason FROM message ORDER BY message_id")]


def test_a_sent_message_notifies_its_request_in_the_same_transaction(world: World) -> None:
    emails = queued_world(world)
    assert world.dispatch()["sent"] == 3
    assert world.mail.recipients == emails
    assert world.states() == {"notified": 3}


def test_a_mail_names_the_item_and_how_to_stop(world: World) -> None:
    queued_world(world, people=1)
    world.dispatch()
    mail = message_from_bytes(world.mail.envelopes[0].content, policy=policy.default)
    assert mail["Subject"] == "Back in stock: Brass lamp"
    assert mail["List-Unsubscribe"].startswith("<mailto:")
    assert mail.get_body(("plain",)) is not None and mail.get_body(("html",)) is not None
    assert "example.org" not in mail["X-Restock-Message"] + mail["Message-ID"] + mail["List-Unsubscribe"]


def test_dispatching_again_sends_nothing_twice(world: World) -> None:
    queued_world(world)
    world.dispatch()
    assert world.dispatch()["sent"] == 0
    assert len(world.mail.envelopes) == 3


def test_moving_a_step_again_queues_nothing_twice(world: World) -> None:
    queued_world(world)
    assert world.move() == {"moved": 0, "messages": 0}


def test_a_temporary_error_is_tried_again_later(world: World) -> None:
    emails = queued_world(world)
    world.mail.answers[emails[1]] = Outcome("temporary", "450", "greylisted", retry_after=300)
    assert world.dispatch()["later"] == 1
    assert messages(world)[1] == ("queued", "temporary_error")
    world.mail.answers.clear()
    assert world.dispatch()["sent"] == 0
    world.pass_time(minutes=5)
    assert world.dispatch()["sent"] == 1
    assert world.query("SELECT outcome, code FROM delivery_attempt") == [("temporary", "450")]


def test_a_message_that_always_fails_is_given_up_and_its_request_says_why(world: World) -> None:
    emails = queued_world(world, people=1)
    world.mail.answers[emails[0]] = Outcome("temporary", "450", "greylisted")
    for _ in range(12):
        world.dispatch()
        world.pass_time(minutes=30)
        world.pass_time(hours=4)
        world.window_start = world.now
        world.sync(a_row("LAMP", 50))
    assert messages(world) == [("failed", "undeliverable")]
    assert world.query("SELECT state, reason FROM subscription") == [("skipped", "undeliverable")]


def test_an_address_that_does_not_exist_is_suppressed(world: World) -> None:
    emails = queued_world(world)
    world.mail.answers[emails[0]] = Outcome("address_refused", "5.1.1", "no such user")
    world.dispatch()
    assert messages(world)[0] == ("failed", "invalid_address")
    assert world.query("SELECT address_key, reason FROM suppression") == [(emails[0], "invalid_address")]
    assert world.states() == {"notified": 2, "skipped": 1}


def test_a_channel_at_fault_suppresses_nobody_and_pauses_in_the_end(world: World) -> None:
    emails = queued_world(world, people=6)
    for email in emails:
        world.mail.answers[email] = Outcome("channel_refused", "535", "login refused", is_tried=False)
    world.dispatch()
    assert world.value("SELECT count(*) FROM suppression") == 0
    assert world.value("SELECT paused_at IS NOT NULL FROM channel WHERE channel = 'EMAIL'")
    assert world.value("SELECT attempt_count FROM message LIMIT 1") == 0


def test_a_paused_channel_probes_with_one_message_and_resumes(world: World) -> None:
    emails = queued_world(world, people=6)
    for email in emails:
        world.mail.answers[email] = Outcome("channel_refused", "535", "login refused", is_tried=False)
    world.dispatch()
    assert world.dispatch()["later"] == 0
    world.mail.answers.clear()
    world.pass_time(minutes=3)
    world.dispatch()
    assert len(world.mail.envelopes) == 6
    assert world.value("SELECT paused_at FROM channel WHERE channel = 'EMAIL'") is None


def test_a_dead_lanes_messages_go_again_when_its_lease_has_ended(world: World) -> None:
    queued_world(world)
    assert len(world.claim("dead lane", 10)) == 3
    assert world.dispatch()["sent"] == 0
    world.pass_time(minutes=4)
    assert world.dispatch()["sent"] == 3


def test_a_lane_that_takes_longer_than_its_lease_keeps_what_it_claimed(world: World) -> None:
    emails = queued_world(world, people=4)
    taken_by_another, kept = [], world.mail.send

    def send(batch: Iterable[Envelope]) -> Iterator[tuple[Envelope, Outcome]]:
        for envelope, outcome in kept(batch):
            world.pass_time(minutes=2)
            yield envelope, outcome
            for _ in range(100_000):
                lease = world.value("SELECT min(lease_until) FROM message WHERE state = 'sending'")
                if lease is None or lease > world.now:
                    break
            taken_by_another.extend(world.claim("another lane", 10))

    world.mail.send = send
    world.dispatch()
    assert taken_by_another == [] and world.mail.recipients == emails


def test_a_message_id_is_the_same_when_a_message_goes_again(world: World) -> None:
    emails = queued_world(world, people=1)
    world.mail.answers[emails[0]] = Outcome("in_doubt")
    assert world.dispatch()["in_doubt"] == 1
    first = world.query("SELECT message_key, state FROM message")
    world.mail.answers.clear()
    world.pass_time(minutes=4)
    world.dispatch()
    assert first == [(world.mail.envelopes[0].key.removeprefix("demo/"), "sending")]


def test_two_lanes_never_claim_the_same_message(world: World) -> None:
    queued_world(world, people=30)
    first = world.claim("one", 20)
    second = world.claim("two", 20)
    assert len(first) == 20 and len(second) == 10
    assert not set(first) & set(second)


def test_who_unsubscribed_after_queueing_gets_nothing(world: World) -> None:
    queued_world(world, people=2)
    world.mail.answers.clear()
    token = world.token("unsubscribe", 1)
    assert unsubscribe(world.engine, token, world.now)
    world.dispatch()
    assert messages(world) == [("skipped", "suppressed"), ("sent", None)]


def test_a_token_that_was_not_signed_here_is_refused(world: World) -> None:
    from include.errors import NotFound

    with pytest.raises(NotFound, match="not one of this database"):
        unsubscribe(world.engine, world.token("unsubscribe", 1)[:-2] + "xx", world.now)


def test_a_cancelled_request_gets_nothing(world: World) -> None:
    queued_world(world, people=1)
    assert cancel_request(world.engine, "demo", 1, world.now)
    world.dispatch()
    assert messages(world) == [("skipped", "cancelled")]
    assert world.states() == {"cancelled": 1}


def test_messages_wait_while_the_stock_is_stale_and_go_after_a_fresh_look(world: World) -> None:
    queued_world(world, people=2)
    world.pass_time(hours=2)
    assert world.dispatch()["later"] == 2
    assert messages(world) == [("queued", "stale_stock")] * 2
    world.sync(a_row("LAMP", 50))
    assert world.dispatch()["sent"] == 2


def test_one_address_gets_no_more_alerts_a_day_than_allowed(world: World) -> None:
    world.set_rules(max_alerts_per_day=2)
    world.use_flow()
    names = [f"V{number}" for number in range(3)]
    world.sync(*[a_row(name, 0) for name in names])
    for name in names:
        world.ask("eager@example.org", name)
    world.sync(*[a_row(name, 5) for name in names])
    assert len(world.tell()) == 2
    assert world.value("SELECT count(*) FROM message WHERE reason = 'frequency_cap'") == 1


def test_a_new_installation_records_and_hands_nothing_to_the_provider(world: World) -> None:
    queued_world(world)
    world.bind_delivery("record_only")
    assert world.dispatch()["recorded"] == 3
    assert world.mail.envelopes == [] and len(world.record.envelopes) == 3


def test_an_allow_list_lets_only_its_addresses_and_domains_through(world: World) -> None:
    emails = queued_world(world, people=2)
    world.ask("team@shop.example", "LAMP")
    world.release()
    world.move()
    world.bind_delivery("allow_list", (emails[1].upper(), "shop.example"))
    world.dispatch()
    assert world.mail.recipients == [emails[1], "team@shop.example"]
    assert [envelope.recipient for envelope in world.record.envelopes] == [emails[0]]


def test_a_copy_of_a_live_database_records_only(world: World, postgres_server) -> None:
    from include.db.engine import connect
    from include.services.outbox import read_delivery

    world.engine.dispose()
    postgres_server.create_database("a_copy", template=world.engine.url.database)
    copy = connect(postgres_server.url("a_copy"))
    assert read_delivery(copy).mode == "record_only"
    assert read_delivery(world.engine).mode == "live"
    copy.dispose()
    postgres_server.drop_database("a_copy")


def test_a_wrong_template_fails_the_task_and_its_messages_wait(world: World, tmp_path) -> None:
    queued_world(world)
    with world.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE message SET template = 'back_in_stok' WHERE message_id = 1")
    with pytest.raises(ConfigurationError, match="Did you mean 'back_in_stock'"):
        world.dispatch()
    assert messages(world) == [("queued", "template_error"), ("sent", None), ("sent", None)]


def test_lanes_that_claim_at_once_take_unbroken_runs_of_the_queue(world: World) -> None:
    queued_world(world, people=400)
    with ThreadPoolExecutor(max_workers=4) as lanes:
        claims = [lanes.submit(world.claim, f"lane {n}", 100) for n in range(4)]
    for claimed in sorted((entry.result() for entry in claims), key=min):
        assert claimed == list(range(claimed[0], claimed[0] + 100))


def test_transactional_messages_leave_first_then_the_longest_due(world: World) -> None:
    emails = queued_world(world, people=6)
    with world.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE message SET purpose = 'transactional', priority = 1 WHERE message_id IN (3, 5)"
        )
        connection.exec_driver_sql(
            "UPDATE message SET due_at = due_at - INTERVAL '1 minute' WHERE message_id = 6"
        )
    assert world.claim("one", 3) == [3, 5, 6]
    world.pass_time(minutes=4)
    world.sync(a_row("LAMP", 50, title="Brass lamp"))
    world.dispatch()
    assert world.mail.recipients[:2] == [emails[2], emails[4]]


def test_what_a_halted_lane_had_left_is_free_at_its_old_place(world: World) -> None:
    emails = queued_world(world, people=80)
    queue = world.query("SELECT message_id, due_at FROM message ORDER BY message_id")
    for email in emails[:5]:
        world.mail.answers[email] = Outcome("channel_refused", "535", "login refused", is_tried=False)
    assert world.dispatch()["sent"] <= 1
    left = world.query("SELECT message_id, due_at FROM message WHERE state = 'queued' ORDER BY message_id")
    assert set(left) <= set(queue) and len(left) >= 79


def test_a_connection_that_hangs_beyond_all_patience_sends_nothing_that_was_freed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    emails = queued_world(world, people=3)
    monkeypatch.setattr(dispatch, "SECONDS_TO_STOP", 0.05)
    is_stuck, goes_on, has_ended = threading.Event(), threading.Event(), threading.Event()
    real, claims = dispatch.claim, itertools.count()

    def claim_once(engine: Engine, channel: str, lane: str, *given: Any) -> list[Key]:
        if lane == "lane-1" and next(claims):
            assert is_stuck.wait(30)
            raise ConnectionError("the database went away")
        return real(engine, channel, lane, *given)

    monkeypatch.setattr(dispatch, "claim", claim_once)

    class Hanging(Mailbin):
        def send(self, batch: Iterable[Envelope]) -> Iterator[tuple[Envelope, Outcome]]:
            for envelope, outcome in super().send(batch):
                is_stuck.set()
                assert goes_on.wait(30)
                yield envelope, outcome

        def close(self) -> None:
            has_ended.set()

    hanging = Hanging()
    with pytest.raises(ConnectionError):
        world.dispatch(sender=hanging, journals=None)
    assert messages(world) == [("sending", None), ("queued", None), ("queued", None)]
    goes_on.set()
    assert has_ended.wait(30)
    assert hanging.recipients == emails[:1]
    world.dispatch("lane-2")
    assert world.mail.recipients == emails[1:]
