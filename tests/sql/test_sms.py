"""SMS on their way: consent, quiet hours, the provider's answers (SEMANTICS 5, 6, 10.1)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from include.messaging.address import Mailbox
from include.messaging.senders.sms import SmsAccount, SmsSender
from tests.builders import World, a_row, an_sms_flow
from tests.fixtures.sms_server import SmsServer

NUMBERS = ["+4915112345670", "+4915112345671", "+4915112345672"]


@pytest.fixture
def server() -> Iterator[SmsServer]:
    with SmsServer() as server:
        yield server


def run(world: World, statement: str, **parameters: Any) -> None:
    with world.engine.begin() as connection:
        connection.execute(text(statement), parameters)


def queued(world: World, people: int = 1, title: str = "Brass lamp") -> None:
    """Alerts by SMS for people who gave consent, at 10:30 in the shop's zone."""
    world.use_flow(an_sms_flow())
    world.sync(a_row("LAMP", 0, title=title))
    world.ask_many("LAMP", people)
    for number, phone in enumerate(NUMBERS[:people], start=1):
        run(world, "UPDATE profile SET phone = :phone WHERE profile_id = :number", phone=phone, number=number)
    run(world, "UPDATE subscription SET channels = '{EMAIL,SMS}'")
    run(
        world,
        "INSERT INTO consent (shop_id, profile_id, channel, purpose, state, changed_at, source)"
        " SELECT shop_id, profile_id, 'SMS', 'alert', 'given', :now, 'test' FROM profile",
        now=world.now,
    )
    world.sync(a_row("LAMP", 50, title=title))
    world.release()
    world.move()


def dispatch(world: World, server: SmsServer) -> dict[str, int]:
    account = SmsAccount("AC1", "+4930123", "secret", url=server.url, timeout=5)
    sender = SmsSender(account, lambda: world.now)
    return world.dispatch(sender=sender, mailbox=Mailbox("+4930123"), channel="SMS")


def messages(world: World) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in world.query("SELECT state, reason FROM message ORDER BY message_id")]


def test_an_alert_by_sms_names_shop_and_item_and_nothing_is_escaped(world: World, server: SmsServer) -> None:
    queued(world, title="Salt & Pepper <set>")
    assert dispatch(world, server)["sent"] == 1
    assert server.taken[0]["To"] == NUMBERS[0]
    assert server.taken[0]["Body"].startswith("Demo: Salt & Pepper <set> is back in stock.")
    assert world.states() == {"notified": 1}


def test_mail_lanes_and_sms_lanes_take_only_their_own(world: World, server: SmsServer) -> None:
    queued(world)
    assert world.dispatch()["sent"] == 0
    assert dispatch(world, server)["sent"] == 1


def test_consent_withdrawn_after_queueing_stops_an_sms(world: World, server: SmsServer) -> None:
    queued(world)
    run(world, "UPDATE consent SET state = 'withdrawn'")
    dispatch(world, server)
    assert messages(world) == [("skipped", "missing_consent")] and server.taken == []


def test_who_has_no_number_any_more_is_skipped_as_missing_phone(world: World, server: SmsServer) -> None:
    queued(world)
    run(world, "UPDATE profile SET phone = NULL")
    dispatch(world, server)
    assert messages(world) == [("skipped", "missing_phone")]


def test_sms_have_quiet_hours_without_anybody_switching_them_on(world: World, server: SmsServer) -> None:
    world.now = world.window_start = world.now.replace(hour=21)
    queued(world)
    dispatch(world, server)
    assert messages(world) == [("queued", "quiet_hours")]
    due_at = world.value("SELECT due_at FROM message")
    assert due_at == (world.now + timedelta(days=1)).replace(hour=7, minute=0)
    world.now = world.window_start = due_at
    world.sync(a_row("LAMP", 50))
    assert dispatch(world, server)["sent"] == 1


def test_an_invalid_number_is_suppressed_for_sms_alone(world: World, server: SmsServer) -> None:
    queued(world, people=2)
    server.answers[NUMBERS[0]] = [(400, {"code": 21211, "message": "invalid 'To'"}, {})]
    dispatch(world, server)
    assert messages(world) == [("failed", "invalid_address"), ("sent", None)]
    assert world.query("SELECT channel, address_key, reason FROM suppression") == [
        ("SMS", NUMBERS[0], "invalid_address")
    ]


def test_who_answered_stop_to_the_provider_is_suppressed_as_unsubscribed(
    world: World, server: SmsServer
) -> None:
    queued(world)
    server.answers[NUMBERS[0]] = [(400, {"code": 21610, "message": "unsubscribed recipient"}, {})]
    dispatch(world, server)
    assert messages(world) == [("failed", "suppressed")]
    assert world.query("SELECT channel, reason FROM suppression") == [("SMS", "unsubscribed")]


def test_a_full_provider_is_asked_again_when_it_said(world: World, server: SmsServer) -> None:
    queued(world)
    server.answers[NUMBERS[0]] = [(429, {"code": 20429, "message": "slow down"}, {"Retry-After": "600"})]
    assert dispatch(world, server)["later"] == 1
    assert world.value("SELECT due_at FROM message") == world.now + timedelta(minutes=10)
    world.pass_time(minutes=10)
    assert dispatch(world, server)["sent"] == 1


def test_a_wrong_account_pauses_sms_and_leaves_mail_alone(world: World, server: SmsServer) -> None:
    queued(world, people=3)
    server.credentials = "Basic of another account"
    for _ in range(3):
        dispatch(world, server)
        world.pass_time(seconds=1)
    assert world.value("SELECT count(*) FROM suppression") == 0
    assert world.query("SELECT channel, paused_at IS NOT NULL FROM channel ORDER BY channel") == [
        ("EMAIL", False),
        ("SMS", True),
    ]
    assert {state for state, _ in messages(world)} == {"queued"}


def test_a_limit_of_sms_per_second_is_the_channels_own(world: World, server: SmsServer) -> None:
    world.set_rules(sms_per_second=1, email_per_second=0.001)
    queued(world, people=2)
    dispatch(world, server)
    assert len(server.taken) == 1
    world.pass_time(seconds=2)
    dispatch(world, server)
    assert len(server.taken) == 2


def test_a_recorded_sms_reaches_no_provider(world: World, server: SmsServer) -> None:
    queued(world)
    world.bind_delivery("record_only")
    assert dispatch(world, server)["recorded"] == 1
    assert server.requests == [] and len(world.record.envelopes) == 1


def test_an_allow_list_names_numbers_too(world: World, server: SmsServer) -> None:
    queued(world, people=2)
    world.bind_delivery("allow_list", (NUMBERS[1],))
    dispatch(world, server)
    assert [taken["To"] for taken in server.taken] == [NUMBERS[1]]


def test_an_sms_that_no_provider_takes_is_given_up_without_asking_one(
    world: World, server: SmsServer
) -> None:
    queued(world, title="Lamp " * 400)
    dispatch(world, server)
    assert messages(world) == [("failed", "undeliverable")] and server.requests == []
