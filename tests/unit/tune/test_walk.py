from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.domain.pace import Pace, Queue
from include.domain.release import Waiting
from include.domain.rules import RuleSet
from include.domain.shopper import ShopperModel
from include.local.replay.orders import OrderLine
from include.local.replay.stock_policy import PolicySettings
from include.local.tune.figures import Figures
from include.local.tune.stored import RecordedStock
from include.local.tune.walk import Article, ArticleWalk, Asked, Clockwork
from include.local.tune.year import end_of, year_of_orders
from tests.unit.tune.histories import a_history, a_year

START = datetime(2026, 3, 2, tzinfo=UTC)
EVERYBODY_COMES = ShopperModel(
    returning=1, visit_minutes=30, visit_spread=0, patience_days=10**6, asking_again=0
)
ALL = Pace("all", RuleSet())


def one_per_unit(**changes: Any) -> Pace:
    return Pace("one", RuleSet(customers_per_unit=1, wait_minutes=60, **changes))


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


class SpyingPace(Pace):
    """A pace that writes down what it was shown and whom it chose."""

    seen: list[tuple[datetime, Queue, list[Waiting]]]

    def select(self, queue: Queue, now: datetime) -> tuple[list[int], datetime | None]:
        chosen, next_at = super().select(queue, now)
        known = {person.subscription_id: person for person in queue.waiting}
        self.seen.append((now, queue, [known[number] for number in chosen]))
        return chosen, next_at


def spy(pace: Pace) -> SpyingPace:
    watched = SpyingPace(**pace.__dict__)
    object.__setattr__(watched, "seen", [])
    return watched


def walk(
    pace: Pace,
    rises: list[tuple[float, int]],
    asked: list[tuple[float, str, int]],
    walk_ins: list[tuple[float, int]] = (),  # type: ignore[assignment]
    shoppers: ShopperModel = EVERYBODY_COMES,
    knows_orders: bool = True,
) -> Figures:
    figures = Figures()
    article = Article(
        "LAMP",
        [OrderLine(at(hours), 1, "LAMP", "", units, False) for hours, units in walk_ins],
        [Asked(at(hours), shopper, wanted) for hours, shopper, wanted in asked],
    )
    stock = RecordedStock([(at(hours), units) for hours, units in rises])
    ArticleWalk(
        article, stock, pace, shoppers, Clockwork(at(24 * 30), knows_orders=knows_orders), figures
    ).run()
    return figures


FIVE_ASK = [(float(place), f"p{place}", 1) for place in range(5)]


def test_told_all_at_once_whoever_comes_after_the_last_unit_came_in_vain() -> None:
    found = walk(ALL, [(10, 2)], FIVE_ASK)
    assert (found.told, found.came, found.bought, found.in_vain) == (5, 5, 2, 3)


def test_one_per_unit_with_a_wait_longer_than_the_visit_tells_nobody_in_vain() -> None:
    found = walk(one_per_unit(), [(10, 2)], FIVE_ASK)
    assert (found.told, found.bought, found.in_vain, found.never_told) == (2, 2, 0, 3)


def test_the_invited_keep_their_units_until_their_hours_are_over() -> None:
    slow = ShopperModel(returning=1, visit_minutes=90, visit_spread=0, asking_again=0)
    assert walk(one_per_unit(), [(10, 2)], FIVE_ASK, shoppers=slow).in_vain == 2
    assert walk(one_per_unit(subtract_invited_hours=2), [(10, 2)], FIVE_ASK, shoppers=slow).in_vain == 0


def test_when_the_hours_are_over_the_next_are_told() -> None:
    nobody = ShopperModel(returning=0)
    pace = spy(one_per_unit(subtract_invited_hours=3))
    assert walk(pace, [(10, 2)], FIVE_ASK, shoppers=nobody).told == 5
    assert [now for now, _, chosen in pace.seen if chosen] == [at(10), at(13), at(16)]


def test_walk_in_customers_take_what_the_told_come_for() -> None:
    found = walk(ALL, [(10, 2)], [(0, "p", 2)], walk_ins=[(10.25, 2)])
    assert (found.in_vain, found.units_sold, found.units_to_told) == (1, 2, 0)


def test_who_comes_takes_what_is_there() -> None:
    found = walk(ALL, [(10, 2)], [(0, "p", 5)])
    assert (found.bought, found.served_in_part, found.units_to_told, found.in_vain) == (1, 1, 2, 0)


def test_by_wanted_units_who_wants_more_than_there_is_is_passed_over() -> None:
    pace = one_per_unit(sizing="wanted_units")
    found = walk(pace, [(10, 3)], [(0, "big", 5), (1, "small", 2), (2, "next", 2)])
    assert (found.told, found.units_to_told, found.never_told) == (1, 2, 2)


def test_below_the_minimum_nobody_is_told() -> None:
    pace = Pace("three", RuleSet(min_inventory=3))
    assert walk(pace, [(10, 2)], FIVE_ASK).told == 0
    assert walk(pace, [(10, 2), (20, 1)], FIVE_ASK).told == 5


def test_who_came_in_vain_may_ask_again_at_the_end_of_the_queue() -> None:
    again = ShopperModel(returning=1, visit_minutes=30, visit_spread=0, patience_days=10**6, asking_again=1)
    found = walk(ALL, [(10, 2), (50, 10)], FIVE_ASK, shoppers=again)
    assert (found.requests, found.told, found.in_vain, found.bought) == (8, 8, 3, 5)


def test_nobody_is_told_twice_within_a_day() -> None:
    again = ShopperModel(returning=1, visit_minutes=30, visit_spread=0, patience_days=10**6, asking_again=1)
    pace = spy(ALL)
    walk(pace, [(10, 2), (11, 10)], FIVE_ASK, shoppers=again)
    assert [(now, len(chosen)) for now, _, chosen in pace.seen if chosen] == [(at(10), 5), (at(34), 3)]


def test_who_lost_interest_does_not_come_and_is_not_in_vain() -> None:
    hasty = ShopperModel(returning=1, patience_days=0.0001)
    found = walk(ALL, [(24 * 20, 1)], FIVE_ASK, shoppers=hasty)
    assert (found.told, found.came, found.in_vain) == (5, 0, 0)


def test_the_wait_is_from_asking_and_the_time_held_from_the_return_of_units() -> None:
    found = walk(one_per_unit(), [(10, 2), (12, 1)], [(0, "a", 1), (0, "b", 1), (0, "c", 1)])
    assert list(found.waits) == [36_000, 36_000, 43_200]
    assert list(found.held) == [0, 0, 7_200]


def test_a_fixed_number_is_told_per_wait_at_the_next_reading_until_it_is_sold_out() -> None:
    pace = spy(Pace("braze", RuleSet(wait_minutes=20), fixed_count=2))
    found = walk(pace, [(10, 3)], FIVE_ASK)
    assert (found.told, found.bought, found.in_vain) == (4, 3, 1)
    assert [(now, len(chosen)) for now, _, chosen in pace.seen if chosen] == [(at(10), 2), (at(10.5), 2)]


def test_magento_looks_once_a_day_and_tells_everyone() -> None:
    pace = spy(Pace("magento", RuleSet(), daily_at=time(0)))
    walk(pace, [(10, 2)], FIVE_ASK)
    assert [(now, len(chosen)) for now, _, chosen in pace.seen] == [(at(24), 5)]


def test_everybody_at_once_is_the_same_by_whatever_name() -> None:
    year = a_year()
    everyone = ALL, Pace("klaviyo", RuleSet(wait_minutes=5)), Pace("braze", RuleSet(), fixed_count=10**6)
    figures = [year.walk(pace, ShopperModel()) for pace in everyone]
    assert figures[0] == figures[1] == figures[2]
    assert figures[0].told > 100


def test_the_same_seed_gives_the_same_figures_and_another_seed_others() -> None:
    year = a_year()
    first, second, other = (year.walk(one_per_unit(), ShopperModel(seed=seed)) for seed in (1, 1, 2))
    assert first == second
    assert first != other


PACES = st.builds(
    Pace,
    st.just("any"),
    st.builds(
        RuleSet,
        min_inventory=st.integers(1, 3),
        customers_per_unit=st.one_of(st.just("all"), st.integers(1, 3)),
        wait_minutes=st.sampled_from([15.0, 60.0, 240.0]),
        subtract_invited_hours=st.sampled_from([0.0, 4.0, 24.0]),
        sizing=st.sampled_from(["people", "wanted_units"]),
        allow_overtaking=st.booleans(),
        ordering=st.sampled_from(["oldest", "newest", "lottery"]),
    ),
)


@settings(max_examples=60, deadline=None)
@given(
    pace=PACES,
    rises=st.lists(st.tuples(st.integers(1, 600), st.integers(1, 9)), min_size=1, max_size=8),
    asked=st.lists(st.tuples(st.integers(0, 600), st.integers(0, 12), st.integers(1, 5)), max_size=25),
    walk_ins=st.lists(st.tuples(st.integers(1, 600), st.integers(1, 4)), max_size=20),
)
def test_under_any_setting_units_and_people_are_conserved_and_the_bound_holds(
    pace: Pace,
    rises: list[tuple[int, int]],
    asked: list[tuple[int, int, int]],
    walk_ins: list[tuple[int, int]],
) -> None:
    watched = spy(pace)
    found = walk(
        watched,
        sorted(dict(rises).items()),  # type: ignore[arg-type]
        [(hours, f"p{who}", wanted) for hours, who, wanted in sorted(asked)],
        sorted(walk_ins),  # type: ignore[arg-type]
        ShopperModel(returning=0.8, visit_minutes=45),
    )
    assert found.units_to_told <= found.units_sold <= sum(dict(rises).values())
    assert found.requests == found.told + found.never_told
    assert found.came == found.bought + found.in_vain
    assert found.came <= found.told
    told = Counter(person.subscription_id for _, _, chosen in watched.seen for person in chosen)
    assert set(told.values()) <= {1}
    assert told.total() == found.told
    per_unit = pace.rules.people_allowed()
    for _, queue, chosen in watched.seen:
        if chosen:
            assert queue.units >= pace.rules.min_inventory
        if per_unit is not None:
            size = sum(map(pace.size_of, (*chosen, *queue.invited)))
            assert not chosen or size <= queue.units * per_unit
    batches = [now for now, _, chosen in watched.seen if chosen]
    if per_unit is not None:
        assert all(
            later - one >= timedelta(minutes=pace.rules.wait_minutes) for one, later in pairwise(batches)
        )


def test_people_are_told_in_the_order_in_which_they_asked() -> None:
    pace = spy(one_per_unit())
    walk(pace, [(10, 2), (20, 2)], FIVE_ASK)
    told = [person.subscribed_at for _, _, chosen in pace.seen for person in chosen]
    assert told == [at(place) for place in range(4)]


def test_where_orders_are_unknown_who_bought_counts_as_invited_until_the_hours_are_over() -> None:
    asked = [(0.0, "a", 1), (1.0, "b", 1)]
    known, unknown = spy(one_per_unit(subtract_invited_hours=4)), spy(one_per_unit(subtract_invited_hours=4))
    walk(known, [(10, 1), (11, 1)], asked)
    walk(unknown, [(10, 1), (11, 1)], asked, knows_orders=False)
    assert [now for now, _, chosen in known.seen if chosen] == [at(10), at(11)]
    assert [now for now, _, chosen in unknown.seen if chosen] == [at(10), at(14)]


@pytest.mark.parametrize("days", [5, 20])
def test_a_walk_ends_with_its_last_day(days: int) -> None:
    history = a_history()
    year = year_of_orders(history, PolicySettings(), Clockwork(end_of(history, days)), time(9))
    first = history.lines[0].at.date()
    assert {
        line.at.date() < first + timedelta(days=days) for known in year.articles for line in known.lines
    } == {True}
