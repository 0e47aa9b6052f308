from __future__ import annotations

import pytest

from include.errors import NotFound
from include.services.channels import pause_channel
from include.services.why import explain_batch, explain_person, explain_request, explain_variant, require_shop
from tests.builders import World, a_row


def why(world: World, subscription_id: int = 1) -> str:
    return explain_request(world.engine, subscription_id, world.now).sentence


def test_an_unknown_request_says_where_to_look(world: World) -> None:
    with pytest.raises(NotFound, match="restock why --email ADDRESS"):
        why(world, 99)


def test_one_unit_is_one_unit(world: World) -> None:
    world.use_flow()
    world.set_rules(customers_per_unit=1)
    world.sync(a_row("LAMP", 0))
    world.ask_many("LAMP", 2)
    world.sync(a_row("LAMP", 1))
    of_variant = explain_variant(world.engine, "demo", "LAMP", world.now).sentence
    assert (
        "has 1 unit, 2 wait and 0 were released" in of_variant
        and "Rules: from 1 unit, 1 per unit" in of_variant
    )
    world.tell()
    assert "1 unit x 1 per unit - 0 in flight = 1" in why(world) and "1 unit is in stock" in why(world, 2)


def test_a_variant_between_two_batches_names_the_wait(world: World) -> None:
    world.use_flow()
    world.set_rules(customers_per_unit=1, wait_minutes=60)
    world.sync(a_row("LAMP", 0))
    world.ask_many("LAMP", 2)
    world.sync(a_row("LAMP", 1))
    world.tell()
    held = explain_variant(world.engine, "demo", "LAMP", world.now).sentence
    assert "the wait between two batches has not ended; the next batch is decided at" in held


def test_what_is_overdue_says_where_to_look(world: World) -> None:
    world.use_flow()
    world.sync(a_row("LAMP", 0))
    world.ask("a@example.org", "LAMP")
    world.sync(a_row("LAMP", 1))
    for sentence in (why(world), explain_variant(world.engine, "demo", "LAMP", world.now).sentence):
        assert "due since" in sentence and "unless it is paused or its newest run failed" in sentence


def test_an_unknown_variant_is_named(world: World) -> None:
    world.ask("a@example.org", "LAMP")
    assert "no catalog knows this variant yet" in why(world)


def test_too_few_units_are_named(world: World) -> None:
    world.sync(a_row("LAMP", 0))
    world.ask("a@example.org", "LAMP")
    assert "waits at place 1: 0 units are in stock, too few" in why(world)


def test_who_is_further_back_learns_place_and_next_batch(world: World) -> None:
    world.use_flow()
    world.set_rules(customers_per_unit=5)
    world.sync(a_row("LAMP", 0))
    world.ask_many("LAMP", 12)
    world.sync(a_row("LAMP", 2))
    world.tell()
    assert "waits at place 2: it was at place 12, and batch 1 of" in why(world, 12)
    assert "took 10" in why(world, 12) and "next batch is decided at" in why(world, 12)
    assert "was told at" in why(world, 1) and "2 units x 5 per unit - 0 in flight = 10" in why(world, 1)


def test_a_skipped_request_names_its_reason(world: World) -> None:
    world.use_flow()
    world.sync(a_row("LAMP", 0))
    world.ask("a@example.org", "LAMP", channels=("SMS",))
    world.sync(a_row("LAMP", 2))
    world.tell()
    assert "because of 'undeliverable'" in why(world)


def test_stale_stock_is_named(world: World) -> None:
    world.use_flow()
    world.sync(a_row("LAMP", 0))
    world.ask("a@example.org", "LAMP")
    world.sync(a_row("LAMP", 2))
    world.pass_time(hours=5)
    world.tell()
    assert "too old or was refused" in why(world)


def test_no_sentence_holds_an_address(world: World) -> None:
    world.ask("canary@example.org", "LAMP")
    assert "canary" not in why(world)


def test_4_8_a_batch_names_its_numbers_and_where_its_rules_came_from(world: World) -> None:
    world.use_flow()
    world.set_rules(rule_overrides=[{"variant": "LAMP", "rules": {"customers_per_unit": 3}}])
    world.sync(a_row("LAMP", 0))
    world.ask_many("LAMP", 12)
    world.sync(a_row("LAMP", 2))
    world.release()
    explained = explain_batch(world.engine, 1)
    assert "took 6 of 12 who waited" in explained.sentence and "oldest first" in explained.sentence
    assert "2 units x 3 per unit - 0 in flight = 6" in explained.sentence
    assert "customers_per_unit from variant LAMP" in explained.sentence
    assert explained.numbers["released_count"] == 6
    assert explained.numbers["rules"]["wait_minutes"] == 60
    with pytest.raises(NotFound, match="report 'batches'"):
        explain_batch(world.engine, 99)


def test_4_8_a_variant_names_what_holds_it_and_its_rules(world: World) -> None:
    world.use_flow()
    world.set_rules(customers_per_unit=3, rule_overrides=[{"shop": "demo", "rules": {"min_inventory": 2}}])
    world.sync(a_row("LAMP", 1))
    explained = explain_variant(world.engine, "demo", "LAMP", world.now)
    assert "that is too few to tell anyone" in explained.sentence
    assert "from 2 units, 3 per unit (min_inventory from shop demo)" in explained.sentence
    with pytest.raises(NotFound, match="variant 'VASE'"):
        explain_variant(world.engine, "demo", "VASE", world.now)


def test_4_8_a_person_is_found_by_address_or_profile_and_never_named(world: World) -> None:
    world.sync(a_row("LAMP", 0), a_row("VASE", 0))
    world.ask("Ann@Example.org", "LAMP")
    world.pass_time(seconds=1)
    world.ask("ann@example.org", "VASE")
    found = explain_person(world.engine, "demo", world.now, email="ANN@example.org")
    assert ["LAMP" in one.sentence for one in found] == [False, True]
    assert explain_person(world.engine, "demo", world.now, profile_id=1) == found
    assert "example.org" not in str(found)
    with pytest.raises(NotFound) as caught:
        explain_person(world.engine, "demo", world.now, email="canary@example.org")
    assert "canary" not in str(caught.value)


def test_4_8_who_was_passed_over_learns_by_which_batch_and_why(world: World) -> None:
    world.use_flow()
    world.set_rules(sizing="wanted_units", customers_per_unit=1)
    world.sync(a_row("LAMP", 0))
    world.ask("much@example.org", "LAMP", wanted_quantity=9)
    world.pass_time(seconds=1)
    world.ask("one@example.org", "LAMP")
    world.pass_time(seconds=1)
    world.ask("four@example.org", "LAMP", wanted_quantity=4)
    world.sync(a_row("LAMP", 4))
    world.tell()
    assert "batch 1 passed it over: it wants 9 units, more than there were" in why(world, 1)
    assert "batch 1 passed it over: it wants 4 units, more than the batch still had room for" in why(world, 3)


def test_the_only_shop_need_not_be_named(world: World) -> None:
    assert require_shop(world.engine, None) == "demo"
    with pytest.raises(NotFound, match="No shop is called 'other'; there are: demo"):
        require_shop(world.engine, "other")


def test_a_message_behind_a_paused_channel_says_so(world: World) -> None:
    world.queue_alerts(people=1)
    assert "its message is queued;" in why(world)
    pause_channel(world.engine, "EMAIL", "a wrong price in the feed", world.now)
    assert "its message is queued (waits: channel_paused" in why(world)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"is_published": False}, "the shop does not offer it any more"),
        ({"is_tracked": False}, "the shop does not count them, so it never comes back"),
        (
            {"continue_selling": True},
            "it is sold on when out of stock, which the rule oversell never announces",
        ),
    ],
)
def test_stock_that_is_not_announced_says_why(world: World, facts: dict[str, bool], reason: str) -> None:
    world.set_rules(oversell="always_in_stock")
    world.sync(a_row("LAMP", 5, **facts))
    world.ask("a@example.org", "LAMP")
    assert why(world) == f"Request 1 for variant 'LAMP' waits at place 1: 5 units are in stock, and {reason}."
    of_variant = explain_variant(world.engine, "demo", "LAMP", world.now).sentence
    assert of_variant.startswith("Variant 'LAMP' has 5 units, 1 waits and 0 were released but not told yet; ")
    assert reason in of_variant


def test_a_variant_that_no_catalog_knows_says_who_waits_for_it(world: World) -> None:
    world.ask("a@example.org", "LAMP")
    assert explain_variant(world.engine, "demo", "LAMP", world.now).sentence == (
        "Variant 'LAMP' is in no catalog yet, and 1 waits until one knows it."
    )
    with pytest.raises(NotFound, match="Nothing is known"):
        explain_variant(world.engine, "demo", "VASE", world.now)
