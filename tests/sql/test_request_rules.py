"""SEMANTICS 3.1 to 3.8, rule by rule."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from include.domain.request import Request
from include.errors import ConfigurationError, NotFound, RowRejected
from include.services.asking import ask_to_be_told
from include.services.contacts import check_phone, read_request
from include.services.housekeeping import tidy
from include.services.requests import cancel_by_token, confirm_by_token, keep_by_token, take_requests
from include.services.waiting_list import (
    count_waiting,
    export_waiting_list,
    import_waiting_list,
    list_refused,
)
from tests.builders import World, a_row, a_shop, a_two_channel_flow

PHONE = "+493012345678"


def asked(world: World, email: str = "a@example.org", phone: str = "", **changes: str) -> Request:
    given = {"variant": "LAMP", "product": "", "channels": "", "quantity": "1", **changes}
    return read_request(email, phone, now=world.now, **given)


def ask(world: World, request: Request, **consent: str) -> str:
    return ask_to_be_told(world.engine, "demo", request, "api", world.now, consent or None).answer


def agree_to_sms(world: World, profile_id: int) -> None:
    with world.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO consent (shop_id, profile_id, channel, purpose, state, changed_at, source)"
                " VALUES ('demo', :person, 'SMS', 'alert', 'given', :now, 'test')"
            ),
            {"person": profile_id, "now": world.now},
        )


def suppress(world: World, channel: str, address: str, reason: str = "unsubscribed") -> None:
    with world.engine.begin() as connection:
        connection.execute(
            text("INSERT INTO suppression VALUES ('demo', :channel, :address, :reason, :now)"),
            {"channel": channel, "address": address, "reason": reason, "now": world.now},
        )


def housekeeping(world: World) -> dict[str, int]:
    return tidy(world.engine, None, world.now)


# 3.1 one request, its channels, one person


def test_3_1_a_request_holds_all_that_was_asked_for(world: World) -> None:
    ask(world, asked(world, phone="+49 30 12345678", channels="sms,email", quantity="3"))
    assert world.query(
        "SELECT variant_id, channels, wanted_quantity, source, subscribed_at, state, email, phone"
        " FROM subscription JOIN profile USING (shop_id, profile_id)"
    ) == [("LAMP", ["SMS", "EMAIL"], 3, "api", world.now, "waiting", "a@example.org", PHONE)]


def test_3_1_push_and_whatsapp_are_stored_and_shown_as_not_deliverable(world: World) -> None:
    ask(world, asked(world, channels="PUSH,WHATSAPP"))
    ask(world, asked(world, "b@example.org", channels="WHATSAPP,EMAIL"))
    counted = count_waiting(world.engine, "demo")
    assert (counted.waiting_count, counted.undeliverable_count) == (2, 1)


def two_channels(world: World, preferred: tuple[str, ...] = ("EMAIL", "SMS"), consent: bool = True) -> None:
    world.register(a_shop(preferred_channels=preferred))
    world.use_flow(a_two_channel_flow())
    world.sync(a_row("LAMP", 0))
    ask(
        world,
        asked(world, phone=PHONE, channels="EMAIL,SMS"),
        **({"text": "Yes, by SMS"} if consent else {}),
    )
    world.sync(a_row("LAMP", 5))
    world.release()
    world.move(step="tell")
    world.move(step="text")


def test_3_1_the_first_channel_that_the_shop_prefers_is_used_and_never_both(world: World) -> None:
    two_channels(world, ("SMS", "EMAIL"))
    assert world.query("SELECT channel, state FROM message") == [("SMS", "queued")]
    assert world.states() == {"released": 1}


def test_3_1_the_other_channel_is_the_fallback_where_the_first_may_not_be_used(world: World) -> None:
    two_channels(world, ("SMS", "EMAIL"), consent=False)
    assert world.query("SELECT channel, state FROM message") == [("EMAIL", "queued")]


def test_3_1_a_refused_address_falls_back_to_the_other_channel_at_the_old_place(world: World) -> None:
    from include.messaging.senders.base import Outcome

    two_channels(world)
    world.mail.answers["a@example.org"] = Outcome("address_refused", "5.1.1", "no such user")
    world.dispatch()
    assert world.states() == {"waiting": 1}


@pytest.mark.parametrize("consent", [None, "given", "withdrawn"])
@pytest.mark.parametrize("suppressed", [None, "EMAIL", "SMS"])
@pytest.mark.parametrize("preferred", [("EMAIL", "SMS"), ("SMS", "EMAIL")])
def test_3_1_the_channel_is_picked_as_the_rule_says(world: World, consent, suppressed, preferred) -> None:
    from include.domain.channel import pick_channel

    world.register(a_shop(preferred_channels=preferred))
    ask(world, asked(world, phone=PHONE, channels="EMAIL,SMS"))
    if consent:
        agree_to_sms(world, 1)
        with world.engine.begin() as connection:
            connection.execute(text("UPDATE consent SET state = :state"), {"state": consent})
    if suppressed:
        suppress(world, suppressed, {"EMAIL": "a@example.org", "SMS": PHONE}[suppressed])
    reachable = {"EMAIL", *(["SMS"] if consent == "given" else [])} - {suppressed}
    for wanted in (["EMAIL"], ["SMS"], ["EMAIL", "SMS"], ["PUSH"]):
        for offered in (["EMAIL"], ["EMAIL", "SMS"]):
            picked = world.value(
                "SELECT pick_channel('demo', 1, :wanted, :offered)", wanted=wanted, offered=offered
            )
            assert picked == pick_channel(preferred, wanted, offered, reachable)


def test_3_1_an_objection_stops_alerts_by_email_too(world: World) -> None:
    ask(world, asked(world))
    assert world.value("SELECT channel_obstacle('demo', 'EMAIL', 1)") is None
    with world.engine.begin() as connection:
        connection.execute(
            text("INSERT INTO consent VALUES ('demo', 1, 'EMAIL', 'alert', 'withdrawn', :now, 'test')"),
            {"now": world.now},
        )
    assert world.value("SELECT channel_obstacle('demo', 'EMAIL', 1)") == "missing_consent"


# 3.2 states


@pytest.mark.parametrize(
    "change",
    [
        "state = 'released'",
        "state = 'notified'",
        "state = 'notified', ended_at = now()",
        "state = 'skipped', ended_at = now()",
        "state = 'skipped', reason = 'suppressed'",
        "state = 'expired', ended_at = now()",
        "state = 'cancelled'",
        "notified_at = now()",
        "ended_at = now()",
        "state = 'unconfirmed', confirmed_at = now()",
        "covered_by = 1",
        "variant_id = NULL",
        "state = 'lost'",
        "channels = '{}'",
        "channels = '{PIGEON}'",
        "wanted_quantity = 0",
    ],
)
def test_3_2_no_state_without_what_belongs_to_it(world: World, change: str) -> None:
    ask(world, asked(world))
    with pytest.raises(IntegrityError), world.engine.begin() as connection:
        connection.execute(text(f"UPDATE subscription SET {change}"))


def test_3_2_every_rule_of_the_states_says_what_it_is_for(world: World) -> None:
    silent = world.query(
        "SELECT conname FROM pg_constraint WHERE conrelid = 'subscription'::regclass AND contype = 'c'"
        " AND conname NOT LIKE '%check' AND obj_description(oid, 'pg_constraint') IS NULL"
    )
    assert silent == []


@pytest.mark.parametrize("wish", [{"variant": "LAMP"}, {"variant": "", "product": "LIGHTS"}])
def test_3_2_nobody_has_two_open_requests_for_the_same(world: World, wish: dict[str, str]) -> None:
    ask(world, asked(world, **wish))
    again = text(
        "INSERT INTO subscription (shop_id, variant_id, product_id, profile_id, channels, source, subscribed_at,"
        " created_at, state) SELECT shop_id, variant_id, product_id, profile_id, channels, source, subscribed_at,"
        " created_at, state FROM subscription"
    )
    with pytest.raises(IntegrityError, match="unique"), world.engine.begin() as connection:
        connection.execute(again)
    cancel_by_token(world.engine, world.token("cancel", 1), world.now)
    world.pass_time(minutes=1)
    assert ask(world, asked(world, **wish)) == "waiting"


# 3.3 duplicates


@pytest.mark.parametrize("wish", [{"variant": "LAMP"}, {"variant": "", "product": "LIGHTS"}])
def test_3_3_of_several_requests_that_arrive_together_the_first_gives_the_place_and_the_last_the_wish(
    world: World, wish: dict[str, str]
) -> None:
    later = replace(asked(world, quantity="7", **wish), channels=("SMS",))
    first = replace(asked(world, quantity="72", **wish), subscribed_at=world.now - timedelta(minutes=1))
    with world.engine.begin() as connection:
        taken = take_requests(connection, "demo", [later, first], "api", "notify", world.now)
    assert (taken.new, taken.merged) == (1, 0)
    assert world.query("SELECT subscribed_at, wanted_quantity, channels FROM subscription") == [
        (first.subscribed_at, 7, ["EMAIL", "SMS"])
    ]


def test_3_3_addresses_compare_case_folded_and_numbers_in_e_164(world: World) -> None:
    for email, phone in (("A@Example.org", "+49 (30) 123 456-78"), ("a@EXAMPLE.org", "+493012345678")):
        ask(world, asked(world, email, phone))
    assert world.value("SELECT count(*) FROM profile") == 1
    assert world.query("SELECT count(*), min(subscription_id) FROM subscription") == [(1, 1)]


def test_3_3_a_phone_number_needs_its_country_code() -> None:
    for wrong in ("030 12345678", "+4", "+999999999999999999", "call me"):
        with pytest.raises(RowRejected, match="country code") as refused:
            check_phone(wrong)
        assert wrong not in str(refused.value).replace("+49 30 1234567", "")


def test_3_3_one_address_gets_no_more_confirmation_mails_a_day_than_alerts(world: World) -> None:
    world.register(a_shop(double_opt_in=True))
    world.set_rules(max_alerts_per_day=2)
    for number in range(4):
        ask(world, asked(world, variant=f"V{number}"))
        ask(world, asked(world, variant=f"V{number}"))
    assert world.value("SELECT count(*) FROM message") == 2
    world.pass_time(hours=25)
    ask(world, asked(world, variant="V3"))
    assert world.value("SELECT count(*) FROM message") == 3


# 3.4 unknown variants


def test_3_4_an_unknown_variant_is_kept_counted_and_joins_when_the_catalog_learns_it(world: World) -> None:
    world.use_flow()
    world.sync(a_row("VASE", 1))
    assert ask(world, asked(world, variant="LAMP")) == "waiting"
    assert count_waiting(world.engine, "demo").unmatched_count == 1
    world.sync(a_row("VASE", 1), a_row("LAMP", 0))
    assert count_waiting(world.engine, "demo").unmatched_count == 0
    world.sync(a_row("VASE", 1), a_row("LAMP", 3))
    assert world.tell() == ["a@example.org"]


# 3.5 asking while it is in stock


def test_3_5_who_asks_while_it_is_in_stock_joins_the_next_batch_by_default(world: World) -> None:
    world.use_flow()
    world.sync(a_row("LAMP", 3))
    assert ask(world, asked(world)) == "waiting"
    assert world.tell() == ["a@example.org"]


def test_3_5_next_restock_waits_for_an_event_later_than_the_request(world: World) -> None:
    world.use_flow()
    world.set_rules(in_stock_request="next_restock")
    world.sync(a_row("LAMP", 3))
    assert ask(world, asked(world)) == "waiting"
    assert world.tell() == []
    world.sync(a_row("LAMP", 0))
    world.sync(a_row("LAMP", 3))
    assert world.tell() == ["a@example.org"]


def test_3_5_reject_takes_nothing_for_what_is_in_stock_and_all_else(world: World) -> None:
    world.set_rules(in_stock_request="reject")
    world.sync(a_row("LAMP", 3, product_id="LIGHTS"), a_row("VASE", 0, product_id="POTS"))
    assert ask(world, asked(world)) == "in_stock"
    assert ask(world, asked(world, variant="", product="LIGHTS")) == "in_stock"
    assert ask(world, asked(world, variant="VASE")) == "waiting"
    assert ask(world, asked(world, variant="", product="POTS")) == "waiting"
    assert ask(world, asked(world, variant="UNKNOWN")) == "waiting"


# 3.6 expiry, double opt-in, cancel


def test_3_6_nothing_expires_by_default(world: World) -> None:
    ask(world, asked(world))
    world.pass_time(days=5000)
    housekeeping(world)
    assert world.states() == {"waiting": 1}


def test_3_6_a_request_ends_after_expire_days(world: World) -> None:
    world.set_rules(expire_days=90)
    ask(world, asked(world))
    world.pass_time(days=89)
    assert housekeeping(world)["expired"] == 0
    world.pass_time(days=1)
    assert housekeeping(world)["expired"] == 1
    assert world.query("SELECT state, reason FROM subscription") == [("expired", "too_old")]


def test_3_6_who_still_wants_it_keeps_the_place_and_is_asked_again_later(world: World) -> None:
    world.set_rules(expire_days=90, still_wanted_days=10)
    ask(world, asked(world))
    place = world.now
    world.pass_time(days=80)
    assert housekeeping(world)["asked"] == 1
    assert housekeeping(world)["asked"] == 0
    world.dispatch()
    assert "Still want" in str(world.mail.envelopes[0].content)
    assert keep_by_token(world.engine, world.token("keep", 1), world.now)
    world.pass_time(days=79)
    assert housekeeping(world) | {"asked": 0, "expired": 0} == housekeeping(world)
    assert world.query("SELECT state, subscribed_at FROM subscription") == [("waiting", place)]
    world.pass_time(days=1)
    assert housekeeping(world)["asked"] == 1


def test_3_6_who_does_not_answer_expires_and_who_cant_be_asked_too(world: World) -> None:
    world.set_rules(expire_days=90, still_wanted_days=10)
    ask(world, asked(world))
    ask(world, asked(world, "", PHONE))
    world.pass_time(days=90)
    assert housekeeping(world) | {"expired": 1, "asked": 1} == housekeeping(world) | {
        "expired": 1,
        "asked": 1,
    }
    world.pass_time(days=9)
    assert housekeeping(world)["expired"] == 0
    world.pass_time(days=1)
    assert housekeeping(world)["expired"] == 1
    assert world.states() == {"expired": 2}


def test_3_6_one_person_is_asked_only_so_often_a_day(world: World) -> None:
    world.set_rules(expire_days=90, still_wanted_days=10, max_alerts_per_day=2)
    for number in range(3):
        ask(world, asked(world, variant=f"V{number}"))
    world.pass_time(days=80)
    assert [housekeeping(world)["asked"], housekeeping(world)["asked"]] == [2, 0]
    world.pass_time(hours=25)
    assert housekeeping(world)["asked"] == 1


def test_3_6_nobody_can_be_asked_longer_before_the_end_than_a_request_lasts(world: World) -> None:
    for days in ({"expire_days": 10, "still_wanted_days": 10}, {"still_wanted_days": 1}):
        with pytest.raises(ConfigurationError, match=r"restock_still_wanted_days.*smaller than expire_days"):
            world.set_rules(**days)


def test_3_6_with_double_opt_in_nobody_waits_before_the_link_was_followed(world: World) -> None:
    world.register(a_shop(double_opt_in=True))
    world.use_flow()
    world.sync(a_row("LAMP", 0, title="Brass lamp"))
    assert ask(world, asked(world)) == "unconfirmed"
    world.sync(a_row("LAMP", 3, title="Brass lamp"))
    assert world.tell() == ["a@example.org"]
    assert "Please confirm" in str(world.mail.envelopes[0].content)
    assert world.states() == {"unconfirmed": 1}
    assert confirm_by_token(world.engine, world.token("confirm", 1), world.now)
    assert not confirm_by_token(world.engine, world.token("confirm", 1), world.now)
    assert world.tell() == ["a@example.org"]
    assert world.states() == {"notified": 1}


def test_3_6_a_confirmed_request_stands_where_it_was_asked_for(world: World) -> None:
    world.use_flow()
    world.register(a_shop(double_opt_in=True))
    world.sync(a_row("LAMP", 0))
    ask(world, asked(world, "first@example.org"))
    world.pass_time(hours=1)
    ask(world, asked(world, "second@example.org"))
    confirm_by_token(world.engine, world.token("confirm", 2), world.now)
    world.pass_time(hours=1)
    confirm_by_token(world.engine, world.token("confirm", 1), world.now)
    world.dispatch()
    world.set_rules(customers_per_unit=1)
    world.sync(a_row("LAMP", 1))
    assert world.tell() == ["first@example.org"]


def test_3_6_what_is_never_confirmed_ends_and_can_be_asked_for_again(world: World) -> None:
    world.register(a_shop(double_opt_in=True))
    ask(world, asked(world))
    world.pass_time(days=7)
    assert housekeeping(world)["unconfirmed_ended"] == 1
    assert world.query("SELECT state, reason FROM subscription") == [("expired", "unconfirmed")]
    assert ask(world, asked(world)) == "unconfirmed"


def test_3_6_double_opt_in_needs_an_email_address(world: World) -> None:
    world.register(a_shop(double_opt_in=True))
    with pytest.raises(RowRejected, match="an e-mail address is needed"):
        ask(world, asked(world, "", PHONE))


def test_3_6_an_import_needs_no_confirmation(world: World) -> None:
    world.register(a_shop(double_opt_in=True))
    import_waiting_list(world.engine, "demo", a_file(world, "a@example.org,,LAMP,,2026-01-02\n"), world.now)
    assert world.states() == {"waiting": 1}


def test_3_6_a_link_cancels_one_request_and_no_other(world: World) -> None:
    ask(world, asked(world))
    ask(world, asked(world, variant="VASE"))
    assert cancel_by_token(world.engine, world.token("cancel", 1), world.now)
    assert not cancel_by_token(world.engine, world.token("cancel", 1), world.now)
    assert world.query("SELECT variant_id, state FROM subscription ORDER BY 1") == [
        ("LAMP", "cancelled"),
        ("VASE", "waiting"),
    ]


def test_3_6_cancelling_ends_the_flow_and_what_has_not_left(world: World) -> None:
    world.use_flow()
    world.sync(a_row("LAMP", 0))
    ask(world, asked(world))
    world.sync(a_row("LAMP", 3))
    world.release()
    assert cancel_by_token(world.engine, world.token("cancel", 1), world.now)
    assert world.query("SELECT state, reason FROM enrolment") == [("ended", "cancelled")]
    assert world.move() == {"moved": 0, "messages": 0}


def test_3_6_a_token_serves_its_purpose_only(world: World) -> None:
    ask(world, asked(world))
    for act, purpose in ((cancel_by_token, "keep"), (keep_by_token, "confirm"), (confirm_by_token, "cancel")):
        with pytest.raises(NotFound, match="token is not one of this database"):
            act(world.engine, world.token(purpose, 1), world.now)


def test_3_6_every_alert_carries_the_link_that_cancels_its_request(world: World) -> None:
    world.use_flow()
    world.sync(a_row("LAMP", 0))
    ask(world, asked(world))
    world.sync(a_row("LAMP", 3))
    world.tell()
    assert f"cancel%20{world.token('cancel', 1)}" in world.mail.envelopes[0].content.decode().replace(
        "=\r\n", ""
    )


# 3.7 import and export

HEADER = "email,phone,variant_id,product_id,subscribed_at\n"


def a_file(world: World, rows: str, header: str = HEADER) -> Path:
    world.folder.mkdir(parents=True, exist_ok=True)
    file = world.folder / "list.csv"
    file.write_text(header + rows, encoding="utf-8")
    return file


def test_3_7_phones_and_products_come_in_and_go_out_again(world: World) -> None:
    rows = (
        "a@example.org,+49 30 12345678,LAMP,,2026-01-01\n"
        ",+49 30 12345679,LAMP,,2026-01-02\n"
        "a@example.org,,,LIGHTS,2026-01-03\n"
    )
    assert import_waiting_list(world.engine, "demo", a_file(world, rows), world.now).new == 3
    target = io.StringIO(newline="")
    export_waiting_list(world.engine, "demo", target)
    read = list(csv.DictReader(io.StringIO(target.getvalue(), newline="")))
    assert [(row["email"], row["variant_id"], row["product_id"], row["channels"]) for row in read] == [
        ("a@example.org", "LAMP", "", "EMAIL"),
        ("", "LAMP", "", "SMS"),
        ("a@example.org", "", "LIGHTS", "EMAIL"),
    ]
    again = world.folder / "again.csv"
    again.write_text(target.getvalue(), encoding="utf-8", newline="")
    assert import_waiting_list(world.engine, "demo", again, world.now).known == 3


def test_3_7_each_refused_row_is_listed_with_its_reason_and_without_its_address(world: World) -> None:
    rows = (
        "a@example.org,030 12,LAMP,,2026-01-01\n"
        ",,LAMP,,2026-01-01\n"
        "a@example.org,,LAMP,LIGHTS,2026-01-01\n"
        "a@example.org,,,,2026-01-01\n"
    )
    import_waiting_list(world.engine, "demo", a_file(world, rows), world.now)
    refused = list_refused(world.engine, "demo", most=10)
    assert [row.line_number for row in refused] == [2, 3, 4, 5]
    reasons = " ".join(row.reason for row in refused)
    assert "country code" in reasons and "both variant_id and product_id" in reasons
    assert "example.org" not in reasons and "030" not in reasons


# 3.8 nobody is released to nothing


def test_3_8_who_was_released_when_the_flow_became_a_draft_waits_again_in_the_old_place(world: World) -> None:
    from tests.builders import a_back_in_stock_flow

    world.use_flow()
    world.sync(a_row("LAMP", 0))
    ask(world, asked(world))
    world.sync(a_row("LAMP", 3))
    world.release()
    world.use_flow(a_back_in_stock_flow(status="draft"))
    world.move()
    assert world.query("SELECT state, reason FROM subscription") == [("waiting", "no_live_message")]
    world.pass_time(minutes=1)
    assert world.release()["released"] == 0
    world.use_flow()
    assert world.tell() == ["a@example.org"]


def test_3_8_a_manual_message_waits_for_a_person_and_the_request_with_it(world: World) -> None:
    from include.services.doubts import settle_by_resending
    from tests.builders import a_back_in_stock_flow

    world.use_flow(a_back_in_stock_flow(status="manual"))
    world.sync(a_row("LAMP", 0))
    ask(world, asked(world))
    world.sync(a_row("LAMP", 3))
    assert world.tell() == []
    assert world.query("SELECT state, reason FROM message") == [("held", "manual")]
    assert world.states() == {"released": 1}
    settle_by_resending(world.engine, 1, world.now)
    world.dispatch()
    assert world.states() == {"notified": 1}


def test_an_age_counts_from_when_it_was_last_wanted(world: World) -> None:
    world.set_rules(expire_days=30)
    ask(world, asked(world))
    world.pass_time(days=20)
    keep_by_token(world.engine, world.token("keep", 1), world.now)
    world.pass_time(days=29)
    assert housekeeping(world)["expired"] == 0
    world.now += timedelta(days=1)
    assert housekeeping(world)["expired"] == 1
