from __future__ import annotations

import pytest

from include.catalog.base import RejectedRow
from include.domain.window import Window
from include.errors import SnapshotRefused
from tests.builders import INTERVAL, START, World, a_row, a_shop


def levels(world: World) -> list[tuple[object, ...]]:
    return [
        tuple(row) for row in world.query("SELECT variant_id, units, is_open FROM variant_stock ORDER BY 1")
    ]


def events(world: World) -> list[tuple[object, ...]]:
    return [
        tuple(row)
        for row in world.query(
            "SELECT variant_id, cycle, units_before, units_after FROM restock_event ORDER BY 1, 2"
        )
    ]


def test_the_first_snapshot_sets_levels_and_raises_no_event(world: World) -> None:
    world.sync(a_row("LAMP", 5), a_row("VASE", 0))
    assert levels(world) == [("LAMP", 5, True), ("VASE", 0, False)]
    assert events(world) == []


def test_units_of_all_locations_count_together(world: World) -> None:
    world.sync(a_row("LAMP", 3, "north"), a_row("LAMP", "2.75", "south"), a_row("LAMP", -1, "pos"))
    assert levels(world) == [("LAMP", 4, True)]


def test_only_counted_locations_count(engine, tmp_path) -> None:
    world = World(engine, tmp_path, a_shop(locations={"include": ["north", "south"], "exclude": ["south"]}))
    world.sync(a_row("LAMP", 3, "north"), a_row("LAMP", 9, "south"), a_row("LAMP", 9, "pos"))
    assert levels(world) == [("LAMP", 3, True)]


def test_a_return_from_zero_is_a_restock_event(world: World) -> None:
    world.sync(a_row("LAMP", 0))
    world.sync(a_row("LAMP", 5))
    world.sync(a_row("LAMP", 9))
    world.sync(a_row("LAMP", 0))
    world.sync(a_row("LAMP", 1))
    assert events(world) == [("LAMP", 1, 0, 5), ("LAMP", 2, 0, 1)]


def test_a_detect_done_again_returns_the_same_and_changes_nothing(world: World) -> None:
    from include.services import catalog
    from tests.builders import RowsConnector

    world.sync(a_row("LAMP", 0))
    window = world.next_window()
    first = world.sync(a_row("LAMP", 5), window=window)
    again = catalog.detect_changes(
        world.engine, world.shop, RowsConnector([]), world.folder, window, first["snapshot_id"], world.now
    )
    assert again.items() <= first.items()
    assert len(events(world)) == 1


def test_a_variant_missing_from_one_full_pull_is_held_and_from_two_is_sold_out(world: World) -> None:
    world.sync(a_row("LAMP", 5), a_row("VASE", 1))
    world.sync(a_row("VASE", 1))
    assert world.query("SELECT units, is_absent FROM variant_stock WHERE variant_id = 'LAMP'") == [(5, True)]
    world.sync(a_row("VASE", 1))
    assert world.query("SELECT units, is_absent, is_open FROM variant_stock WHERE variant_id = 'LAMP'") == [
        (0, False, False)
    ]


def test_a_variant_back_after_one_missing_pull_is_as_before(world: World) -> None:
    world.sync(a_row("LAMP", 5), a_row("VASE", 1))
    world.sync(a_row("VASE", 1))
    world.sync(a_row("LAMP", 5), a_row("VASE", 1))
    assert world.query("SELECT units, is_absent FROM variant_stock WHERE variant_id = 'LAMP'") == [(5, False)]
    assert events(world) == []


def test_an_unpublished_variant_has_no_stock_to_announce(world: World) -> None:
    world.sync(a_row("LAMP", 5, is_published=False))
    assert levels(world) == [("LAMP", 0, False)]
    world.sync(a_row("LAMP", 5))
    assert levels(world) == [("LAMP", 5, True)]


def test_a_variant_whose_stock_is_not_tracked_never_restocks(world: World) -> None:
    world.sync(a_row("LAMP", 0, is_tracked=False))
    world.sync(a_row("LAMP", 5, is_tracked=False))
    assert events(world) == []


def test_a_restock_smaller_than_asked_for_does_not_open(world: World) -> None:
    world.set_rules(min_restock=3)
    world.sync(a_row("LAMP", 0))
    world.sync(a_row("LAMP", 2))
    assert levels(world) == [("LAMP", 2, False)]
    world.sync(a_row("LAMP", 3))
    assert events(world) == [("LAMP", 1, 0, 3)]


def test_a_restock_waits_for_as_many_pulls_as_confirm_it(world: World) -> None:
    world.set_rules(confirm_pulls=3)
    world.sync(a_row("LAMP", 0))
    world.sync(a_row("LAMP", 5))
    world.sync(a_row("LAMP", 5))
    assert events(world) == []
    world.sync(a_row("LAMP", 5))
    assert events(world) == [("LAMP", 1, 0, 5)]


def test_a_short_time_out_of_stock_reopens_without_an_event(world: World) -> None:
    world.set_rules(min_out_minutes=20)
    world.sync(a_row("LAMP", 5))
    world.sync(a_row("LAMP", 0))
    world.sync(a_row("LAMP", 5))
    assert levels(world) == [("LAMP", 5, True)]
    assert events(world) == []


def test_an_older_observation_never_overrides_a_newer_one(world: World) -> None:
    world.sync(a_row("LAMP", 0))
    late = world.next_window()
    world.sync(a_row("LAMP", 0))
    world.now = late.end
    from include.services import catalog
    from tests.builders import RowsConnector

    connector = RowsConnector([a_row("LAMP", 9)])
    catalog.pull_window(world.engine, world.shop, connector, world.folder, late, late.end)
    world.sync(a_row("LAMP", 9), window=late)
    assert levels(world) == [("LAMP", 0, False)]


def test_a_window_too_late_for_a_live_pull_is_never_pulled(world: World) -> None:
    from include.services import catalog
    from tests.builders import RowsConnector

    window = Window.scheduled(START, START + INTERVAL)
    pulled = catalog.pull_window(
        world.engine, world.shop, RowsConnector([]), world.folder, window, START + 2 * INTERVAL
    )
    assert pulled["source"] == "none"


def test_rows_that_say_the_same_twice_count_once(world: World) -> None:
    assert world.sync(a_row("LAMP", 5), a_row("LAMP", 5))["rows"] == 1
    assert levels(world) == [("LAMP", 5, True)]


def test_a_refused_row_is_kept_with_its_line_and_reason(world: World) -> None:
    world.set_rules(max_rejected_percent=100)
    world.sync(a_row("LAMP", 5), RejectedRow(7, "quantity is 'many'", "VASE,many"))
    assert world.query("SELECT line_number, reason FROM rejected_row") == [(7, "quantity is 'many'")]


def many(quantity: int, count: int = 100) -> list:
    return [a_row(f"V{number:03}", quantity) for number in range(count)]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (many(5, 40), "40 rows are 40.0 % of the 100"),
        (many(0, 100), "100.0 % of the variants are sold out"),
        ([*many(5, 90), *(RejectedRow(n, "bad") for n in range(10))], "10 of 100 rows are unreadable"),
        ([], "no readable row"),
    ],
)
def test_a_feed_that_cant_be_believed_is_refused_and_the_last_good_state_stands(
    world: World, rows: list, reason: str
) -> None:
    world.sync(*many(5))
    before = levels(world)
    with pytest.raises(SnapshotRefused, match=reason):
        world.sync(*rows)
    assert levels(world) == before
    assert world.value(
        "SELECT count(*) FROM snapshot WHERE state = 'rejected' AND reason LIKE :r", r=f"%{reason}%"
    )


def test_sold_out_variants_that_all_read_999_are_refused(world: World) -> None:
    world.sync(*many(0))
    with pytest.raises(SnapshotRefused, match="100 of 100 variants rise from zero"):
        world.sync(*many(999))


def test_a_refused_snapshot_stays_refused_until_a_person_accepts_it(world: World) -> None:
    from include.services.snapshots import accept_snapshot

    world.sync(*many(0))
    window = world.next_window()
    for _ in range(2):
        with pytest.raises(SnapshotRefused):
            world.sync(*many(9), window=window)
    accept_snapshot(
        world.engine, "demo", world.value("SELECT max(snapshot_id) FROM snapshot"), "a great delivery"
    )
    assert world.sync(*many(9), window=window)["events"] == 100


def test_a_stage_lost_in_a_crash_is_filled_again_from_the_archive(world: World) -> None:
    from include.services import catalog
    from tests.builders import RowsConnector

    world.sync(a_row("LAMP", 0))
    given = (world.engine, world.shop, RowsConnector([a_row("LAMP", 4)]), world.folder, world.next_window())
    catalog.pull_window(*given, world.now)
    loaded = catalog.load_snapshot(*given, world.now)
    with world.engine.begin() as connection:
        connection.exec_driver_sql(f"TRUNCATE staged_row_{loaded['snapshot_id']}")
    assert catalog.detect_changes(*given, loaded["snapshot_id"], world.now)["events"] == 1


def test_text_that_copy_must_survive_arrives_as_it_was(world: World) -> None:
    title = 'back\\slash \t tab \n line "quoted" \x1e \x1f \\N \\. {brace}'
    world.sync(a_row("LAMP", 1, title=title, collections=('a"b', "c\\d", "e,f", "{}", "NULL", "")))
    assert world.query("SELECT title, collections FROM variant") == [
        (title, ['a"b', "c\\d", "e,f", "{}", "NULL", ""])
    ]


def test_who_imported_a_request_for_an_unknown_variant_is_told_at_its_first_sight(world: World) -> None:
    world.use_flow()
    world.sync(a_row("VASE", 1))
    world.ask("early@example.org", "LAMP", in_stock="next_restock")
    world.sync(a_row("VASE", 1), a_row("LAMP", 4))
    assert world.tell() == ["early@example.org"]


def test_who_asked_before_the_shops_first_pull_is_told_at_first_sight_but_no_import_is(world: World) -> None:
    world.use_flow()
    world.ask("import@example.org", "LAMP", in_stock="next_restock")
    world.ask("live@example.org", "LAMP")
    world.sync(a_row("LAMP", 4))
    assert world.tell() == ["live@example.org"]
