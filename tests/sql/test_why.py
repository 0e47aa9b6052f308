from __future__ import annotations

import pytest

from include.errors import NotFound
from include.services.why import explain_request
from tests.builders import World, a_row


def why(world: World, subscription_id: int = 1) -> str:
    return explain_request(world.engine, subscription_id)


def test_an_unknown_request_says_where_to_look(world: World) -> None:
    with pytest.raises(NotFound, match="restock subscriptions export"):
        why(world, 99)


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
    assert "waits at place 2" in why(world, 12)
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
