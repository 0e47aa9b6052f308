"""Stock that is told as it changes, by API or webhook (SEMANTICS 2.1, 2.2, 2.5)."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from include.services.catalog_writes import CatalogWrite, create_items, delete_items
from include.services.live_stock import LiveFacts, LiveLevel, LiveOutcome, apply_levels, apply_totals
from tests.builders import World, a_row


def tell(world: World, *levels: LiveLevel, ago: float = 0, **more: Any) -> LiveOutcome:
    with world.engine.begin() as connection:
        observed_at = world.now - timedelta(seconds=ago)
        return apply_levels(connection, world.shop.id, levels, observed_at, world.now, **more)


def total(world: World, variant_id: str, quantity: int, **facts: Any) -> LiveOutcome:
    with world.engine.begin() as connection:
        known = [LiveFacts(variant_id, **facts)] if facts else []
        totals = {variant_id: Decimal(quantity)}
        return apply_totals(connection, world.shop.id, totals, world.now, world.now, known)


def level(variant_id: str, quantity: float, location_id: str = "") -> LiveLevel:
    return LiveLevel(variant_id, Decimal(str(quantity)), location_id)


def test_a_live_rise_is_a_restock_and_tells_as_a_pull_does(world: World) -> None:
    world.use_flow()
    world.sync(a_row("LAMP", 0), a_row("VASE", 3))
    emails = world.ask_many("LAMP", 3)
    world.pass_time(minutes=1)
    outcome = tell(world, level("LAMP", 20))
    assert (outcome.changed, outcome.openings.opened, outcome.openings.events) == (1, 1, 1)
    assert world.tell() == emails
    assert world.value("SELECT count(*) FROM stock_change WHERE snapshot_id IS NULL") == 1


def test_the_same_number_told_again_ends_the_wait_for_fresh_stock(world: World) -> None:
    world.use_flow()
    world.sync(a_row("LAMP", 0), a_row("VASE", 0))
    emails = world.ask_many("LAMP", 3)
    world.ask_many("VASE", 1, prefix="v")
    world.pass_time(minutes=1)
    tell(world, level("LAMP", 20), level("VASE", 20))
    world.pass_time(hours=5)
    assert world.tell() == []
    assert world.value("SELECT hold_reason FROM variant_stock WHERE variant_id = 'LAMP'") == "stale_stock"
    assert tell(world, level("LAMP", 20)).changed == 0
    assert world.tell() == emails


def test_nothing_is_said_of_other_variants(world: World) -> None:
    world.sync(a_row("LAMP", 0), a_row("VASE", 3))
    world.pass_time(minutes=1)
    tell(world, level("LAMP", 20))
    assert dict(world.query("SELECT variant_id, units FROM variant_stock")) == {"LAMP": 20, "VASE": 3}


def test_an_older_observation_never_overrides_a_newer_one_in_whatever_order_they_come(world: World) -> None:
    world.sync(a_row("LAMP", 0))
    world.pass_time(minutes=5)
    assert tell(world, level("LAMP", 0), ago=10).outdated == 0
    assert tell(world, level("LAMP", 7), ago=20).outdated == 1
    assert tell(world, level("LAMP", 9), ago=8).changed == 1
    assert tell(world, level("LAMP", 0), ago=5).changed == 1
    assert tell(world, level("LAMP", 9), ago=6).changed == 0
    assert world.value("SELECT units FROM variant_stock") == 0
    world.pass_time(minutes=20)
    world.sync(a_row("LAMP", 4))
    assert world.value("SELECT units FROM variant_stock") == 4


def test_what_a_pull_saw_is_not_overridden_by_an_older_observation_either(world: World) -> None:
    world.sync(a_row("LAMP", 5))
    world.pass_time(minutes=15)
    world.sync(a_row("LAMP", 5))
    assert tell(world, level("LAMP", 0), ago=60).outdated == 1
    assert world.value("SELECT units FROM variant_stock") == 5


def test_the_same_again_changes_nothing_but_is_fresh(world: World) -> None:
    world.sync(a_row("LAMP", 5))
    world.pass_time(minutes=1)
    assert tell(world, level("LAMP", 5)).changed == 0
    assert world.value("SELECT observed_at FROM variant_stock") == world.now
    assert world.value("SELECT count(*) FROM stock_change") == 1


def test_a_level_of_a_variant_that_nobody_knows_is_counted_and_left(world: World) -> None:
    world.sync(a_row("LAMP", 5))
    assert tell(world, level("GHOST", 5)).unknown == 1
    assert world.value("SELECT count(*) FROM stock_level") == 1


def test_a_new_variant_comes_with_its_facts_and_its_first_sight_tells_only_who_waited_for_it(
    world: World,
) -> None:
    world.use_flow()
    world.sync(a_row("LAMP", 5))
    world.ask("ann@example.org", "NEW")
    world.pass_time(minutes=1)
    total(world, "NEW", 3, title="New", product_id="P", price=Decimal("9.90"), is_published=True)
    total(world, "OTHER", 3, title="Other")
    assert world.tell() == ["ann@example.org"]
    assert world.value("SELECT count(*) FROM restock_event") == 1


def test_a_total_replaces_what_stands_at_several_locations(world: World) -> None:
    world.sync(a_row("LAMP", 2, "berlin"), a_row("LAMP", 3, "paris"))
    world.pass_time(minutes=1)
    total(world, "LAMP", 4)
    assert world.value("SELECT units FROM variant_stock") == 4
    assert dict(world.query("SELECT location_id, quantity FROM stock_level")) == {"berlin": 4, "paris": 0}


def test_an_unpublished_variant_is_not_announced_and_the_next_pull_decides_again(world: World) -> None:
    world.sync(a_row("LAMP", 5))
    world.pass_time(minutes=1)
    total(world, "LAMP", 5, is_published=False)
    assert world.value("SELECT is_open FROM variant_stock") is False
    world.sync(a_row("LAMP", 5))
    assert world.value("SELECT is_open FROM variant_stock") is True


def test_a_price_that_is_told_is_recorded_where_it_changes(world: World) -> None:
    world.sync(a_row("LAMP", 5, price="20"), a_row("VASE", 5, price="8"))
    for price in ("20", "15", "15"):
        world.pass_time(minutes=1)
        tell(world, facts=[LiveFacts("LAMP", price=Decimal(price)), LiveFacts("VASE", title="A vase")])
    assert world.query("SELECT variant_id, previous_price, price FROM price_change") == [("LAMP", 20, 15)]


def test_a_deleted_item_takes_all_its_variants_however_many(world: World) -> None:
    world.sync(a_row("LAMP", 5))
    with world.engine.begin() as connection:
        create_items(connection, "demo", [CatalogWrite("LIGHTS", "$custom", {"title": "Lights"})], world.now)
        connection.exec_driver_sql(
            "INSERT INTO variant (shop_id, variant_id, product_id, first_seen_at, changed_at)"
            " SELECT 'demo', 'V' || n, 'LIGHTS', %(now)s, %(now)s FROM generate_series(1, 10001) AS n",
            {"now": world.now},
        )
        assert delete_items(connection, "demo", [CatalogWrite("LIGHTS", "$custom", {})], world.now) == {}
    assert world.query("SELECT variant_id FROM variant WHERE is_published") == [("LAMP",)]


def test_bundles_follow_their_live_components(world: World) -> None:
    shop = world.shop.model_dump(mode="json", exclude_none=True)
    world.register(
        type(world.shop).model_validate({**shop, "bundles": [{"variant": "SET", "components": {"LAMP": 2}}]})
    )
    world.sync(a_row("LAMP", 0), a_row("SET", 0))
    world.pass_time(minutes=1)
    assert tell(world, level("LAMP", 5)).openings.events == 2
    assert world.value("SELECT units FROM variant_stock WHERE variant_id = 'SET'") == 2


def test_a_confirmation_counts_only_for_what_was_observed(world: World) -> None:
    world.set_rules(confirm_pulls=2)
    world.sync(a_row("LAMP", 0), a_row("VASE", 0))
    world.pass_time(seconds=10)
    tell(world, level("LAMP", 5), level("VASE", 5))
    world.pass_time(seconds=10)
    assert tell(world, level("LAMP", 5)).openings.events == 1
    assert dict(world.query("SELECT variant_id, is_open FROM variant_stock")) == {"LAMP": True, "VASE": False}
