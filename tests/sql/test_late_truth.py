"""SEMANTICS 2.2, 2.8, 2.9: what a late observation changes, and what it never may."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.catalog.base import CatalogRow
from include.domain.window import Window
from include.services import catalog
from tests.builders import INTERVAL, START, RowsConnector, World, a_row

NewWorld = Callable[[], AbstractContextManager[World]]
QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]

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


@settings(max_examples=60, deadline=None, suppress_health_check=QUIET)
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
