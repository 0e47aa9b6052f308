"""Who is reached on which channel, from the request to the message (SEMANTICS 3.1, 4.6, 10.1)."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from include.db.queries import find_query
from include.domain.request import Request, fold_email
from include.messaging.senders.base import Outcome
from include.services.asking import ask_to_be_told
from tests.builders import (
    Mailbin,
    World,
    a_back_in_stock_flow,
    a_row,
    a_shop,
    a_two_channel_flow,
    an_sms_flow,
)

ANN, BEN, CAT, DAN = (f"{name}@example.org" for name in ("ann", "ben", "cat", "dan"))
PHONES = {name: f"+4915112345{number}" for number, name in enumerate((ANN, BEN, CAT, DAN), start=670)}


def run(world: World, statement: str, **parameters: object) -> None:
    with world.engine.begin() as connection:
        connection.execute(text(statement), parameters)


def ask(world: World, email: str, *channels: str, agrees_to_sms: bool = False) -> None:
    request = Request(email, fold_email(email), "LAMP", world.now, phone=PHONES[email], channels=channels)
    consent = {"text": "Yes, by SMS"} if agrees_to_sms else None
    ask_to_be_told(world.engine, "demo", request, "api", world.now, consent)


def object_to_email(world: World) -> None:
    run(
        world,
        "INSERT INTO consent SELECT shop_id, profile_id, 'EMAIL', 'alert', 'withdrawn', :now, 'test' FROM profile",
        now=world.now,
    )


def requests(world: World) -> dict[str, tuple[str, str | None]]:
    rows = world.query(
        "SELECT email, state, reason FROM subscription JOIN profile USING (shop_id, profile_id)"
    )
    return {row.email: (row.state, row.reason) for row in rows}


class Outlets:
    """Both senders; `tell` is one round of release, steps and lanes, at ten in the morning."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.sms = Mailbin()
        self.sms.channel = "SMS"

    def tell(self, *steps: str) -> None:
        self.world.release()
        for step in steps or ("tell", "text"):
            self.world.move(step=step)
        self.world.dispatch()
        self.world.dispatch("sms lane", sender=self.sms, channel="SMS")


@pytest.fixture
def outlets(world: World) -> Outlets:
    world.set_rules(quiet_hours_sms="", customers_per_unit="all")
    return Outlets(world)


def test_3_1_4_6_each_is_told_on_the_preferred_channel_that_reaches_them(
    world: World, outlets: Outlets
) -> None:
    world.register(a_shop(preferred_channels=("SMS", "EMAIL")))
    world.use_flow(a_two_channel_flow())
    world.sync(a_row("LAMP", 0))
    ask(world, ANN, "EMAIL")
    ask(world, BEN, "SMS", agrees_to_sms=True)
    ask(world, CAT, "SMS")
    ask(world, DAN, "EMAIL", "SMS", agrees_to_sms=True)
    world.sync(a_row("LAMP", 5))
    outlets.tell()
    assert requests(world) == {
        ANN: ("notified", None),
        BEN: ("notified", None),
        CAT: ("skipped", "missing_consent"),
        DAN: ("notified", None),
    }
    assert world.mail.recipients == [ANN]
    assert outlets.sms.recipients == [PHONES[BEN], PHONES[DAN]]
    assert world.query("SELECT released_count, skipped_count FROM batch") == [(3, 1)]


def test_3_1_a_refused_address_is_told_once_on_the_other_channel(world: World, outlets: Outlets) -> None:
    world.use_flow(a_two_channel_flow())
    world.sync(a_row("LAMP", 0))
    ask(world, ANN, "EMAIL", "SMS", agrees_to_sms=True)
    world.sync(a_row("LAMP", 5))
    world.mail.answers[ANN] = Outcome("address_refused", "5.1.1", "no such user")
    outlets.tell()
    assert requests(world) == {ANN: ("waiting", "invalid_address")}
    for _ in range(3):
        outlets.tell()
    assert requests(world) == {ANN: ("notified", None)}
    assert world.query("SELECT channel, state FROM message ORDER BY message_id") == [
        ("EMAIL", "failed"),
        ("SMS", "sent"),
    ]


def test_3_1_when_both_channels_refuse_the_request_ends(world: World, outlets: Outlets) -> None:
    world.use_flow(a_two_channel_flow())
    world.sync(a_row("LAMP", 0))
    ask(world, ANN, "EMAIL", "SMS", agrees_to_sms=True)
    world.sync(a_row("LAMP", 5))
    world.mail.answers[ANN] = Outcome("address_refused", "5.1.1", "no such user")
    outlets.sms.answers[PHONES[ANN]] = Outcome("address_refused", "21211", "no such number")
    for _ in range(4):
        outlets.tell()
    assert requests(world) == {ANN: ("skipped", "invalid_address")}
    assert world.value("SELECT count(*) FROM message") == 2


def test_3_1_an_address_that_no_mail_can_be_made_for_does_not_come_back(
    world: World, outlets: Outlets
) -> None:
    world.use_flow(a_two_channel_flow())
    world.sync(a_row("LAMP", 0))
    ask(world, ANN, "EMAIL", "SMS", agrees_to_sms=True)
    run(world, "UPDATE profile SET email = 'ann@example.org' || chr(10) || 'Bcc: all'")
    world.sync(a_row("LAMP", 5))
    for _ in range(3):
        outlets.tell()
    assert world.query("SELECT channel, state, reason FROM message ORDER BY message_id") == [
        ("EMAIL", "failed", "invalid_address"),
        ("SMS", "sent", None),
    ]


def test_3_1_two_flows_of_one_channel_each_do_not_chase_each_other(world: World, outlets: Outlets) -> None:
    world.use_flow(a_back_in_stock_flow(), an_sms_flow("by_sms"))
    world.sync(a_row("LAMP", 0))
    ask(world, ANN, "EMAIL", "SMS", agrees_to_sms=True)
    world.sync(a_row("LAMP", 5))
    world.mail.answers[ANN] = Outcome("address_refused", "5.1.1", "no such user")
    outlets.sms.answers[PHONES[ANN]] = Outcome("message_refused", "30007", "filtered")
    for _ in range(3):
        world.release()
        world.move("by_sms")
        outlets.tell("tell")
    assert requests(world) == {ANN: ("skipped", "invalid_address")}
    assert world.value("SELECT count(*) FROM batch") == 1


def test_3_1_nothing_is_mailed_to_who_asked_for_sms_alone(world: World, outlets: Outlets) -> None:
    world.use_flow(a_back_in_stock_flow(), an_sms_flow("by_sms"))
    world.sync(a_row("LAMP", 0))
    ask(world, BEN, "SMS", agrees_to_sms=True)
    world.sync(a_row("LAMP", 5))
    world.release()
    world.move("by_sms")
    outlets.tell("tell")
    assert world.mail.recipients == [] and outlets.sms.recipients == [PHONES[BEN]]
    assert requests(world) == {BEN: ("notified", None)}


def test_10_1_an_objection_takes_no_place_at_release(world: World) -> None:
    world.use_flow()
    world.set_rules(customers_per_unit=1)
    world.sync(a_row("LAMP", 0))
    ask(world, ANN, "EMAIL")
    object_to_email(world)
    world.pass_time(minutes=1)
    ask(world, BEN, "EMAIL")
    world.sync(a_row("LAMP", 1))
    assert world.tell() == [BEN]
    assert requests(world)[ANN] == ("skipped", "missing_consent")


def test_10_1_an_objection_after_release_leaves_the_other_channel(world: World, outlets: Outlets) -> None:
    world.use_flow(a_two_channel_flow())
    world.sync(a_row("LAMP", 0))
    ask(world, ANN, "EMAIL", "SMS", agrees_to_sms=True)
    world.sync(a_row("LAMP", 5))
    world.release()
    world.move()
    world.move(step="text")
    object_to_email(world)
    for _ in range(2):
        outlets.tell()
    assert world.mail.recipients == [] and outlets.sms.recipients == [PHONES[ANN]]


def test_4_6_a_step_that_was_deleted_tells_nobody(world: World, outlets: Outlets) -> None:
    world.use_flow(a_two_channel_flow())
    world.use_flow(a_back_in_stock_flow())
    world.sync(a_row("LAMP", 0))
    ask(world, BEN, "SMS", agrees_to_sms=True)
    world.sync(a_row("LAMP", 5))
    outlets.tell("tell")
    assert requests(world) == {BEN: ("skipped", "undeliverable")}


@pytest.mark.parametrize("way", ["choose_oldest", "choose_newest", "choose_scanned", "choose_sorted"])
def test_4_6_release_by_email_calls_no_function_per_person_to_learn_who_is_reached(
    world: World, way: str
) -> None:
    statement = find_query(f"choose.{way}").text
    plan = "\n".join(
        row[0]
        for row in world.query(f"EXPLAIN (VERBOSE) {statement}", telling_channels=["EMAIL"], now=world.now)
    )
    assert "unreachable_reason" not in plan
    assert "objection" in plan
