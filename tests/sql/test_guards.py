"""SEMANTICS 2.3 to 2.7: what keeps a wrong or hasty look at the stock from telling anybody, and who learns why."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from include.errors import SnapshotRefused
from include.services import catalog
from include.services.snapshots import show_snapshot
from include.services.why import explain_request
from tests.builders import START, RowsConnector, World, a_row, a_shop


def guard(world: World, variant: str = "LAMP") -> str | None:
    return world.value("SELECT guard_reason FROM variant_stock WHERE variant_id = :variant", variant=variant)


def is_open(world: World, variant: str = "LAMP") -> bool:
    return world.value("SELECT is_open FROM variant_stock WHERE variant_id = :variant", variant=variant)


def held(world: World) -> list[tuple[str, str]]:
    newest = world.value("SELECT max(snapshot_id) FROM snapshot")
    story = show_snapshot(world.engine, world.shop.id, newest)
    return [(row.variant_id, row.guard_reason) for row in story.held]


def test_2_3_a_feed_dated_before_the_last_complete_one_is_refused(world: World) -> None:
    world.sync(a_row("LAMP", 0), last_modified=START)
    with pytest.raises(
        SnapshotRefused, match=r"30.0 minutes before .* allowed are 0 \(restock_max_backdate_minutes\)"
    ):
        world.sync(a_row("LAMP", 5), last_modified=START - timedelta(minutes=30))
    assert not is_open(world)


def test_2_3_how_much_older_a_feed_may_be_is_a_variable(world: World) -> None:
    world.set_rules(max_backdate_minutes=30)
    world.sync(a_row("LAMP", 0), last_modified=START)
    world.sync(a_row("LAMP", 5), last_modified=START - timedelta(minutes=30))
    assert is_open(world)


def test_2_3_a_feed_with_the_same_date_passes(world: World) -> None:
    for quantity in (0, 5):
        world.sync(a_row("LAMP", quantity), last_modified=START)
    assert is_open(world)


def test_2_3_a_refused_feed_keeps_nobody_from_reading_its_date_and_reason(world: World) -> None:
    world.sync(a_row("LAMP", 0), last_modified=START)
    with pytest.raises(SnapshotRefused):
        world.sync(a_row("LAMP", 5), last_modified=START - timedelta(minutes=30))
    newest = world.value("SELECT max(snapshot_id) FROM snapshot")
    figures = show_snapshot(world.engine, "demo", newest).figures
    assert figures.dated_at == START - timedelta(minutes=30) and "minutes before" in figures.reason


def test_2_3_a_late_pull_is_compared_with_the_stock_of_its_own_time(world: World) -> None:
    full = [a_row(f"V{number:03}", 5) for number in range(100)]
    empty = [a_row(f"V{number:03}", 0) for number in range(100)]
    world.set_rules(max_zero_rise_points=100)
    world.sync(*full)
    late = world.next_window()
    catalog.pull_window(world.engine, world.shop, RowsConnector(full), world.folder, late, late.end)
    world.sync(*empty)
    world.sync(*full, window=late)
    assert world.value("SELECT count(*) FROM snapshot WHERE state = 'complete'") == 3


@pytest.mark.parametrize(("rows", "is_believed"), [(49, True), (50, False)])
def test_2_3_shares_of_few_rows_say_nothing_and_are_judged_from_fifty_rows_on(
    world: World, rows: int, is_believed: bool
) -> None:
    world.sync(*[a_row(f"V{number:03}", 5) for number in range(rows)])
    sold_out = [a_row(f"V{number:03}", 0) for number in range(rows)]
    if is_believed:
        assert world.sync(*sold_out)["closed"] == rows
    else:
        with pytest.raises(SnapshotRefused, match=r"100\.0 % of the variants are sold out"):
            world.sync(*sold_out)


def test_2_4_what_is_missing_confirms_no_restock(world: World) -> None:
    world.set_rules(confirm_pulls=2)
    world.sync(a_row("LAMP", 0), a_row("VASE", 1))
    world.sync(a_row("LAMP", 5), a_row("VASE", 1))
    world.sync(a_row("VASE", 1))
    assert (is_open(world), guard(world)) == (False, "absent from the last full pull")
    world.sync(a_row("LAMP", 5), a_row("VASE", 1))
    assert is_open(world)


def test_2_4_what_a_partial_snapshot_does_not_hold_is_as_before(world: World) -> None:
    world.sync(a_row("LAMP", 5), a_row("VASE", 1))
    for quantity in (2, 3, 4):
        given = (world.engine, world.shop, RowsConnector([a_row("VASE", quantity)]), world.folder)
        window = world.next_window()
        catalog.pull_window(*given, window, world.now)
        snapshot_id = catalog.load_snapshot(*given, window, world.now)["snapshot_id"]
        with world.engine.begin() as connection:
            connection.exec_driver_sql(
                "UPDATE snapshot SET kind = 'partial' WHERE snapshot_id = %s", (snapshot_id,)
            )
        catalog.detect_changes(*given, window, snapshot_id, world.now)
    stock = world.query("SELECT variant_id, units, is_open, is_absent FROM variant_stock ORDER BY 1")
    assert stock == [("LAMP", 5, True, False), ("VASE", 4, True, False)]


def test_2_5_a_restock_that_is_being_confirmed_says_so(world: World) -> None:
    world.set_rules(confirm_pulls=3)
    world.sync(a_row("LAMP", 0))
    world.ask("ann@example.org", "LAMP")
    world.sync(a_row("LAMP", 5))
    assert guard(world) == "confirming: 1 of 3 pulls show it"
    assert held(world) == [("LAMP", "confirming: 1 of 3 pulls show it")]
    assert "5 units are in stock, confirming: 1 of 3" in explain_request(world.engine, 1, world.now).sentence
    world.sync(a_row("LAMP", 5))
    assert guard(world) == "confirming: 2 of 3 pulls show it"
    world.sync(a_row("LAMP", 5))
    assert (is_open(world), guard(world), held(world)) == (True, None, [])


def test_2_5_a_restock_that_is_too_small_says_so(world: World) -> None:
    world.set_rules(min_restock=3)
    world.sync(a_row("LAMP", 0))
    world.sync(a_row("LAMP", 2))
    assert guard(world) == "min_restock: 2 of 3 units came back"
    assert world.value("SELECT held_count FROM snapshot ORDER BY snapshot_id DESC LIMIT 1") == 1


def test_2_5_a_restock_after_too_short_a_time_reopens_and_says_why_it_is_none(world: World) -> None:
    world.set_rules(min_out_minutes=20)
    world.sync(a_row("LAMP", 5))
    world.sync(a_row("LAMP", 0))
    world.ask("ann@example.org", "LAMP", in_stock="next_restock")
    world.sync(a_row("LAMP", 5))
    assert (is_open(world), guard(world)) == (True, "min_out_minutes: out for 900 of 1200 seconds")
    assert (
        "none has come since (min_out_minutes: out for 900 of 1200 seconds)"
        in explain_request(world.engine, 1, world.now).sentence
    )


def test_2_5_the_guards_hold_by_variant(world: World) -> None:
    overrides = [
        {"variant": "LAMP", "rules": {"min_inventory": 4}},
        {"variant": "VASE", "rules": {"confirm_pulls": 2}},
        {"variant": "CUP", "rules": {"min_restock": 5}},
        {"variant": "MAT", "rules": {"min_out_minutes": 60}},
    ]
    world.set_rules(rule_overrides=overrides)
    names = ("LAMP", "VASE", "CUP", "MAT", "PEN")
    world.sync(*[a_row(name, 9) for name in names])
    world.sync(*[a_row(name, 0) for name in names])
    world.sync(*[a_row(name, 3) for name in names])
    assert [is_open(world, name) for name in names] == [False, False, False, True, True]
    assert world.query("SELECT variant_id FROM restock_event") == [("PEN",)]


def test_2_5_another_minimum_for_one_variant_is_judged_at_once(world: World) -> None:
    world.sync(a_row("LAMP", 3), a_row("VASE", 3))
    world.set_rules(rule_overrides=[{"variant": "LAMP", "rules": {"min_inventory": 4}}])
    assert (is_open(world), is_open(world, "VASE")) == (False, True)
    world.set_rules()
    assert is_open(world)


def test_2_7_how_old_stock_may_be_is_two_intervals_and_an_hour_at_least(
    engine: Engine, tmp_path: Path
) -> None:
    World(engine, tmp_path, a_shop("quick", schedule="15 minutes"))
    world = World(engine, tmp_path, a_shop("slow", schedule="0 */6 * * *"))
    ages = world.query("SELECT shop_id, max_stock_age FROM shop ORDER BY 1")
    assert ages == [("quick", timedelta(hours=1)), ("slow", timedelta(hours=12))]


def test_2_7_the_shop_says_how_old_stock_may_be_else_the_variable(engine: Engine, tmp_path: Path) -> None:
    world = World(engine, tmp_path)
    world.set_rules(max_stock_age_minutes=90)
    World(engine, tmp_path, a_shop("own", max_stock_age="3 hours"))
    world.sync(a_row("LAMP", 1))
    ages = dict(world.query("SELECT shop_id, max_stock_age FROM shop"))
    assert ages == {"demo": timedelta(minutes=90), "own": timedelta(hours=3)}


def test_2_5_a_lower_minimum_recalls_the_level_below_it_of_the_counted_locations_only(world: World) -> None:
    own = [{"variant": "LAMP", "rules": {"included_locations": ["store"]}}]
    world.set_rules(min_inventory=6, rule_overrides=own)
    for in_store in (2, 3):
        world.sync(a_row("LAMP", in_store, "store"), a_row("LAMP", 9, "warehouse"))
    world.set_rules(min_inventory=3, min_restock=2, rule_overrides=own)
    assert (is_open(world), guard(world)) == (False, "min_restock: 1 of 2 units came back")
