from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from include.catalog.base import CatalogRow
from include.services import catalog
from include.services.report_build import build_report
from include.services.report_plan import list_report_shops, note_due_days
from tests.builders import RowsConnector, World, a_row

DAY = timedelta(days=1)


class Increments(RowsConnector):
    full_every = DAY


def pull(
    world: World, *rows: CatalogRow, is_full: bool = False, at: datetime | None = None
) -> dict[str, Any]:
    window = world.next_window()
    given = (world.engine, world.shop, Increments(rows), world.folder, window)
    catalog.pull_window(*given, at or world.now, is_full)
    loaded = catalog.load_snapshot(*given, world.now)
    return loaded | catalog.detect_changes(*given, loaded["snapshot_id"], world.now)


def levels(world: World) -> dict[tuple[str, str], int]:
    rows = world.query("SELECT variant_id, location_id, quantity FROM stock_level ORDER BY 1, 2")
    return {(variant, location): int(quantity) for variant, location, quantity in rows}


def kinds(world: World) -> list[str]:
    return [kind for (kind,) in world.query("SELECT kind FROM snapshot ORDER BY snapshot_id")]


def test_the_first_pull_is_full_then_what_changed_and_after_full_every_all_again(world):
    for _ in range(3):
        pull(world, a_row("LAMP", 1))
    world.pass_time(days=1)
    pull(world, a_row("LAMP", 1))
    assert kinds(world) == ["full", "partial", "partial", "full"]


def test_a_full_pull_can_be_asked_for(world):
    pull(world, a_row("LAMP", 1))
    pull(world, a_row("LAMP", 1), is_full=True)
    assert kinds(world) == ["full", "full"]


def test_an_increment_opens_a_variant_and_leaves_the_others(world):
    world.use_flow()
    pull(world, a_row("LAMP", 0, "a"), a_row("LAMP", 0, "b"), a_row("VASE", 4, "a"))
    world.ask("ann@example.org", "LAMP")
    changed = pull(world, a_row("LAMP", 5, "b"))
    assert changed["events"] == 1
    assert levels(world) == {("LAMP", "a"): 0, ("LAMP", "b"): 5, ("VASE", "a"): 4}
    assert world.tell() == ["ann@example.org"]


def test_an_increment_without_a_change_keeps_the_stock_fresh(world):
    world.use_flow()
    pull(world, a_row("LAMP", 0))
    world.ask("ann@example.org", "LAMP")
    pull(world, a_row("LAMP", 5))
    for _ in range(12):
        world.pass_time(minutes=15)
        pull(world)
    assert world.tell() == ["ann@example.org"]


def test_a_row_that_says_nothing_of_stock_renews_what_messages_say(world):
    pull(
        world, a_row("LAMP", 3, "a", collections=("Lights",)), a_row("LAMP", 4, "b", collections=("Lights",))
    )
    row = a_row("LAMP", 0, title="Brass lamp", price="9.50", collections=None)
    row.quantity = None
    pull(world, row, a_row("NEW", 0))
    assert levels(world) == {("LAMP", "a"): 3, ("LAMP", "b"): 4, ("NEW", ""): 0}
    known = world.query("SELECT title, price, collections FROM variant WHERE variant_id = 'LAMP'")
    assert [tuple(row) for row in known] == [("Brass lamp", pytest.approx(9.5), ["Lights"])]


def test_a_row_that_says_nothing_of_stock_of_an_unknown_variant_waits_for_a_full_pull(world):
    pull(world, a_row("LAMP", 3))
    row = a_row("NEW", 0)
    row.quantity = None
    pull(world, row)
    assert levels(world) == {("LAMP", ""): 3}


def test_an_unpublished_variant_closes_by_an_increment(world):
    pull(world, a_row("LAMP", 3))
    row = a_row("LAMP", 0, is_published=False)
    row.quantity = None
    assert pull(world, row)["closed"] == 1


def test_a_price_that_changes_is_recorded(world):
    pull(world, a_row("LAMP", 3, price="20", compare_at_price="25"))
    pull(world, a_row("LAMP", 3, price="18", compare_at_price="25"))
    pull(world, a_row("LAMP", 2, price="18", compare_at_price="25"))
    found = world.query("SELECT variant_id, previous_price, price, compare_at_price FROM price_change")
    assert [tuple(row) for row in found] == [("LAMP", 20, 18, 25)]


def test_2_2_a_sweep_that_took_long_does_not_override_what_came_meanwhile(world):
    pull(world, a_row("LAMP", 1), a_row("VASE", 1))
    began = world.now + timedelta(minutes=1)
    world.pass_time(minutes=5)
    pull(world, a_row("LAMP", 7))
    pull(world, a_row("LAMP", 0), a_row("VASE", 2), is_full=True, at=began)
    assert levels(world) == {("LAMP", ""): 7, ("VASE", ""): 2}


def test_2_2_nor_where_what_came_meanwhile_changed_nothing(world):
    pull(world, a_row("LAMP", 1))
    began = world.now + timedelta(minutes=1)
    world.pass_time(minutes=5)
    pull(world, a_row("LAMP", 1))
    pull(world, a_row("LAMP", 0), is_full=True, at=began)
    assert levels(world) == {("LAMP", ""): 1}


def test_a_full_pull_reports_what_increments_had_missed(world):
    pull(world, a_row("LAMP", 1), a_row("VASE", 4), a_row("SOFA", 1))
    missed_at = (world.now + timedelta(minutes=5)).isoformat()
    world.pass_time(minutes=10)
    pull(world, a_row("LAMP", 2))
    late = (world.now + timedelta(minutes=1)).isoformat()
    world.pass_time(minutes=10)
    rows = [
        a_row("LAMP", 2, reported_at=missed_at),
        a_row("VASE", 1, reported_at=missed_at),
        a_row("SOFA", 5, reported_at=late),
    ]
    swept = pull(world, *rows, is_full=True)
    found = world.query("SELECT snapshot_id, level_count, drifted_count, drifted_units FROM stock_drift")
    assert [tuple(row) for row in found] == [(swept["snapshot_id"], 3, 1, 3)]


def test_the_drift_is_a_row_of_data_quality(world):
    test_a_full_pull_reports_what_increments_had_missed(world)
    world.pass_time(days=1)
    (shop,) = list_report_shops(world.engine, world.now)
    note_due_days(world.engine, shop, world.now)
    build_report(world.engine, "data_quality", world.now)
    rows = world.query(
        "SELECT kind, drifted_count, drifted_units FROM report_data_quality ORDER BY kind, drifted_count"
    )
    assert [(kind, int(count), int(units)) for kind, count, units in rows] == [
        ("full", 1, 3),
        ("partial", 0, 0),
    ]
