from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from include.domain.pace import Pace, Queue
from include.domain.release import VariantAtRelease, Waiting, allow_release
from include.domain.rules import RuleSet

NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)
TWENTY = [Waiting(place, NOW - timedelta(days=1) + timedelta(minutes=place)) for place in range(20)]


def a_queue(units: int, waiting: list[Waiting] = TWENTY, **changes: Any) -> Queue:
    return Queue(units, waiting, **changes)


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
    queue = a_queue(units, invited=TWENTY[:invited], next_release_at=next_at)
    variant = VariantAtRelease(units, units >= minimum, False, False, 0, next_at, invited=invited)
    allowed = allow_release(variant, rules, NOW)
    chosen, _ = Pace("any", rules).select(queue, NOW)
    assert chosen == list(range(20))[: 20 if allowed.room is None else allowed.room]


def test_the_next_batch_waits_only_where_somebody_was_told() -> None:
    pace = Pace("five", RuleSet(customers_per_unit=5, wait_minutes=30))
    assert pace.select(a_queue(1), NOW)[1] == NOW + timedelta(minutes=30)
    assert pace.select(a_queue(0), NOW)[1] is None


def test_a_fixed_number_does_not_look_at_how_much_there_is() -> None:
    pace = Pace("braze", RuleSet(wait_minutes=10), fixed_count=7)
    assert pace.select(a_queue(1), NOW) == (list(range(7)), NOW + timedelta(minutes=10))
    assert pace.select(a_queue(0), NOW) == ([], None)
    assert pace.select(a_queue(9, next_release_at=NOW + timedelta(minutes=1)), NOW)[0] == []


def test_the_wanted_units_of_the_invited_are_taken_off() -> None:
    pace = Pace("one", RuleSet(customers_per_unit=1, sizing="wanted_units"))
    waiting = [Waiting(1, NOW, 2), Waiting(2, NOW, 2)]
    assert pace.select(a_queue(6, waiting, invited=[Waiting(0, NOW, 3)]), NOW)[0] == [1]
