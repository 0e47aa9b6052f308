"""Every reason for which a message does not leave, or not yet, on a real database (SEMANTICS 5)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from include.domain.flow import Flow
from include.errors import ConfigurationError
from include.messaging.senders.base import Outcome
from include.services.doubts import settle_by_resending
from include.services.requests import cancel_request
from include.services.why import explain_request
from tests.builders import World, a_back_in_stock_flow, a_row

NIGHT = datetime(2026, 3, 1, 22, 30, tzinfo=UTC)


def run(world: World, statement: str, **parameters: Any) -> None:
    with world.engine.begin() as connection:
        connection.execute(text(statement), parameters)


def a_flow(name: str, *, transactional: bool = False, **step: Any) -> Flow:
    told = {"id": "tell", "kind": "send_email", "template": "back_in_stock", "status": "live", **step}
    return Flow.model_validate(
        {
            "name": name,
            "title": name,
            "trigger": {"metric": "Placed Order"},
            "transactional": transactional,
            "steps": [told],
        }
    )


def a_two_step_flow() -> Flow:
    first = a_back_in_stock_flow().model_dump()
    later = {"id": "remind", "kind": "send_email", "template": "back_in_stock", "status": "live"}
    return Flow.model_validate({**first, "steps": [*first["steps"], later]})


def queue(world: World, purpose: str, email: str = "a@example.org", **columns: Any) -> int:
    """A message of a flow other than back-in-stock, whose events do not matter here."""
    run(
        world,
        "INSERT INTO profile (shop_id, email, email_key, created_at) VALUES ('demo', :email, :email, :now)"
        " ON CONFLICT DO NOTHING",
        email=email,
        now=world.now,
    )
    known = {
        "channel": "EMAIL",
        "priority": 5,
        "variant_id": None,
        "flow_name": "other",
        "step_id": "tell",
        "due_at": world.now,
    } | columns
    if purpose == "marketing":
        consent(world, email, "EMAIL", "marketing")
    with world.engine.begin() as connection:
        return connection.execute(
            text(
                "INSERT INTO message (shop_id, message_key, channel, purpose, priority, profile_id, variant_id,"
                " flow_name, step_id, template, state, due_at, created_at)"
                " SELECT 'demo', 'flow:' || gen_random_uuid(), :channel, :purpose, :priority, profile_id,"
                " :variant_id, :flow_name, :step_id, 'back_in_stock', 'queued', :due_at, :now"
                " FROM profile WHERE email_key = :email RETURNING message_id"
            ),
            {**known, "purpose": purpose, "email": email, "now": world.now},
        ).scalar_one()


def consent(world: World, email: str, channel: str, purpose: str, state: str = "given") -> None:
    run(
        world,
        "INSERT INTO consent (shop_id, profile_id, channel, purpose, state, changed_at, source)"
        " SELECT shop_id, profile_id, :channel, :purpose, :state, :now, 'test' FROM profile"
        " WHERE email_key = :email ON CONFLICT (shop_id, profile_id, channel, purpose)"
        " DO UPDATE SET state = excluded.state",
        email=email,
        channel=channel,
        purpose=purpose,
        state=state,
        now=world.now,
    )


def released(world: World, people: int = 1, units: int = 50, **rules: object) -> list[str]:
    """People whose message is queued for a variant that is back."""
    world.set_rules(**rules)
    world.use_flow()
    world.sync(a_row("LAMP", 0))
    emails = world.ask_many("LAMP", people)
    world.sync(a_row("LAMP", units))
    world.release()
    world.move()
    return emails


def outcome(world: World, message_id: int | None = None) -> tuple[str, str | None]:
    row = world.query(
        "SELECT state, reason FROM message WHERE CAST(:id AS bigint) IS NULL OR message_id = :id"
        " ORDER BY message_id DESC",
        id=message_id,
    )[0]
    return row.state, row.reason


def due_at(world: World) -> datetime:
    return world.value("SELECT due_at FROM message ORDER BY message_id DESC LIMIT 1")


def look(world: World, message_id: int | None = None) -> tuple[str, str | None]:
    world.dispatch()
    return outcome(world, message_id)


# --- message status


def test_a_message_whose_request_was_cancelled_is_skipped(world: World) -> None:
    released(world)
    cancel_request(world.engine, "demo", 1, world.now)
    assert look(world) == ("skipped", "cancelled")


def test_a_message_of_a_batch_that_is_not_the_requests_last_is_covered(world: World) -> None:
    released(world)
    run(
        world,
        "UPDATE subscription SET state = 'waiting', batch_id = NULL, released_at = NULL WHERE subscription_id = 1",
    )
    assert look(world) == ("skipped", "covered")


def test_a_message_whose_step_was_deleted_is_skipped(world: World) -> None:
    world.use_flow(a_flow("other"))
    message = queue(world, "marketing")
    world.use_flow(a_flow("other", id="another"))
    assert look(world, message) == ("skipped", "step_deleted")


# --- consent and suppression


def test_who_was_erased_gets_nothing(world: World) -> None:
    released(world)
    run(world, "SET session_replication_role = replica; DELETE FROM profile")
    assert look(world) == ("skipped", "profile_deleted")


def test_who_has_no_address_is_skipped_as_missing_email(world: World) -> None:
    released(world)
    run(world, "UPDATE profile SET email = NULL, email_key = NULL")
    assert look(world) == ("skipped", "missing_email")


@pytest.mark.parametrize(
    ("stored", "reason"),
    [
        ("unsubscribed", "suppressed"),
        ("complaint", "suppressed"),
        ("manual", "suppressed"),
        ("invalid_address", "invalid_address"),
    ],
)
def test_a_suppressed_address_gets_nothing(world: World, stored: str, reason: str) -> None:
    emails = released(world)
    run(
        world,
        "INSERT INTO suppression VALUES ('demo', 'EMAIL', :key, :stored, :now)",
        key=emails[0],
        stored=stored,
        now=world.now,
    )
    assert look(world) == ("skipped", reason)


def test_an_alert_by_mail_needs_no_consent_but_an_objection_stops_it(world: World) -> None:
    emails = released(world, people=2)
    consent(world, emails[1], "EMAIL", "alert", "withdrawn")
    assert look(world) == ("skipped", "missing_consent")
    assert world.mail.recipients == [emails[0]]


def test_marketing_needs_consent_and_a_receipt_needs_none(world: World) -> None:
    message = queue(world, "marketing")
    consent(world, "a@example.org", "EMAIL", "marketing", "withdrawn")
    receipt = queue(world, "transactional")
    assert look(world, message) == ("skipped", "missing_consent")
    assert outcome(world, receipt) == ("sent", None)


def test_who_unsubscribed_still_gets_a_receipt_and_a_bounced_address_does_not(world: World) -> None:
    for email, stored in (("a@example.org", "unsubscribed"), ("b@example.org", "invalid_address")):
        queue(world, "transactional", email)
        run(
            world,
            "INSERT INTO suppression VALUES ('demo', 'EMAIL', :email, :stored, :now)",
            email=email,
            stored=stored,
            now=world.now,
        )
    world.dispatch()
    assert world.mail.recipients == ["a@example.org"]


# --- stock


def test_stock_that_went_returns_people_to_their_old_place(world: World) -> None:
    released(world)
    world.sync(a_row("LAMP", 0))
    assert look(world) == ("skipped", "out_of_stock_again")
    assert world.states() == {"waiting": 1}


def test_stock_below_the_batchs_minimum_is_no_stock(world: World) -> None:
    released(world, units=9, min_inventory=5)
    world.sync(a_row("LAMP", 4))
    assert look(world) == ("skipped", "out_of_stock_again")


def test_a_message_waits_while_the_stock_is_stale(world: World) -> None:
    released(world)
    world.pass_time(hours=2)
    assert look(world) == ("queued", "stale_stock")
    assert due_at(world) == world.now + timedelta(minutes=15)
    assert "waits: stale_stock" in explain_request(world.engine, 1, world.now).sentence


def test_of_a_batch_that_waited_only_as_many_leave_as_the_stock_still_allows(world: World) -> None:
    emails = released(world, people=100, units=20, customers_per_unit=5)
    world.sync(a_row("LAMP", 7))
    world.dispatch()
    assert world.mail.recipients == emails[:35]
    assert world.states() == {"notified": 35, "waiting": 65}


def test_a_later_batch_counts_those_in_flight_before_it(world: World) -> None:
    emails = released(world, people=100, units=10, customers_per_unit=5, wait_minutes=1)
    world.pass_time(minutes=2)
    world.sync(a_row("LAMP", 20))
    world.release()
    world.move()
    world.sync(a_row("LAMP", 12))
    world.dispatch()
    assert world.mail.recipients == emails[:60]


def test_stock_that_rose_or_stayed_stops_nobody(world: World) -> None:
    emails = released(world, people=100, units=20, customers_per_unit=5)
    world.sync(a_row("LAMP", 21))
    world.dispatch()
    assert world.mail.recipients == emails


def test_a_later_message_is_held_without_stock_and_leaves_when_it_is_back(world: World) -> None:
    world.use_flow(a_two_step_flow())
    world.sync(a_row("LAMP", 0))
    world.ask("a@example.org", "LAMP")
    world.sync(a_row("LAMP", 5))
    assert world.tell() == ["a@example.org"]
    world.move(step="remind")
    world.sync(a_row("LAMP", 0))
    assert look(world) == ("queued", "hold")
    assert due_at(world) == world.now + timedelta(days=1)
    assert world.states() == {"notified": 1}
    world.sync(a_row("LAMP", 0))
    assert world.dispatch()["later"] == 0
    world.sync(a_row("LAMP", 5))
    assert world.dispatch()["sent"] == 1


def test_a_step_that_requires_stock_holds_its_messages_while_there_is_none(world: World) -> None:
    world.use_flow(a_flow("other", require_stock=True))
    world.sync(a_row("LAMP", 0), a_row("VASE", 3))
    without = queue(world, "marketing", variant_id="LAMP")
    with_stock = queue(world, "marketing", "b@example.org", variant_id="VASE")
    assert look(world, without) == ("queued", "hold")
    assert outcome(world, with_stock) == ("sent", None)


# --- quiet hours


def at_night(world: World, **rules: object) -> list[str]:
    world.now = world.window_start = NIGHT
    return released(world, **rules)


def test_mail_has_no_quiet_hours_unless_they_are_switched_on(world: World) -> None:
    emails = at_night(world)
    world.dispatch()
    assert world.mail.recipients == emails


def test_a_message_waits_for_the_end_of_the_quiet_hours_in_the_shops_zone(world: World) -> None:
    at_night(world, quiet_hours_email="21:00-08:00")
    assert look(world) == ("queued", "quiet_hours")
    assert due_at(world) == datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
    assert (
        "waits: quiet_hours, looked at again 2026-03-02 07:00:00 UTC"
        in explain_request(world.engine, 1, world.now).sentence
    )
    assert world.dispatch()["later"] == 0
    world.now = world.window_start = due_at(world)
    world.sync(a_row("LAMP", 50))
    assert world.dispatch()["sent"] == 1


def test_the_recipients_zone_counts_before_the_shops(world: World) -> None:
    at_night(world, people=2, quiet_hours_email="21:00-08:00")
    run(world, "UPDATE profile SET time_zone = 'America/New_York' WHERE profile_id = 1")
    world.dispatch()
    assert world.query("SELECT state, reason FROM message ORDER BY message_id") == [
        ("sent", None),
        ("queued", "quiet_hours"),
    ]


def test_a_public_holiday_of_the_recipients_country_is_quiet_as_a_whole(world: World) -> None:
    world.now = world.window_start = datetime(2026, 12, 25, 11, 0, tzinfo=UTC)
    released(world, people=2, quiet_hours_email="21:00-08:00", quiet_holidays="DE, FR")
    run(world, "UPDATE profile SET time_zone = 'Europe/Zurich' WHERE profile_id = 2")
    world.dispatch()
    assert world.query("SELECT state, reason, due_at FROM message ORDER BY message_id")[0] == (
        "queued",
        "quiet_hours",
        datetime(2026, 12, 27, 7, 0, tzinfo=UTC),
    )
    assert world.mail.recipients == ["p0001@example.org"]


def test_a_receipt_knows_no_quiet_hours(world: World) -> None:
    world.now = NIGHT
    world.set_rules(quiet_hours_email="21:00-08:00")
    receipt = queue(world, "transactional")
    assert look(world, receipt) == ("sent", None)


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ("quiet_hours_sms", "21-8"),
        ("quiet_hours_email", "08:00-08:00"),
        ("quiet_holidays", "Germany"),
        ("quiet_holidays", "DE, XX"),
        ("frequency_cap", "0"),
        ("above_frequency_cap", "drop"),
        ("smart_sending_hours_sms", "-1"),
    ],
)
def test_a_wrong_rule_names_its_variable_and_what_is_allowed(world: World, rule: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"Variable restock_{rule} is '{value}'.*[Aa]llowed"):
        world.set_rules(**{rule: value})


# --- Smart Sending


def test_marketing_is_skipped_for_who_got_a_mail_within_the_window(world: World) -> None:
    world.use_flow(a_flow("other"))
    queue(world, "marketing")
    world.dispatch()
    world.pass_time(hours=15, minutes=59)
    assert look(world, queue(world, "marketing")) == ("skipped", "smart_sending")
    world.pass_time(minutes=2)
    assert look(world, queue(world, "marketing")) == ("sent", None)


def test_a_skipped_message_does_not_start_the_timer_anew(world: World) -> None:
    world.use_flow(a_flow("other"))
    queue(world, "marketing")
    world.dispatch()
    world.pass_time(hours=15)
    assert look(world, queue(world, "marketing")) == ("skipped", "smart_sending")
    world.pass_time(hours=1, minutes=1)
    assert look(world, queue(world, "marketing")) == ("sent", None)


def test_an_attempt_that_bounced_starts_the_timer_too(world: World) -> None:
    world.use_flow(a_flow("other"))
    queue(world, "marketing")
    world.mail.answers["a@example.org"] = Outcome("message_refused", "554", "no")
    assert look(world) == ("failed", "undeliverable")
    world.mail.answers.clear()
    world.pass_time(hours=1)
    assert look(world, queue(world, "marketing")) == ("skipped", "smart_sending")


def test_the_window_is_the_one_that_held_when_the_last_message_left(world: World) -> None:
    world.use_flow(a_flow("other"))
    world.set_rules(smart_sending_hours_email=48)
    queue(world, "marketing")
    world.dispatch()
    world.pass_time(hours=20)
    world.set_rules(smart_sending_hours_email=10)
    assert look(world, queue(world, "marketing")) == ("skipped", "smart_sending")


def test_smart_sending_is_off_for_back_in_stock_and_counts_what_that_sent(world: World) -> None:
    world.use_flow(a_back_in_stock_flow(), a_flow("other"))
    world.sync(a_row("LAMP", 0), a_row("VASE", 0))
    world.ask("a@example.org", "LAMP")
    world.ask("a@example.org", "VASE")
    world.sync(a_row("LAMP", 5), a_row("VASE", 5))
    assert len(world.tell()) == 2
    assert look(world, queue(world, "marketing")) == ("skipped", "smart_sending")


def test_smart_sending_can_be_switched_per_step_and_receipts_ignore_it(world: World) -> None:
    world.use_flow(
        a_flow("other", smart_sending=False), a_flow("receipt", transactional=True, smart_sending=True)
    )
    queue(world, "marketing")
    world.dispatch()
    assert look(world, queue(world, "marketing")) == ("sent", None)
    assert look(world, queue(world, "transactional", flow_name="receipt")) == ("sent", None)


def test_two_marketing_mails_at_once_become_one(world: World) -> None:
    world.use_flow(a_flow("other"))
    first, second = queue(world, "marketing"), queue(world, "marketing")
    world.dispatch()
    assert outcome(world, first) == ("sent", None)
    assert outcome(world, second) == ("queued", "frequency_cap")
    world.pass_time(minutes=1)
    assert look(world, second) == ("skipped", "smart_sending")


def test_each_channel_has_a_timer_of_its_own(world: World) -> None:
    world.use_flow(a_flow("other"))
    run(
        world,
        "INSERT INTO profile (shop_id, email, email_key, created_at) SELECT 'demo', x, x, :now"
        " FROM (VALUES ('a@example.org')) AS v (x)",
        now=world.now,
    )
    queue(world, "marketing")
    run(world, "UPDATE message SET channel = 'SMS', state = 'sent', ended_at = :now", now=world.now)
    assert look(world, queue(world, "marketing")) == ("sent", None)


# --- frequency cap


def test_a_cap_over_all_flows_lets_the_next_message_wait_until_the_oldest_is_out_of_the_window(
    world: World,
) -> None:
    world.set_rules(frequency_cap=2, frequency_cap_days=3)
    world.use_flow(a_flow("other", smart_sending=False), a_flow("more", smart_sending=False))
    queue(world, "marketing")
    world.dispatch()
    first_at = world.now
    world.pass_time(hours=5)
    assert look(world, queue(world, "marketing", flow_name="more")) == ("sent", None)
    third = queue(world, "marketing")
    assert look(world, third) == ("queued", "frequency_cap")
    assert due_at(world) == first_at + timedelta(days=3)
    world.now = due_at(world)
    assert look(world, third) == ("sent", None)


def test_above_the_cap_messages_can_be_skipped_instead(world: World) -> None:
    world.set_rules(frequency_cap=1, above_frequency_cap="skip")
    world.use_flow(a_flow("other", smart_sending=False))
    queue(world, "marketing")
    world.dispatch()
    assert look(world, queue(world, "marketing")) == ("skipped", "frequency_cap")


def test_receipts_are_neither_capped_nor_counted(world: World) -> None:
    world.set_rules(frequency_cap=1)
    world.use_flow(a_flow("other", smart_sending=False))
    for _ in range(3):
        queue(world, "transactional")
    assert world.dispatch()["sent"] == 3
    assert look(world, queue(world, "marketing")) == ("sent", None)


def test_alerts_above_those_allowed_per_day_wait_until_the_first_is_a_day_old(world: World) -> None:
    world.set_rules(max_alerts_per_day=2)
    world.use_flow()
    names = [f"V{number}" for number in range(3)]
    world.sync(*[a_row(name, 0) for name in names])
    for name in names:
        world.ask("eager@example.org", name)
    world.sync(*[a_row(name, 5) for name in names])
    assert len(world.tell()) == 2
    sent_at = world.now
    world.pass_time(minutes=1)
    assert look(world) == ("queued", "frequency_cap")
    assert due_at(world) == sent_at + timedelta(hours=24)


# --- render, and the order of what leaves


@pytest.mark.parametrize("statement", ["DELETE FROM variant", "UPDATE variant SET is_published = false"])
def test_a_message_about_an_item_that_the_catalog_does_not_show_is_skipped_whole(
    world: World, statement: str
) -> None:
    world.use_flow(a_flow("other"))
    world.sync(a_row("LAMP", 5))
    message = queue(world, "marketing", variant_id="LAMP")
    run(world, statement)
    assert look(world, message) == ("skipped", "catalog_item_unavailable")


def test_every_check_is_made_again_after_a_wait(world: World) -> None:
    at_night(world, quiet_hours_email="21:00-08:00")
    assert look(world) == ("queued", "quiet_hours")
    world.now = world.window_start = due_at(world)
    world.sync(a_row("LAMP", 0))
    assert look(world) == ("skipped", "out_of_stock_again")


def test_receipts_leave_before_alerts_and_alerts_before_marketing(world: World) -> None:
    world.use_flow(a_flow("other"), a_flow("receipt", transactional=True), a_back_in_stock_flow())
    world.sync(a_row("LAMP", 0))
    for name in ("other", "receipt"):
        world.ask(f"{name}@example.org", "LAMP")
        consent(world, f"{name}@example.org", "EMAIL", "marketing")
        run(
            world,
            "INSERT INTO enrolment (shop_id, flow_name, profile_id, step_id, due_at, state, entered_at)"
            " SELECT 'demo', :name, profile_id, 'tell', :now, 'active', :now FROM profile"
            " WHERE email_key = :name || '@example.org'",
            name=name,
            now=world.now,
        )
    world.ask("alert@example.org", "LAMP")
    run(
        world,
        "UPDATE subscription SET state = 'cancelled', ended_at = :now WHERE profile_id < 3",
        now=world.now,
    )
    world.sync(a_row("LAMP", 5))
    world.release()
    world.move("other")
    world.move()
    world.move("receipt")
    world.dispatch()
    assert world.mail.recipients == ["receipt@example.org", "alert@example.org", "other@example.org"]


def test_all_but_receipts_say_how_to_unsubscribe_in_their_header(world: World) -> None:
    world.use_flow(a_flow("other"))
    queue(world, "transactional")
    queue(world, "marketing", "b@example.org")
    world.dispatch()
    headers = [b"List-Unsubscribe:" in envelope.content for envelope in world.mail.envelopes]
    assert headers == [False, True]


def test_a_message_whose_step_is_a_draft_by_now_does_not_leave_and_its_request_waits(world: World) -> None:
    released(world)
    world.use_flow(a_back_in_stock_flow(status="draft"))
    assert look(world) == ("skipped", "no_live_message")
    assert world.query("SELECT state, reason FROM subscription") == [("waiting", "no_live_message")]
    world.use_flow()
    assert world.tell() == ["p0000@example.org"]


def test_a_message_of_a_flow_whose_file_is_gone_does_not_leave_and_its_request_waits(world: World) -> None:
    released(world)
    world.use_flow(a_flow("other"))
    assert look(world) == ("skipped", "no_live_message")
    assert world.states() == {"waiting": 1}


def test_a_message_whose_step_is_manual_by_now_is_held_until_a_person_lets_it_go(world: World) -> None:
    released(world, people=2)
    world.use_flow(a_back_in_stock_flow(status="manual"))
    assert look(world) == ("held", "manual")
    settle_by_resending(world.engine, 1, world.now)
    world.dispatch()
    assert world.mail.recipients == ["p0000@example.org"]
    assert outcome(world, 2) == ("held", "manual")


def test_a_message_that_a_person_let_go_is_not_held_again_after_a_wait(world: World) -> None:
    released(world)
    world.use_flow(a_back_in_stock_flow(status="manual"))
    look(world)
    settle_by_resending(world.engine, 1, world.now)
    world.mail.answers["p0000@example.org"] = Outcome("temporary", "450", "later")
    assert look(world) == ("queued", "temporary_error")
    world.mail.answers.clear()
    world.now = due_at(world)
    assert look(world) == ("sent", None)
