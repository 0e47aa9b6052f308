from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.domain.rules import RuleSet
from include.domain.stock import Standing, first_sight, observe, sellable_units

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(("available", "units"), [("-2", 0), ("0.99", 0), ("3.7", 3), ("4", 4)])
def test_whole_units_above_zero_count(available: str, units: int) -> None:
    assert sellable_units(Decimal(available)) == units


def test_what_is_not_published_or_not_tracked_has_nothing_to_announce() -> None:
    assert sellable_units(Decimal(9), Standing(is_published=False)) == 0
    assert sellable_units(Decimal(9), Standing(is_tracked=False)) == 0


@given(levels=st.lists(st.integers(0, 9), min_size=1, max_size=30), minimum=st.integers(1, 5))
def test_with_default_guards_a_variant_is_open_exactly_when_it_has_enough(
    levels: list[int], minimum: int
) -> None:
    rules = RuleSet(min_inventory=minimum)
    state = first_sight(levels[0], rules, NOON)
    for step, level in enumerate(levels[1:], start=1):
        state = observe(state, level, rules, NOON + timedelta(minutes=step))
        assert state.is_open == (level >= minimum)


@given(levels=st.lists(st.integers(0, 9), min_size=2, max_size=30))
def test_every_opening_is_one_cycle(levels: list[int]) -> None:
    rules = RuleSet()
    state = first_sight(levels[0], rules, NOON)
    openings = sum(1 for before, after in itertools.pairwise(levels) if before == 0 and after > 0)
    for step, level in enumerate(levels[1:], start=1):
        state = observe(state, level, rules, NOON + timedelta(minutes=step))
    assert state.cycle == openings
