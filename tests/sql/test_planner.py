from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from include.db.statistics import FEW_ROWS, introduce_shop
from include.domain.request import Request
from include.services.requests import take_requests
from tests.builders import World, a_row, a_shop

MANY = FEW_ROWS + 500


@pytest.fixture
def stranger(world: World, engine: Engine, tmp_path: Path) -> World:
    """A large shop in a database whose statistics know only a small one."""
    world.queue_alerts(people=3)
    world.dispatch()
    with engine.begin() as connection:
        connection.execute(text("ANALYZE"))
    return World(engine, tmp_path / "large", a_shop(id="large"))


def expected(world: World, table: str, condition: str = "shop_id = 'large'") -> int:
    """How many rows the planner takes there to be."""
    plan = world.value(f"EXPLAIN (FORMAT JSON) SELECT FROM {table} WHERE {condition}")
    return int(plan[0]["Plan"]["Plan Rows"])


def test_the_first_pull_of_a_large_shop_is_no_surprise_to_the_planner(stranger: World) -> None:
    stranger.sync(*[a_row(f"v{number}", 0) for number in range(MANY)])
    for table in ("stock_level", "stock_change", "variant", "variant_stock"):
        assert expected(stranger, table) > MANY / 2, table


def test_nor_are_its_restocks_and_what_went_missing(stranger: World) -> None:
    names = [f"v{number}" for number in range(MANY)]
    stranger.set_rules(max_risen_points=100, min_rows_percent=1)
    stranger.sync(*[a_row(name, 0) for name in names])
    stranger.sync(*[a_row(name, 1) for name in names])
    stranger.sync(*[a_row(name, 1) for name in names[:200]])
    for table in ("restock_event", "presence_change"):
        assert expected(stranger, table) > MANY / 2, table


def test_nor_are_its_requests_its_first_release_and_the_messages_of_it(stranger: World) -> None:
    stranger.sync(a_row("LAMP", 0))
    stranger.ask_many("LAMP", MANY)
    for table in ("profile", "subscription"):
        assert expected(stranger, table) > MANY / 2, table
    stranger.sync(a_row("LAMP", MANY))
    stranger.release("large-1", customers_per_unit=1)
    assert expected(stranger, "subscription", "state = 'released'") > MANY / 2
    stranger.move()
    assert expected(stranger, "message", "state = 'queued'") > MANY / 2


def test_nor_are_its_batches(stranger: World) -> None:
    names = [f"v{number}" for number in range(MANY)]
    stranger.sync(*[a_row(name, 0) for name in names])
    with stranger.engine.begin() as connection:
        asked = [Request("ann@example.org", "ann@example.org", name, stranger.now) for name in names]
        take_requests(connection, "large", asked, "api", "notify", stranger.now)
    stranger.set_rules(max_risen_points=100)
    stranger.sync(*[a_row(name, 1) for name in names])
    assert stranger.release("large-1")["batches"] == MANY
    assert expected(stranger, "batch") > MANY / 2


def test_few_rows_and_a_shop_that_is_known_cost_no_look_at_the_table(stranger: World, engine: Engine) -> None:
    def looks() -> int:
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_stat_force_next_flush()"))
        return int(
            stranger.value("SELECT analyze_count FROM pg_stat_user_tables WHERE relname = 'subscription'")
        )

    before = looks()
    with engine.begin() as connection:
        introduce_shop(connection, "subscription", "large", FEW_ROWS - 1)
        introduce_shop(connection, "subscription", "demo", 3)
    assert looks() == before
    with engine.begin() as connection:
        introduce_shop(connection, "subscription", "large", FEW_ROWS)
    assert looks() == before + 1
