from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.domain.pace import Pace, Queue, fit_wanted
from include.domain.release import VariantAtRelease, allow_release
from include.domain.rules import RuleSet

NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)


@dataclass(frozen=True)
class Waiter:
    name: str
    wanted: int = 1


TWENTY = [Waiter(f"p{place}") for place in range(20)]


def a_queue(units: int, waiting: list[Waiter] = TWENTY, **changes: Any) -> Queue[Waiter]:
    return Queue(units, waiting, changes.get("invited", []), changes.get("next_release_at"))


@given(
    units=st.integers(0, 20),
    per_unit=st.one_of(st.just("all"), st.integers(1, 5)),
    minimum=st.integers(1, 5),
    invited=st.integers(0, 20),
    waits=st.one_of(st.none(), st.integers(-30, 30)),
)
def test_the_number_told_is_that_of_the_release_rule(
    units: int, per_unit: Any, minimum: int, invited: int, waits: int | None
) -> None:
    rules = RuleSet(customers_per_unit=per_unit, min_inventory=minimum)
    next_at = None if waits is None else NOW + timedelta(minutes=waits)
    queue = a_queue(units, invited=[Waiter("i")] * invited, next_release_at=next_at)
    variant = VariantAtRelease(units, units >= minimum, False, False, invited, next_at)
    allowed = allow_release(variant, rules, NOW).people
    chosen, _ = Pace("any", rules).select(queue, NOW)
    assert chosen == TWENTY[: 20 if allowed is None else allowed]


def test_the_next_batch_waits_only_where_somebody_was_told() -> None:
    pace = Pace("five", RuleSet(customers_per_unit=5, wait_minutes=30))
    assert pace.select(a_queue(1), NOW)[1] == NOW + timedelta(minutes=30)
    assert pace.select(a_queue(0), NOW)[1] is None


def test_a_fixed_number_does_not_look_at_how_much_there_is() -> None:
    pace = Pace("braze", RuleSet(wait_minutes=10), fixed_count=7)
    assert pace.select(a_queue(1), NOW) == (TWENTY[:7], NOW + timedelta(minutes=10))
    assert pace.select(a_queue(0), NOW) == ([], None)
    assert pace.select(a_queue(9, next_release_at=NOW + timedelta(minutes=1)), NOW)[0] == []


def test_the_wanted_units_of_the_invited_are_taken_off() -> None:
    pace = Pace("one", RuleSet(customers_per_unit=1), sizing="wanted")
    waiting = [Waiter("a", 2), Waiter("b", 2)]
    assert pace.select(a_queue(6, waiting, invited=[Waiter("i", 3)]), NOW)[0] == waiting[:1]


@pytest.mark.parametrize(
    ("overtaking", "names"), [(False, ["a"]), (True, ["a", "d"])], ids=["no overtaking", "overtaking"]
)
def test_wanted_units_are_filled_in_order(overtaking: bool, names: list[str]) -> None:
    waiting = [Waiter("a", 3), Waiter("too much", 6), Waiter("c", 3), Waiter("d", 2)]
    assert [waiter.name for waiter in fit_wanted(waiting, 5, 5, overtaking)] == names
