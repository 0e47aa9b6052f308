from __future__ import annotations

import pytest

from include.domain.shopper import ShopperModel
from include.errors import ConfigurationError, NotFound
from include.local.tune import Ranges, TuneOptions, tune_by_shop
from tests.builders import World, a_row

OPTIONS = TuneOptions(
    ranges=Ranges(per_unit="1", wait="60", rules={"subtract_invited_hours": "0", "sizing": "people"}),
    against="klaviyo",
    shoppers=ShopperModel(returning=1, visit_minutes=30, visit_spread=0, patience_days=10**6, asking_again=0),
)


def test_a_shops_own_restocks_and_requests_are_walked_again(world: World) -> None:
    world.sync(a_row("LAMP", 0))
    world.ask_many("LAMP", 5)
    world.sync(a_row("LAMP", 2))
    world.pass_time(days=1)
    everyone, paced = tune_by_shop(world.engine, "demo", OPTIONS, world.now).outcomes
    assert (everyone.figures.requests, everyone.figures.told, everyone.figures.in_vain) == (5, 5, 3)
    assert (paced.figures.told, paced.figures.in_vain) == (2, 0)


def test_what_was_sold_at_the_time_is_walk_in_demand(world: World) -> None:
    world.sync(a_row("LAMP", 0))
    world.ask_many("LAMP", 2)
    world.sync(a_row("LAMP", 5))
    world.pass_time(hours=2)
    world.sync(a_row("LAMP", 1))
    world.pass_time(days=1)
    everyone, _ = tune_by_shop(world.engine, "demo", OPTIONS, world.now).outcomes
    assert (everyone.figures.units_to_told, everyone.figures.units_sold) == (2, 5)


def test_a_shop_without_a_restock_says_what_is_needed(world: World) -> None:
    world.sync(a_row("LAMP", 0))
    world.ask("a@example.com", "LAMP")
    with pytest.raises(ConfigurationError, match="--orders"):
        tune_by_shop(world.engine, "demo", OPTIONS, world.now)


def test_an_unknown_shop_is_not_found(world: World) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        tune_by_shop(world.engine, "nowhere", OPTIONS, world.now)
