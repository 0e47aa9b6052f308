"""What a restock would do, without doing it (SEMANTICS 4.10)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from typer.testing import CliRunner

from include.cli import app
from include.errors import ConfigurationError, NotFound
from include.services.simulate import Assumption, simulate_restock
from tests.builders import World, a_row
from tests.sql.test_release_rules import snapshot_of


@pytest.fixture
def waiting(world: World) -> World:
    world.use_flow()
    world.set_rules(customers_per_unit=5)
    world.sync(a_row("LAMP", 0))
    world.ask_many("LAMP", 130)
    return world


def assume(units: int, sales_per_hour: float = 0.0, **rules: str) -> Assumption:
    return Assumption("demo", "LAMP", units, rules, sales_per_hour)


def test_4_10_a_simulation_writes_nothing(waiting: World) -> None:
    before = snapshot_of(waiting)
    assert simulate_restock(waiting.engine, assume(20), waiting.now).batches
    assert snapshot_of(waiting) == before


def test_4_10_a_simulation_names_batches_places_and_times_under_assumed_sales(waiting: World) -> None:
    result = simulate_restock(waiting.engine, assume(20, sales_per_hour=18), waiting.now)
    (first, second) = result.batches
    assert (first.decided_at, first.units, first.first_place) == (waiting.now, 20, 1)
    assert first.subscription_ids == tuple(range(1, 101))
    assert (second.decided_at, second.units) == (waiting.now + timedelta(hours=1), 2)
    assert (second.first_place, len(second.subscription_ids)) == (101, 10)
    assert (result.end, result.still_waiting) == ("closed", 20)


def test_4_10_assumed_rules_hold_over_every_other(waiting: World) -> None:
    waiting.set_rules(rule_overrides=[{"variant": "LAMP", "rules": {"customers_per_unit": 9}}])
    rules = {"customers_per_unit": "2", "wait_minutes": "30"}
    result = simulate_restock(waiting.engine, assume(60, **rules), waiting.now)
    assert [len(batch.subscription_ids) for batch in result.batches] == [120, 10]
    assert result.batches[1].decided_at == waiting.now + timedelta(minutes=30)
    assert simulate_restock(waiting.engine, assume(4, min_inventory="5"), waiting.now).end == "closed"


def test_4_10_a_simulation_tells_whom_the_real_restock_tells(waiting: World) -> None:
    simulated = simulate_restock(waiting.engine, assume(7), waiting.now).batches[0]
    waiting.sync(a_row("LAMP", 7))
    waiting.release()
    released = waiting.query(
        "SELECT subscription_id FROM subscription WHERE state = 'released' ORDER BY subscribed_at"
    )
    assert tuple(row.subscription_id for row in released) == simulated.subscription_ids


def test_4_10_what_can_t_be_simulated_says_so(waiting: World) -> None:
    with pytest.raises(NotFound, match="variant 'VASE'"):
        simulate_restock(waiting.engine, Assumption("demo", "VASE", 3, {}), waiting.now)
    with pytest.raises(ConfigurationError, match="min_inventory is '0', allowed is a whole number from 1"):
        simulate_restock(waiting.engine, assume(3, min_inventory="0"), waiting.now)


def test_4_10_the_command_shows_batches_and_no_address(
    waiting: World, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESTOCK_DATABASE_URL", database_url)
    shown = CliRunner().invoke(app, ["simulate", "--variant", "LAMP", "--units", "20", "--min", "2"])
    assert shown.exit_code == 0, shown.output
    assert "1-100" in shown.output and "101-130" in shown.output and "example.org" not in shown.output
    asked = CliRunner().invoke(app, ["why", "--email", "p0001@example.org", "--json"])
    assert asked.exit_code == 0, asked.output
    assert "waits at place 2" in asked.output and "example.org" not in asked.output
    for target in (["1"], ["--variant", "LAMP"], ["--profile", "3"]):
        assert CliRunner().invoke(app, ["why", *target]).exit_code == 0


def test_4_10_flows_are_simulated_before_the_first_release_made_them_known(
    world: World, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESTOCK_DATABASE_URL", database_url)
    world.sync(a_row("LAMP", 0))
    world.ask("a@example.org", "LAMP")
    shown = CliRunner().invoke(app, ["simulate", "--variant", "LAMP", "--units", "1"])
    assert "everyone who can be told has been told" in shown.output, shown.output
    assert world.query("SELECT flow_name FROM flow_step") == []
    closed = CliRunner().invoke(app, ["simulate", "--variant", "LAMP", "--units", "0"])
    assert closed.output == "It ends: there are too few units to tell anyone. 1 keep waiting.\n"


def test_4_10_a_simulation_tells_who_asked_for_any_variant_too(world: World) -> None:
    world.use_flow()
    world.set_rules(customers_per_unit=1)
    world.sync(a_row("LAMP", 0, product_id="P"), a_row("VASE", 0, product_id="P"))
    world.ask("a@example.org", "LAMP")
    world.ask_for_any("b@example.org", "P")
    world.ask_for_any("c@example.org", "P")
    simulated = simulate_restock(world.engine, Assumption("demo", "LAMP", 2, {}), world.now)
    assert [batch.subscription_ids for batch in simulated.batches] == [(1, 2), (3,)]
    assert world.value("SELECT count(*) FROM subscription WHERE variant_id = 'LAMP'") == 1
    world.sync(a_row("LAMP", 2, product_id="P"), a_row("VASE", 0, product_id="P"))
    assert world.tell() == ["a@example.org", "b@example.org"]
