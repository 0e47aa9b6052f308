"""SEMANTICS 1: what counts as stock, rule by rule."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.builders import World, a_row, a_shop


def units(world: World, variant: str = "LAMP") -> int:
    return world.value("SELECT units FROM variant_stock WHERE variant_id = :variant", variant=variant)


def available(world: World, variant: str = "LAMP") -> float:
    return float(
        world.value("SELECT available FROM variant_stock WHERE variant_id = :variant", variant=variant)
    )


def events(world: World, variant: str = "LAMP") -> int:
    return world.value("SELECT count(*) FROM restock_event WHERE variant_id = :variant", variant=variant)


def by_location(**units_by_location: float) -> list:
    return [a_row("LAMP", count, location) for location, count in units_by_location.items()]


def with_bundles(engine: Engine, folder: Path, **components: int) -> World:
    return World(engine, folder, a_shop(bundles=[{"variant": "SET", "components": components}]))


def test_1_1_every_location_counts_unless_someone_says_otherwise(world: World) -> None:
    world.sync(*by_location(north=3, pos=4))
    assert units(world) == 7


def test_1_1_a_rule_names_the_locations_that_count_for_one_variant(world: World) -> None:
    override = {"variant": "LAMP", "rules": {"included_locations": ["north"]}}
    world.set_rules(rule_overrides=[override])
    world.sync(*by_location(north=3, pos=4), a_row("VASE", 4, "pos"))
    assert (units(world), units(world, "VASE")) == (3, 4)


def test_1_1_a_rule_excludes_a_location(world: World) -> None:
    world.set_rules(rule_overrides=[{"shop": "demo", "rules": {"excluded_locations": ["pos"]}}])
    world.sync(*by_location(north=3, pos=4))
    assert units(world) == 3


def test_1_1_the_variable_holds_only_where_the_shop_says_nothing(engine: Engine, tmp_path: Path) -> None:
    silent = World(engine, tmp_path, a_shop("silent"))
    telling = World(engine, tmp_path, a_shop("telling", locations=["north"]))
    silent.set_rules(included_locations=["pos"])
    for world in (silent, telling):
        world.sync(*by_location(north=3, pos=4))
    counted = dict(silent.query("SELECT shop_id, units FROM variant_stock"))
    assert counted == {"silent": 4, "telling": 3}


def test_1_1_another_choice_of_locations_is_judged_at_once(world: World) -> None:
    world.sync(*by_location(north=0, pos=4))
    world.set_rules(included_locations=["north"])
    assert units(world) == 0
    world.set_rules(included_locations=[])
    world.set_rules()
    assert units(world) == 4


def test_1_1_locations_edited_in_the_shops_file_are_judged_with_the_next_pull(
    engine: Engine, tmp_path: Path
) -> None:
    world = World(engine, tmp_path)
    world.sync(*by_location(north=3, pos=4))
    world.shop = a_shop(locations=["north"])
    world.sync(*by_location(north=3, pos=4))
    assert units(world) == 3


@pytest.mark.parametrize(("quantity", "expected"), [("-2", 0), ("0.9", 0), ("2.75", 2), ("1e3", 1000)])
def test_1_2_negative_and_fractional_quantities_are_sized_down(
    world: World, quantity: str, expected: int
) -> None:
    world.sync(a_row("LAMP", quantity))
    assert units(world) == expected


def test_1_2_a_negative_location_takes_from_the_others(world: World) -> None:
    world.sync(*by_location(north=3, pos=-2))
    assert units(world) == 1


def test_1_3_an_unpublished_variant_closes_and_its_return_is_a_restock(world: World) -> None:
    world.sync(a_row("LAMP", 5))
    world.sync(a_row("LAMP", 5, is_published=False))
    assert (units(world), events(world)) == (0, 0)
    world.sync(a_row("LAMP", 5))
    assert (units(world), events(world)) == (5, 1)


def test_1_3_a_deleted_variant_has_no_stock_to_announce(world: World) -> None:
    world.sync(a_row("LAMP", 5), a_row("VASE", 1))
    for _ in range(2):
        world.sync(a_row("VASE", 1))
    assert units(world) == 0


def test_1_3_stock_that_is_not_tracked_never_restocks(world: World) -> None:
    world.sync(a_row("LAMP", 0, is_tracked=False))
    world.sync(a_row("LAMP", 9, is_tracked=False))
    assert (units(world), events(world)) == (0, 0)


def test_1_4_what_is_sold_on_when_out_counts_its_real_units(world: World) -> None:
    world.sync(a_row("LAMP", -3, continue_selling=True))
    world.sync(a_row("LAMP", 5, continue_selling=True))
    assert (units(world), events(world)) == (5, 1)


def test_1_4_always_in_stock_is_never_announced(world: World) -> None:
    world.set_rules(oversell="always_in_stock")
    world.sync(a_row("LAMP", -3, continue_selling=True), a_row("VASE", 0))
    world.sync(a_row("LAMP", 5, continue_selling=True), a_row("VASE", 2))
    assert (units(world), events(world)) == (0, 0)
    assert events(world, "VASE") == 1


def test_1_4_the_oversell_rule_can_differ_by_variant_and_is_judged_at_once(world: World) -> None:
    world.sync(a_row("LAMP", 5, continue_selling=True), a_row("VASE", 5, continue_selling=True))
    world.set_rules(rule_overrides=[{"variant": "LAMP", "rules": {"oversell": "always_in_stock"}}])
    assert (units(world), units(world, "VASE")) == (0, 5)


def test_1_5_a_bundle_is_available_as_often_as_its_scarcest_component(engine: Engine, tmp_path: Path) -> None:
    world = with_bundles(engine, tmp_path, LAMP=1, BULB=3)
    world.sync(a_row("LAMP", 4), a_row("BULB", 8), a_row("SET", 99))
    assert available(world, "SET") == 2


def test_1_5_a_restocked_component_restocks_its_bundle_in_the_same_detect(
    engine: Engine, tmp_path: Path
) -> None:
    world = with_bundles(engine, tmp_path, LAMP=1, BULB=2)
    world.use_flow()
    world.sync(a_row("LAMP", 4), a_row("BULB", 0), a_row("SET", 0))
    world.ask("ann@example.org", "SET")
    world.sync(a_row("LAMP", 4), a_row("BULB", 5), a_row("SET", 0))
    assert (units(world, "SET"), events(world, "SET")) == (2, 1)
    assert world.tell() == ["ann@example.org"]


def test_1_5_a_component_that_is_unknown_leaves_no_bundle(engine: Engine, tmp_path: Path) -> None:
    world = with_bundles(engine, tmp_path, LAMP=1, BULB=2)
    world.sync(a_row("LAMP", 4), a_row("SET", 7))
    assert units(world, "SET") == 0


def test_1_5_a_component_that_is_not_tracked_does_not_limit_the_bundle(
    engine: Engine, tmp_path: Path
) -> None:
    world = with_bundles(engine, tmp_path, LAMP=1, CARD=1)
    world.sync(a_row("LAMP", 4), a_row("CARD", 0, is_tracked=False), a_row("SET", 0))
    assert units(world, "SET") == 4


def test_1_5_bundles_edited_in_the_shops_file_are_judged_with_the_next_pull(
    engine: Engine, tmp_path: Path
) -> None:
    world = with_bundles(engine, tmp_path, LAMP=1)
    rows = [a_row("LAMP", 6), a_row("SET", 1)]
    world.sync(*rows)
    world.shop = a_shop(bundles=[{"variant": "SET", "components": {"LAMP": 3}}])
    world.sync(*rows)
    assert units(world, "SET") == 2
    world.shop = a_shop()
    world.sync(*rows)
    assert units(world, "SET") == 1
