"""SEMANTICS 2.2, 2.8, 2.9: what a late observation changes, and what it never may."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from include.catalog.base import CatalogRow
from include.catalog.registry import build_connector
from include.domain.window import Window
from include.services import catalog
from include.services.snapshots import show_snapshot
from tests.builders import INTERVAL, START, RowsConnector, World, a_row, a_shop
from tests.examples import examples

NewWorld = Callable[[], AbstractContextManager[World]]
QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
# Worlds are slow to build: a failing example is told as it was found.
AS_FOUND = [Phase.explicit, Phase.reuse, Phase.generate]

TOLD_AGAIN = (
    "SELECT variant_id, location_id, quantity, observed_at, missed_count FROM stock_level ORDER BY 1, 2",
    "SELECT variant_id, location_id, observed_at, quantity, previous_quantity FROM stock_change ORDER BY 1, 2, 3",
    "SELECT variant_id, location_id, observed_at, is_missing FROM presence_change ORDER BY 1, 2, 3",
    "SELECT variant_id, observed_at, is_published, is_tracked, continue_selling FROM variant_change ORDER BY 1, 2",
    "SELECT variant_id, cycle, opened_at, units_before, units_after FROM restock_event ORDER BY 1, 2",
    "SELECT variant_id, available, units, is_open, is_absent, last_below, confirmations, cycle, observed_at,"
    " opened_at, closed_at, restocked_at, added_units, guard_reason FROM variant_stock ORDER BY 1",
    "SELECT variant_id, title, is_published, is_tracked, first_seen_at FROM variant ORDER BY 1",
)


def told(world: World) -> list[list[tuple[object, ...]]]:
    return [[tuple(row) for row in world.query(statement)] for statement in TOLD_AGAIN]


def window_number(number: int) -> Window:
    return Window.scheduled(START + number * INTERVAL, START + (number + 1) * INTERVAL)


def archive(world: World, number: int, rows: Iterable[CatalogRow]) -> None:
    window = window_number(number)
    catalog.pull_window(world.engine, world.shop, RowsConnector(rows), world.folder, window, window.end)


def load_and_detect(world: World, number: int, rows: Iterable[CatalogRow]) -> dict[str, int]:
    given = (world.engine, world.shop, RowsConnector(rows), world.folder, window_number(number))
    loaded = catalog.load_snapshot(*given, world.now)
    return catalog.detect_changes(*given, loaded["snapshot_id"], world.now)


def live_through(world: World, pulls: Sequence[Sequence[CatalogRow]], order: Sequence[int]) -> None:
    for number, rows in enumerate(pulls):
        archive(world, number, rows)
    newest = 0
    for number in order:
        newest = max(newest, number)
        world.now = START + (newest + 1) * INTERVAL
        load_and_detect(world, number, pulls[number])


SIGHTS = st.one_of(
    st.none(),
    st.tuples(st.integers(-1, 4), st.booleans() | st.just(True), st.booleans() | st.just(True)),
)
PLACES = (("V1", "a"), ("V1", "b"), ("V2", "a"), ("V3", "a"))


def rows_of(sights: Sequence[tuple[int, bool, bool] | None], title: str) -> list[CatalogRow]:
    standing: dict[str, tuple[bool, bool]] = {}
    rows = [a_row("ALWAYS", 1)]
    for (variant, location), sight in zip(PLACES, sights, strict=True):
        if sight is not None:
            is_published, is_tracked = standing.setdefault(variant, sight[1:])
            rows.append(
                a_row(
                    variant, sight[0], location, title=title, is_published=is_published, is_tracked=is_tracked
                )
            )
    return rows


@st.composite
def backfills(draw) -> tuple[list[list[CatalogRow]], list[int]]:
    sights = st.tuples(*[SIGHTS for _ in PLACES])
    walk = draw(st.lists(sights, min_size=2, max_size=9))
    pulls = [rows_of(step, "a title") for step in walk]
    return pulls, draw(st.permutations(range(len(pulls))))


@settings(max_examples=examples(16), deadline=None, suppress_health_check=QUIET, phases=AS_FOUND)
@given(
    backfill=backfills(),
    rules=st.fixed_dictionaries(
        {
            "min_inventory": st.integers(1, 2),
            "min_restock": st.integers(1, 2),
            "confirm_pulls": st.integers(1, 3),
            "confirm_absent": st.integers(1, 3),
            "min_out_minutes": st.sampled_from([0, 20, 40]),
        }
    ),
)
def test_2_9_windows_in_any_order_tell_the_same_history_as_in_their_order(
    new_world: NewWorld, backfill, rules
) -> None:
    pulls, order = backfill
    with new_world() as in_order, new_world() as out_of_order:
        for world in (in_order, out_of_order):
            world.set_rules(gates_from_rows=10**6, **rules)
        live_through(in_order, pulls, range(len(pulls)))
        live_through(out_of_order, pulls, order)
        assert told(out_of_order) == told(in_order)


def opened(world: World) -> list[tuple[object, ...]]:
    return [
        tuple(row)
        for row in world.query(
            "SELECT variant_id, cycle, units_before, units_after FROM restock_event ORDER BY 1, 2"
        )
    ]


def test_2_9_48_missed_windows_in_any_order_tell_the_same_people_once(new_world: NewWorld) -> None:
    dice = random.Random(7)
    numbers = [*range(49), 60]
    pulls = {n: [a_row(f"V{v}", dice.choice((0, 0, 1, 3)), title="V") for v in range(12)] for n in numbers}
    missed = list(range(1, 49))
    dice.shuffle(missed)
    people, histories = [], []
    for late in (range(1, 49), missed):
        with new_world() as world:
            world.use_flow()
            world.set_rules(gates_from_rows=10**6, confirm_pulls=2)
            for number in numbers:
                archive(world, number, pulls[number])
            world.now = START + INTERVAL
            load_and_detect(world, 0, pulls[0])
            for v in range(12):
                world.ask(f"p{v}@example.org", f"V{v}", in_stock="next_restock")
            world.now = START + 61 * INTERVAL
            for number in late:
                load_and_detect(world, number, pulls[number])
                assert world.tell() == []
            load_and_detect(world, 60, pulls[60])
            people.append(sorted(world.tell()))
            assert world.tell() == []
            histories.append(told(world))
    assert people[0] == people[1] != []
    assert histories[0] == histories[1]


def test_2_9_windows_missed_before_the_newest_pull_leave_who_was_told_alone(world: World) -> None:
    world.use_flow()
    world.set_rules(customers_per_unit=1, wait_minutes=600)
    for number, quantity in enumerate((0, 0, 2, 0, 2)):
        archive(world, number, [a_row("LAMP", quantity)])
    for number in (0, 4):
        world.now = START + (number + 1) * INTERVAL
        load_and_detect(world, number, [a_row("LAMP", 2 if number else 0)])
        if not number:
            world.ask_many("LAMP", 4)
    first = world.tell()
    timer = world.value("SELECT next_release_at FROM variant_stock")
    batches = world.query("SELECT * FROM batch")
    for number, quantity in ((3, 0), (1, 0), (2, 2)):
        load_and_detect(world, number, [a_row("LAMP", quantity)])
        assert world.tell() == []
    assert len(first) == 2 and opened(world) == [("LAMP", 1, 0, 2), ("LAMP", 2, 0, 2)]
    assert world.value("SELECT next_release_at FROM variant_stock") == timer
    assert world.query("SELECT * FROM batch") == batches
    world.pass_time(minutes=600)
    world.sync(a_row("LAMP", 2))
    assert not set(first) & set(world.tell())


def test_2_2_a_late_observation_never_makes_old_stock_current(world: World) -> None:
    for number, quantity in enumerate((0, 9, 0)):
        archive(world, number, [a_row("LAMP", quantity)])
    world.use_flow()
    world.now = START + 3 * INTERVAL
    load_and_detect(world, 0, [a_row("LAMP", 0)])
    world.ask("ann@example.org", "LAMP")
    load_and_detect(world, 2, [a_row("LAMP", 0)])
    load_and_detect(world, 1, [a_row("LAMP", 9)])
    assert opened(world) == [("LAMP", 1, 0, 9)]
    assert world.query("SELECT units, is_open FROM variant_stock") == [(0, False)]
    assert world.tell() == []


def test_2_9_what_a_late_snapshot_says_of_a_variant_is_corrected_by_the_next_one(world: World) -> None:
    titles = ["First", "Late", None, "First"]
    pulls = [[a_row("MUG", len(title), title=title)] if title else [a_row("LAMP", 0)] for title in titles]
    for number, rows in enumerate(pulls):
        archive(world, number, rows)
    world.now = START + 4 * INTERVAL
    for number in (0, 2, 1):
        load_and_detect(world, number, pulls[number])
    assert world.value("SELECT title FROM variant WHERE variant_id = 'MUG'") == "Late"
    load_and_detect(world, 3, pulls[3])
    assert world.value("SELECT title FROM variant WHERE variant_id = 'MUG'") == "First"


def test_2_9_a_late_snapshot_says_what_it_changed_and_says_the_same_again(world: World) -> None:
    for number, quantity in enumerate((0, 9, 0)):
        archive(world, number, [a_row("LAMP", quantity)])
    world.now = START + 3 * INTERVAL
    load_and_detect(world, 0, [a_row("LAMP", 0)])
    load_and_detect(world, 2, [a_row("LAMP", 0)])
    done = load_and_detect(world, 1, [a_row("LAMP", 9)])
    assert done["changes_added"] == 2 and done["events_added"] == 1 and done["events_removed"] == 0
    assert load_and_detect(world, 1, [a_row("LAMP", 9)]) == done
    late = world.value("SELECT snapshot_id FROM backfill_summary")
    assert show_snapshot(world.engine, "demo", late).backfill["events_added"] == 1


def test_2_9_a_restock_that_was_seen_too_late_moves_to_its_time(world: World) -> None:
    for number, quantity in enumerate((0, 9, 9)):
        archive(world, number, [a_row("LAMP", quantity)])
    world.now = START + 3 * INTERVAL
    load_and_detect(world, 0, [a_row("LAMP", 0)])
    load_and_detect(world, 2, [a_row("LAMP", 9)])
    done = load_and_detect(world, 1, [a_row("LAMP", 9)])
    assert (done["changes_moved"], done["events_moved"], done["events_added"]) == (1, 1, 0)
    assert world.value("SELECT opened_at FROM restock_event") == START + 2 * INTERVAL


def test_2_9_the_rules_of_each_time_hold_when_its_history_is_told_again(world: World) -> None:
    for number, quantity in enumerate((0, 2, 0, 2, 2)):
        archive(world, number, [a_row("LAMP", quantity)])
    for number in (0, 1, 2):
        world.now = START + (number + 1) * INTERVAL
        load_and_detect(world, number, [a_row("LAMP", (0, 2, 0)[number])])
    world.pass_time(minutes=1)
    world.set_rules(min_inventory=5)
    world.now = START + 5 * INTERVAL
    load_and_detect(world, 4, [a_row("LAMP", 2)])
    load_and_detect(world, 3, [a_row("LAMP", 2)])
    assert opened(world) == [("LAMP", 1, 0, 2)]


def test_2_9_a_bundle_is_told_again_with_its_components(new_world: NewWorld) -> None:
    pulls = [
        [a_row("SET", 0), a_row("LAMP", lamp), a_row("BULB", bulb)]
        for lamp, bulb in ((1, 0), (1, 2), (0, 2), (2, 2), (2, 0), (2, 5))
    ]
    shop = a_shop(bundles=[{"variant": "SET", "components": {"LAMP": 1, "BULB": 2}}])
    with new_world() as in_order, new_world() as out_of_order:
        in_order.shop = out_of_order.shop = shop
        live_through(in_order, pulls, range(6))
        live_through(out_of_order, pulls, (0, 5, 2, 4, 1, 3))
        assert told(out_of_order) == told(in_order)
        assert ("SET", 3) in [row[:2] for row in opened(out_of_order)]


def test_2_9_a_first_sight_that_was_awaited_stays_a_restock(world: World) -> None:
    world.use_flow()
    for number, rows in enumerate(([], [a_row("LAMP", 3)], [a_row("LAMP", 4)])):
        archive(world, number, [a_row("VASE", 1), *rows])
    world.now = START + INTERVAL
    load_and_detect(world, 0, [a_row("VASE", 1)])
    world.ask("ann@example.org", "LAMP", in_stock="next_restock")
    world.now = START + 3 * INTERVAL
    load_and_detect(world, 2, [a_row("VASE", 1), a_row("LAMP", 4)])
    load_and_detect(world, 1, [a_row("VASE", 1), a_row("LAMP", 3)])
    assert opened(world) == [("LAMP", 1, None, 3)]
    assert world.tell() == ["ann@example.org"]
    assert world.tell() == []


def test_2_6_the_first_pull_and_a_first_sight_raise_no_event(world: World) -> None:
    world.sync(a_row("LAMP", 5))
    world.sync(a_row("LAMP", 5), a_row("VASE", 5))
    assert opened(world) == []


def test_2_8_a_past_window_is_read_from_its_archive_and_never_from_the_present(world: World) -> None:
    archive(world, 1, [a_row("LAMP", 0)])
    world.now = START + 9 * INTERVAL
    given = (world.engine, world.shop, RowsConnector([a_row("LAMP", 5)]), world.folder)
    assert catalog.pull_window(*given, window_number(1), world.now)["source"] == "archive"
    assert catalog.pull_window(*given, window_number(2), world.now)["source"] == "none"
    assert catalog.pull_window(*given, Window.manual("by hand"), world.now)["source"] == "live"


def test_2_8_a_live_pull_is_allowed_until_the_next_window_ends(world: World) -> None:
    given = (world.engine, world.shop, RowsConnector([a_row("LAMP", 5)]), world.folder)
    for number, age, source in ((0, 2 * INTERVAL - timedelta(seconds=1), "live"), (1, 2 * INTERVAL, "none")):
        window = window_number(number)
        assert catalog.pull_window(*given, window, window.start + age)["source"] == source


DATED = "file://{folder}/stock-{{window_start:%Y%m%d-%H%M}}.jsonl"


def test_2_8_a_dated_feed_tells_the_past_and_says_where_nothing_was_recorded(
    engine: Engine, tmp_path: Path
) -> None:
    feed = {"url": DATED.format(folder=tmp_path)}
    world = World(engine, tmp_path, a_shop(feed=feed))
    for number, quantity in ((0, 0), (1, 4), (3, 0)):
        name = f"stock-{window_number(number).start:%Y%m%d-%H%M}.jsonl"
        (tmp_path / name).write_text(json.dumps({"id": "LAMP", "quantity": quantity}) + "\n")
    world.now = START + 9 * INTERVAL
    sources = []
    for number in (3, 0, 2, 1):
        given = (engine, world.shop, build_connector(world.shop), world.folder, window_number(number))
        sources.append(catalog.pull_window(*given, world.now)["source"])
        if sources[-1] != "none":
            loaded = catalog.load_snapshot(*given, world.now)
            catalog.detect_changes(*given, loaded["snapshot_id"], world.now)
    assert sources == ["dated", "dated", "none", "dated"]
    assert world.query("SELECT observed_at FROM snapshot ORDER BY observed_at") == [
        (window_number(number).end,) for number in (0, 1, 3)
    ]
    assert opened(world) == [("LAMP", 1, 0, 4)]
    assert world.value("SELECT units FROM variant_stock") == 0


def test_2_8_a_run_by_hand_reads_the_dated_feed_of_the_last_window(engine: Engine, tmp_path: Path) -> None:
    world = World(engine, tmp_path, a_shop(feed={"url": DATED.format(folder=tmp_path)}))
    name = f"stock-{window_number(1).start:%Y%m%d-%H%M}.jsonl"
    (tmp_path / name).write_text(json.dumps({"id": "LAMP", "quantity": 4}) + "\n")
    now = window_number(1).end + timedelta(minutes=3)
    given = (engine, world.shop, build_connector(world.shop), world.folder, Window.manual("by hand"))
    assert catalog.pull_window(*given, now)["source"] == "live"
    catalog.load_snapshot(*given, now)
    assert world.value("SELECT observed_at FROM snapshot") == now


def test_4_3_after_a_backfill_the_first_batch_of_a_cycle_still_counts_all_units(world: World) -> None:
    world.use_flow()
    world.set_rules(basis="added", customers_per_unit=1, wait_minutes=1)
    for number, quantity in enumerate((0, 3, 0, 4)):
        archive(world, number, [a_row("LAMP", quantity)])
    for number, quantity in ((0, 0), (3, 4)):
        world.now = START + (number + 1) * INTERVAL
        load_and_detect(world, number, [a_row("LAMP", quantity)])
        world.ask_many("LAMP", 9 * (number == 0))
    assert len(world.tell()) == 4
    for number, quantity in ((2, 0), (1, 3)):
        load_and_detect(world, number, [a_row("LAMP", quantity)])
    assert world.query("SELECT cycle, batched_cycle FROM variant_stock") == [(2, 2)]
    world.pass_time(minutes=15)
    world.window_start = world.now
    world.sync(a_row("LAMP", 5))
    assert len(world.tell()) == 1
