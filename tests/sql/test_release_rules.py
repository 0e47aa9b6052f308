"""One specification for each numbered rule of SEMANTICS 4; the commonest ones stand in test_release.py."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from include.domain.orders import OrderLine
from include.domain.release import Waiting, sort_queue
from include.domain.rules import RuleSet
from include.errors import ConfigurationError
from include.services.orders import record_order_lines
from include.services.release import preview_due
from tests.builders import World, a_row
from tests.sql.test_release import restocked_world


def ask_in_order(world: World, *people: tuple[str, dict[str, Any]]) -> None:
    for name, changes in people:
        properties = changes.pop("properties", None)
        world.ask(f"{name}@example.org", "LAMP", **changes)
        world.pass_time(seconds=1)
        if properties is not None:
            execute(
                world,
                "UPDATE profile SET properties = CAST(:found AS jsonb) WHERE email_key = :key",
                found=json.dumps(properties),
                key=f"{name}@example.org",
            )


def execute(world: World, statement: str, **parameters: Any) -> None:
    with world.engine.begin() as connection:
        connection.execute(text(statement), parameters)


def names(recipients: list[str]) -> list[str]:
    return [recipient.partition("@")[0] for recipient in recipients]


def restock(world: World, units: int, **rules: object) -> None:
    world.set_rules(**rules)
    world.sync(a_row("LAMP", units))


@pytest.fixture
def sold_out(world: World) -> World:
    world.use_flow()
    world.sync(a_row("LAMP", 0))
    return world


def test_4_1_the_reference_example_from_restock_to_below_the_minimum(world: World) -> None:
    emails = restocked_world(
        world, units=20, people=250, customers_per_unit=5, wait_minutes=60, min_inventory=4
    )
    assert world.tell() == emails[:100]
    world.sync(a_row("LAMP", 90))
    assert world.tell() == []
    world.sync(a_row("LAMP", 9))
    world.pass_time(minutes=60)
    world.sync(a_row("LAMP", 9))
    assert world.tell() == emails[100:145]
    world.sync(a_row("LAMP", 3))
    world.pass_time(minutes=61)
    world.sync(a_row("LAMP", 3))
    assert world.tell() == []
    assert world.states() == {"notified": 145, "waiting": 105}


def test_4_1_a_fall_below_the_minimum_and_a_new_opening_within_the_wait_still_wait(world: World) -> None:
    emails = restocked_world(world, units=2, people=30, customers_per_unit=5, wait_minutes=60)
    assert world.tell() == emails[:10]
    world.sync(a_row("LAMP", 0))
    world.sync(a_row("LAMP", 2))
    assert world.tell() == []
    world.pass_time(minutes=31)
    world.sync(a_row("LAMP", 2))
    assert world.tell() == emails[10:20]


def test_4_2_newest_takes_the_last_who_asked(sold_out: World) -> None:
    emails = sold_out.ask_many("LAMP", 6)
    restock(sold_out, 1, ordering="newest", customers_per_unit=2)
    sold_out.tell()
    told = sold_out.query(
        "SELECT email FROM subscription JOIN profile USING (shop_id, profile_id) WHERE state = 'notified'"
    )
    assert {row.email for row in told} == set(emails[-2:])


def test_4_2_vips_come_first_and_then_the_oldest(sold_out: World) -> None:
    ask_in_order(
        sold_out,
        ("old", {}),
        ("no", {"properties": {"tier": "no"}}),
        ("gold", {"properties": {"tier": "gold"}}),
        ("silver", {"properties": {"tier": "silver"}}),
    )
    restock(sold_out, 3, ordering="vip_first", vip_property="tier", customers_per_unit=1)
    assert set(names(sold_out.tell())) == {"gold", "silver", "old"}


def test_4_2_a_lottery_can_be_drawn_again_with_its_seed(sold_out: World) -> None:
    sold_out.ask_many("LAMP", 40)
    queue = [
        Waiting(row.subscription_id, row.subscribed_at)
        for row in sold_out.query("SELECT subscription_id, subscribed_at FROM subscription")
    ]
    restock(sold_out, 5, ordering="lottery", customers_per_unit=2, wait_minutes=15)
    sold_out.tell()
    seed = sold_out.value("SELECT seed FROM batch")
    drawn = sort_queue(queue, RuleSet(ordering="lottery"), seed)[:10]
    statement = "SELECT subscription_id FROM subscription WHERE state = 'notified'"
    told = {row.subscription_id for row in sold_out.query(statement)}
    assert told == {one.subscription_id for one in drawn}
    assert told != {one.subscription_id for one in queue[:10]}
    sold_out.sync(a_row("LAMP", 5))
    sold_out.tell()
    assert sold_out.value("SELECT count(DISTINCT seed) FROM batch") == 2


def test_4_3_added_counts_only_what_came_since_the_last_batch(sold_out: World) -> None:
    emails = sold_out.ask_many("LAMP", 60)
    restock(sold_out, 5, basis="added", customers_per_unit=2, wait_minutes=15)
    assert sold_out.tell() == emails[:10]
    sold_out.sync(a_row("LAMP", 5))
    assert sold_out.tell() == []
    assert sold_out.value("SELECT hold_reason FROM variant_stock") in (None, "nothing_added")
    sold_out.sync(a_row("LAMP", 8))
    sold_out.sync(a_row("LAMP", 6))
    assert sold_out.tell() == emails[10:16]
    sold_out.sync(a_row("LAMP", 0))
    sold_out.sync(a_row("LAMP", 4))
    assert sold_out.tell() == emails[16:24]


def test_4_4_people_told_in_the_last_hours_are_taken_off(sold_out: World) -> None:
    emails = sold_out.ask_many("LAMP", 60)
    restock(sold_out, 5, subtract_invited_hours=1, customers_per_unit=2, wait_minutes=15)
    assert sold_out.tell() == emails[:10]
    sold_out.sync(a_row("LAMP", 7))
    assert sold_out.tell() == emails[10:14]
    assert sold_out.value("SELECT max(invited_count) FROM batch") == 10
    sold_out.sync(a_row("LAMP", 7))
    assert sold_out.tell() == []
    assert sold_out.value("SELECT hold_reason FROM variant_stock") == "invited"


def test_4_4_who_has_bought_since_is_not_taken_off(sold_out: World) -> None:
    emails = sold_out.ask_many("LAMP", 60)
    restock(sold_out, 5, subtract_invited_hours=1, customers_per_unit=2, wait_minutes=15)
    assert sold_out.tell() == emails[:10]
    bought = [*emails[:2], emails[30]]
    lines = [
        OrderLine(
            order_id=str(number),
            line_number=1,
            variant_id="LAMP",
            email_key=email,
            quantity=Decimal(1),
            amount=Decimal(9),
            currency="EUR",
            ordered_at=sold_out.now,
        )
        for number, email in enumerate(bought)
    ]
    other = replace(lines[0], order_id="other", variant_id="VASE", email_key=emails[2])
    earlier = replace(
        lines[0], order_id="earlier", email_key=emails[3], ordered_at=sold_out.now - timedelta(days=1)
    )
    with sold_out.engine.begin() as connection:
        record_order_lines(connection, "demo", [*lines, other, earlier], sold_out.now)
    sold_out.sync(a_row("LAMP", 6))
    assert sold_out.tell() == emails[10:14]
    assert sold_out.value("SELECT max(invited_count) FROM batch") == 8


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ({}, ["two", "three"]),
        ({"allow_overtaking": "true"}, ["two", "three", "one"]),
        ({"sizing": "people"}, ["two", "nine", "three", "four", "one"]),
    ],
)
def test_4_5_wanted_units_fill_a_batch_in_order(sold_out: World, rules: dict, told: list[str]) -> None:
    wanted = {"two": 2, "nine": 9, "three": 3, "four": 4, "one": 1}
    ask_in_order(sold_out, *((name, {"wanted_quantity": units}) for name, units in wanted.items()))
    restock(sold_out, 6, **{"sizing": "wanted_units", "customers_per_unit": 1, **rules})
    assert names(sold_out.tell()) == told
    reasons = dict(sold_out.query("SELECT wanted_quantity, reason FROM subscription WHERE state = 'waiting'"))
    if "sizing" not in rules:
        assert reasons[9] == "wants_more" and reasons[4] == "does_not_fit"


def test_4_5_units_wanted_by_people_in_flight_count(sold_out: World) -> None:
    ask_in_order(sold_out, ("a", {"wanted_quantity": 4}), ("b", {"wanted_quantity": 4}))
    restock(sold_out, 6, sizing="wanted_units", customers_per_unit=1, wait_minutes=15)
    sold_out.release()
    sold_out.sync(a_row("LAMP", 6))
    assert sold_out.release()["released"] == 0
    assert sold_out.value("SELECT hold_reason FROM variant_stock") == "does_not_fit"
    assert sold_out.value("SELECT next_check_at FROM variant_stock") > sold_out.now


def test_4_6_whoever_no_message_can_reach_is_skipped_with_the_reason_and_takes_no_place(
    sold_out: World,
) -> None:
    ask_in_order(
        sold_out, ("sms", {"channels": ("SMS",)}), ("gone", {}), ("bad", {}), ("here", {}), ("next", {})
    )
    for name, reason in (("gone", "unsubscribed"), ("bad", "invalid_address")):
        execute(
            sold_out,
            "INSERT INTO suppression VALUES ('demo', 'EMAIL', :key, :reason, now())",
            key=f"{name}@example.org",
            reason=reason,
        )
    restock(sold_out, 1, customers_per_unit=1)
    assert names(sold_out.tell()) == ["here"]
    skipped = sold_out.query(
        "SELECT reason FROM subscription WHERE state = 'skipped' ORDER BY subscription_id"
    )
    assert [row.reason for row in skipped] == ["undeliverable", "suppressed", "invalid_address"]


def test_4_8_a_batch_stores_what_decided_it(world: World) -> None:
    override = {"variant": "LAMP", "rules": {"customers_per_unit": 3}}
    restocked_world(world, units=4, people=20, wait_minutes=30, rule_overrides=[override])
    world.release("run-a")
    (batch,) = world.query("SELECT * FROM batch")
    assert (batch.available, batch.units, batch.basis_units) == (4, 4, 4)
    assert (batch.waiting_count, batch.in_flight_count, batch.allowed_count) == (20, 0, 12)
    assert (batch.released_count, batch.ordering, batch.seed) == (12, "oldest", None)
    assert batch.rules["customers_per_unit"] == 3 and batch.rules["wait_minutes"] == 30
    assert batch.rule_origins == {"customers_per_unit": "variant LAMP"}
    assert batch.observed_at is not None


def test_4_8_who_is_looked_at_and_left_waiting_keeps_the_reason(sold_out: World) -> None:
    ask_in_order(sold_out, ("import", {}), ("told", {}), ("here", {}), ("behind", {}))
    execute(sold_out, "UPDATE subscription SET restock_after = 'infinity' WHERE subscription_id = 1")
    execute(
        sold_out,
        "UPDATE subscription SET not_before = :soon WHERE subscription_id = 2",
        soon=sold_out.now.replace(year=2027),
    )
    restock(sold_out, 1, customers_per_unit=1)
    assert names(sold_out.tell()) == ["here"]
    found = sold_out.query("SELECT reason, passed_batch_id FROM subscription ORDER BY subscription_id")
    batch_id = sold_out.value("SELECT batch_id FROM batch")
    assert [tuple(row) for row in found] == [
        ("next_restock", batch_id),
        ("told_recently", batch_id),
        (None, None),
        (None, None),
    ]


def test_4_9_the_narrowest_override_sizes_the_batch_of_its_variant_only(world: World) -> None:
    world.use_flow()
    overrides = [
        {"collection": "rare", "rules": {"customers_per_unit": 2}},
        {"variant": "ROSE", "rules": {"customers_per_unit": 1}},
    ]
    world.set_rules(customers_per_unit=4, rule_overrides=overrides)
    rows = {"TULIP": (), "LILY": ("rare",), "ROSE": ("rare",)}
    world.sync(*(a_row(variant, 0, collections=found) for variant, found in rows.items()))
    for variant in rows:
        world.ask_many(variant, 10, variant.lower())
    world.sync(*(a_row(variant, 1, collections=found) for variant, found in rows.items()))
    world.release()
    batches = world.query("SELECT variant_id, released_count, rule_origins FROM batch ORDER BY variant_id")
    assert [tuple(row) for row in batches] == [
        ("LILY", 2, {"customers_per_unit": "collection rare"}),
        ("ROSE", 1, {"customers_per_unit": "variant ROSE"}),
        ("TULIP", 4, {}),
    ]


def test_4_9_an_invalid_override_leaves_the_rules_in_force_and_tells_nobody(world: World) -> None:
    restocked_world(world, units=4, people=2)
    before = world.current_rule_set()
    with pytest.raises(ConfigurationError, match=r"entry 1 \(variant 'LAMP'\): min_inventory is '0'"):
        world.release(rule_overrides=[{"variant": "LAMP", "rules": {"min_inventory": 0}}])
    assert world.current_rule_set() == before
    assert world.states() == {"waiting": 2}


def test_4_10_a_dry_run_says_what_a_run_would_do_and_writes_nothing(world: World) -> None:
    restocked_world(world, units=20, people=130, customers_per_unit="all")
    before = snapshot_of(world)
    preview = preview_due(world.engine, {"restock_customers_per_unit": "5"}, "dry", world.now)
    assert snapshot_of(world) == before
    assert preview["released"] == 100 and preview["dry_run"] is True
    assert "example.org" not in json.dumps(preview)
    real = world.release(customers_per_unit=5)
    assert real == {name: preview[name] for name in real}
    assert preview["variants"][0]["variant_id"] == "LAMP"


def snapshot_of(world: World) -> list[Any]:
    tables = ("rule_set", "rule_override", "batch", "subscription", "enrolment", "message", "variant_stock")
    return [sorted(map(str, world.query(f"SELECT * FROM {table}"))) for table in tables]
