from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.domain.report_days import as_runs, days_between, ended_days, with_followers

FIRST = date(2026, 3, 1)
days = st.sets(st.integers(0, 40).map(lambda number: FIRST + timedelta(days=number)))


@given(days)
def test_runs_hold_the_same_days_and_never_touch(given_days: set[date]) -> None:
    runs = list(as_runs(given_days))
    assert {day for run in runs for day in days_between(*run)} == given_days
    assert all(later[0] - earlier[1] > timedelta(days=1) for earlier, later in pairwise(runs))


@pytest.mark.parametrize(
    "zone", ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Kiritimati"]
)
def test_every_day_ends_in_one_interval_only(zone: str) -> None:
    midnight = datetime(2026, 2, 1, tzinfo=UTC)
    found: list[date] = []
    for number in range(90):
        start = midnight + timedelta(days=number)
        found += days_between(*ended_days(start, start + timedelta(days=1), ZoneInfo(zone)))
    assert found == days_between(found[0], found[-1])
    assert len(found) == 90


def test_an_interval_in_which_no_day_ends_has_none() -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert days_between(*ended_days(noon, noon + timedelta(hours=2), ZoneInfo("UTC"))) == []


def test_what_a_day_changes_on_later_ones_ends_today() -> None:
    assert with_followers([FIRST], 5, FIRST + timedelta(days=2)) == set(
        days_between(FIRST, FIRST + timedelta(days=2))
    )
