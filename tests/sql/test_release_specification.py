"""The pure rules of release and the SQL that carries them out say the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta

from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from include.domain.channel import channel_obstacle, unreachable_reason
from include.domain.release import (
    VariantAtRelease,
    Waiting,
    allow_release,
    basis_units,
    choose_people,
    deferral_reason,
    is_vip,
    needs_approval,
)
from include.domain.rules import RuleSet
from tests.builders import START, World, a_back_in_stock_flow, a_row, a_two_channel_flow, an_sms_flow
from tests.examples import examples

NewWorld = Callable[[], AbstractContextManager[World]]
QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
# Worlds are slow to build: a failing example is told as it was found.
AS_FOUND = [Phase.explicit, Phase.reuse, Phase.generate]


@settings(max_examples=examples(16), deadline=None, phases=AS_FOUND, suppress_health_check=QUIET)
@given(
    units=st.integers(0, 8),
    people=st.integers(0, 30),
    in_flight=st.integers(0, 12),
    invited=st.integers(0, 4),
    added=st.none() | st.integers(0, 9),
    is_absent=st.integers(0, 9).map(lambda draw: draw == 0),
    age_minutes=st.sampled_from([0, 0, 0, 61]),
    timer_minutes=st.sampled_from([None, None, -1, 0, 5]),
    declined_minutes=st.sampled_from([None, None, None, 0, 5]),
    is_live=st.integers(0, 9).map(bool),
    rules=st.builds(
        RuleSet,
        customers_per_unit=st.sampled_from(["all", 1, 2, 5]),
        min_inventory=st.integers(1, 4),
        basis=st.sampled_from(["on_hand", "added"]),
        subtract_invited_hours=st.sampled_from([0.0, 2.0, 100.0]),
        approval_above=st.sampled_from([None, None, 0, 7]),
    ),
)
def test_release_takes_as_many_as_the_rule_allows(
    new_world: NewWorld,
    units,
    people,
    in_flight,
    invited,
    added,
    is_absent,
    age_minutes,
    timer_minutes,
    declined_minutes,
    is_live,
    rules,
) -> None:
    with new_world() as world:
        world.use_flow()
        world.set_rules(customers_per_unit="all")
        world.sync(a_row("LAMP", 0))
        world.ask_many("LAMP", invited, "told")
        world.sync(a_row("LAMP", 10))
        world.tell()
        told_at = world.now
        world.pass_time(hours=3)
        world.ask_many("LAMP", in_flight, "flying")
        world.window_start = world.now
        world.sync(a_row("LAMP", 10))
        world.release()
        world.use_flow(a_back_in_stock_flow(status="live" if is_live else "draft"))
        emails = world.ask_many("LAMP", people)
        world.set_rules(**rules.model_dump())
        world.sync(a_row("LAMP", units))
        world.pass_time(minutes=age_minutes)
        timer = None if timer_minutes is None else world.now + timedelta(minutes=timer_minutes)
        declined = None if declined_minutes is None else world.now + timedelta(minutes=declined_minutes)
        with world.engine.begin() as connection:
            connection.exec_driver_sql(
                "UPDATE variant_stock SET is_absent = %s, next_release_at = %s, next_check_at = %s,"
                " declined_until = %s, added_units = %s, batched_cycle = CASE WHEN %s THEN cycle END",
                (is_absent, timer, world.now, declined, added or 0, added is not None),
            )
        counted = world.now - told_at < timedelta(hours=rules.subtract_invited_hours)
        variant = VariantAtRelease(
            units,
            units >= rules.min_inventory,
            is_absent,
            age_minutes > 60,
            in_flight,
            timer,
            added,
            invited if counted else 0,
            declined_until=declined,
        )
        allowance = allow_release(variant, rules, world.now, is_live)
        expected = emails if allowance.room is None else emails[: allowance.room]
        is_proposed = bool(expected) and needs_approval(len(expected), rules)
        world.release("the run")
        released = world.query(
            "SELECT email FROM subscription JOIN profile USING (shop_id, profile_id)"
            " JOIN batch USING (shop_id, batch_id) WHERE run_id = 'the run' ORDER BY subscribed_at"
        )
        assert [row.email for row in released] == ([] if is_proposed else expected)
        held = "awaiting_approval" if is_proposed else allowance.hold
        assert world.value("SELECT hold_reason FROM variant_stock") == held
        for batch in world.query(
            "SELECT allowed_count, basis_units, released_count, invited_count, rules FROM batch"
            " WHERE run_id = 'the run'"
        ):
            assert batch.allowed_count == allowance.room
            assert batch.basis_units == basis_units(variant, rules)
            assert batch.released_count == len(expected)
            assert batch.invited_count == variant.invited
            assert RuleSet.model_validate(batch.rules) == rules


FLOWS = {
    ("EMAIL",): a_back_in_stock_flow(),
    ("SMS",): an_sms_flow(),
    ("EMAIL", "SMS"): a_two_channel_flow(),
}
waiting_people = st.fixed_dictionaries(
    {
        "minute": st.integers(0, 5),
        "wanted": st.sampled_from([1, 1, 2, 3, 5]),
        "properties": st.sampled_from(
            [{}, {}, {"vip": True}, {"vip": "no"}, {"vip": 0}, {"vip": "Gold"}, {"vip": None}, {"vip": False}]
        ),
        "channels": st.sampled_from([*[["EMAIL"]] * 8, ["SMS"], *[["EMAIL", "SMS"]] * 3, ["PUSH"]]),
        "has": st.sampled_from([*[{"EMAIL", "SMS"}] * 6, {"EMAIL"}, {"SMS"}, set()]),
        "suppression": st.sampled_from(
            [*[{}] * 12, {"EMAIL": "unsubscribed"}, {"EMAIL": "invalid_address"}, {"SMS": "invalid_address"}]
        ),
        "consent": st.sampled_from(
            [
                {},
                *[{("SMS", "alert"): "given"}] * 3,
                {("SMS", "marketing"): "given"},
                {("SMS", "alert"): "withdrawn", ("SMS", "marketing"): "given"},
                {("EMAIL", "alert"): "withdrawn"},
                {("EMAIL", "alert"): "withdrawn", ("SMS", "alert"): "given"},
                {("EMAIL", "marketing"): "withdrawn"},
            ]
        ),
        "not_before": st.sampled_from([*[None] * 10, -1, 1]),
        "restock_after": st.sampled_from([*[None] * 10, -90, 90]),
    }
)


def a_queue(*wanted: int) -> list[dict]:
    """People who can all be told, an edge away from the room that there is."""
    plain = {
        "properties": {},
        "channels": ["EMAIL", "SMS"],
        "has": {"EMAIL", "SMS"},
        "suppression": {},
        "consent": {("SMS", "alert"): "given"},
        "not_before": None,
        "restock_after": None,
    }
    return [{**plain, "minute": minute, "wanted": units} for minute, units in enumerate(wanted)]


def a_rule(ordering: str, sizing: str, allow_overtaking: bool = False) -> RuleSet:
    return RuleSet(customers_per_unit=1, ordering=ordering, sizing=sizing, allow_overtaking=allow_overtaking)


@settings(max_examples=examples(48), deadline=None, phases=AS_FOUND, suppress_health_check=QUIET)
@given(
    people=st.lists(waiting_people, min_size=5, max_size=14) | st.lists(waiting_people, max_size=4),
    units=st.integers(1, 4),
    telling=st.sampled_from([["EMAIL"], ["EMAIL"], ["EMAIL", "SMS"], ["SMS"]]),
    rules=st.builds(
        RuleSet,
        customers_per_unit=st.sampled_from(["all", 1, 1, 2]),
        ordering=st.sampled_from(["oldest", "newest", "vip_first", "lottery"]),
        sizing=st.sampled_from(["people", "wanted_units"]),
        allow_overtaking=st.booleans(),
    ),
)
@example(people=a_queue(1, 1, 1, 1, 1), units=2, telling=["EMAIL"], rules=a_rule("vip_first", "people"))
@example(people=a_queue(1, 1, 1, 1, 1), units=3, telling=["EMAIL"], rules=a_rule("oldest", "people"))
@example(people=a_queue(1, 1, 1, 1, 1), units=3, telling=["SMS"], rules=a_rule("newest", "people"))
@example(people=a_queue(1, 3, 1, 2, 1), units=2, telling=["EMAIL"], rules=a_rule("lottery", "wanted_units"))
@example(people=a_queue(2, 1, 1, 2, 1), units=3, telling=["EMAIL"], rules=a_rule("oldest", "wanted_units"))
@example(people=a_queue(2, 2, 1, 1), units=3, telling=["EMAIL"], rules=a_rule("oldest", "wanted_units", True))
@example(people=a_queue(3, 4, 1, 1), units=3, telling=["EMAIL"], rules=a_rule("newest", "wanted_units"))
@example(people=a_queue(3, 1, 1), units=3, telling=["EMAIL"], rules=a_rule("oldest", "wanted_units"))
def test_release_takes_whom_the_rule_names_and_says_why_it_passed_the_others(
    new_world: NewWorld, people: list[dict], units: int, telling: list[str], rules: RuleSet
) -> None:
    with new_world() as world:
        world.use_flow(FLOWS[tuple(telling)])
        world.set_rules(**rules.model_dump())
        world.sync(a_row("LAMP", 0))
        world.sync(a_row("LAMP", units))
        restocked_at = world.value("SELECT restocked_at FROM variant_stock")
        queue = [queue_up(world, place, one, restocked_at, telling) for place, one in enumerate(people)]
        with world.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE variant_stock SET next_check_at = %s", (world.now,))
        per_unit = rules.people_allowed()
        choice = choose_people(
            queue, None if per_unit is None else units * per_unit, units, rules, "the run:demo:LAMP"
        )
        world.release("the run")
        found = {row.subscription_id: row for row in world.query("SELECT * FROM subscription")}
        assert {id for id, row in found.items() if row.state == "released"} == set(choice.released)
        assert {id: row.reason for id, row in found.items() if row.state == "skipped"} == choice.skipped
        assert {
            id: row.reason for id, row in found.items() if row.state == "waiting" and row.reason
        } == choice.passed
        is_blocked = not choice.released and "does_not_fit" in choice.passed.values()
        held = world.value("SELECT hold_reason FROM variant_stock")
        assert held == ("does_not_fit" if is_blocked else None)


def queue_up(world: World, place: int, one: dict, restocked_at, telling: list[str]) -> Waiting:
    """Insert a request as it might have come to be, and describe it in the rule's words."""
    known = {"EMAIL": f"p{place}@example.org", "SMS": f"+49151123456{place:02}"}
    addresses = {channel: known[channel] if channel in one["has"] else None for channel in known}
    moments = {
        "subscribed_at": START - timedelta(days=1) + timedelta(minutes=one["minute"]),
        "not_before": one["not_before"] and world.now + timedelta(minutes=one["not_before"]),
        "restock_after": one["restock_after"] and restocked_at + timedelta(minutes=one["restock_after"]),
    }
    with world.engine.begin() as connection:
        profile_id = connection.execute(
            text(
                "INSERT INTO profile (shop_id, email, email_key, phone, properties, created_at)"
                " VALUES ('demo', :email, :email, :phone, CAST(:properties AS jsonb), :now) RETURNING profile_id"
            ),
            {
                "email": addresses["EMAIL"],
                "phone": addresses["SMS"],
                "properties": json.dumps(one["properties"]),
                "now": world.now,
            },
        ).scalar_one()
        subscription_id = connection.execute(
            text(
                "INSERT INTO subscription (shop_id, variant_id, profile_id, channels, wanted_quantity, source,"
                " subscribed_at, created_at, not_before, restock_after, state) VALUES ('demo', 'LAMP', :profile_id,"
                " :channels, :wanted, 'test', :subscribed_at, :now, :not_before, :restock_after, 'waiting')"
                " RETURNING subscription_id"
            ),
            {
                "profile_id": profile_id,
                "channels": one["channels"],
                "wanted": one["wanted"],
                "now": world.now,
                **moments,
            },
        ).scalar_one()
        for channel, reason in one["suppression"].items():
            connection.execute(
                text("INSERT INTO suppression VALUES ('demo', :channel, :address, :reason, :now)"),
                {"channel": channel, "address": known[channel], "reason": reason, "now": world.now},
            )
        for (channel, purpose), state in one["consent"].items():
            connection.execute(
                text("INSERT INTO consent VALUES ('demo', :id, :channel, :purpose, :state, :now, 'test')"),
                {
                    "id": profile_id,
                    "channel": channel,
                    "purpose": purpose,
                    "state": state,
                    "now": world.now,
                },
            )
    obstacles = {
        channel: channel_obstacle(
            channel,
            channel in one["has"],
            one["suppression"].get(channel),
            one["consent"].get((channel, "alert")),
            one["consent"].get((channel, "marketing")),
        )
        for channel in known
    }
    return Waiting(
        subscription_id,
        moments["subscribed_at"],
        one["wanted"],
        is_vip(one["properties"], "vip"),
        deferral_reason(moments["restock_after"], restocked_at, moments["not_before"], world.now),
        unreachable_reason(one["channels"], telling, obstacles),
    )
