"""Quiet hours (SEMANTICS 5)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from include.domain.schedule import (
    QuietHours,
    choose_zone,
    is_quiet,
    next_allowed,
    no_holiday,
    parse_quiet_hours,
)

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = QuietHours(time(21), time(8))
ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "America/Havana",
    "Asia/Beirut",
    "Pacific/Apia",
    "UTC",
]


def berlin(text: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold).astimezone(UTC)


@pytest.mark.parametrize(
    ("moment", "allowed"),
    [
        ("2026-03-02 20:59:59", "2026-03-02 20:59:59"),
        ("2026-03-02 21:00", "2026-03-03 08:00"),
        ("2026-03-02 23:59", "2026-03-03 08:00"),
        ("2026-03-03 07:59:59", "2026-03-03 08:00"),
        ("2026-03-03 08:00", "2026-03-03 08:00"),
    ],
)
def test_quiet_hours_across_midnight_begin_at_their_start_and_end_at_their_end(moment, allowed) -> None:
    assert next_allowed(berlin(moment), BERLIN, NIGHT) == berlin(allowed)


def test_quiet_hours_within_a_day() -> None:
    noon = QuietHours(time(12), time(14))
    assert next_allowed(berlin("2026-03-02 13:00"), BERLIN, noon) == berlin("2026-03-02 14:00")
    assert next_allowed(berlin("2026-03-02 14:30"), BERLIN, noon) == berlin("2026-03-02 14:30")


def test_a_night_with_a_clock_change_is_an_hour_shorter_or_longer() -> None:
    spring = next_allowed(berlin("2026-03-28 21:00"), BERLIN, NIGHT) - berlin("2026-03-28 21:00")
    autumn = next_allowed(berlin("2026-10-24 21:00"), BERLIN, NIGHT) - berlin("2026-10-24 21:00")
    assert (spring, autumn) == (timedelta(hours=10), timedelta(hours=12))


def test_an_end_that_the_clock_skips_is_the_change_itself() -> None:
    hours = QuietHours(time(22), time(2, 30))
    assert next_allowed(berlin("2026-03-29 01:00"), BERLIN, hours) == datetime(2026, 3, 29, 1, tzinfo=UTC)


def test_an_hour_that_comes_twice_is_quiet_twice() -> None:
    hours = QuietHours(time(22), time(2, 30))
    first_end = berlin("2026-10-25 02:30")
    assert next_allowed(berlin("2026-10-25 01:00"), BERLIN, hours) == first_end
    assert next_allowed(berlin("2026-10-25 02:10", fold=1), BERLIN, hours) == first_end + timedelta(hours=1)


def test_the_quiet_can_end_by_a_clock_that_goes_back() -> None:
    hours = QuietHours(time(2, 30), time(8))
    assert next_allowed(berlin("2026-10-25 02:45"), BERLIN, hours) == berlin("2026-10-25 02:00", fold=1)


def test_a_public_holiday_is_quiet_as_a_whole_and_its_night_after_too() -> None:
    holidays = {date(2026, 12, 25), date(2026, 12, 26)}
    assert next_allowed(berlin("2026-12-24 22:00"), BERLIN, NIGHT, holidays.__contains__) == berlin(
        "2026-12-27 08:00"
    )
    assert next_allowed(berlin("2026-12-25 12:00"), BERLIN, None, holidays.__contains__) == berlin(
        "2026-12-27 00:00"
    )


def test_who_has_no_usable_time_zone_has_the_shops() -> None:
    assert choose_zone("America/New_York", "Europe/Berlin").key == "America/New_York"
    for own in (None, "", "Mars/Olympus", "../etc/passwd", "Europe", "x" * 5000):
        assert choose_zone(own, "Europe/Berlin") == BERLIN


@pytest.mark.parametrize("text", ["21-8", "21:00", "24:00-08:00", "08:00-08:00", "21:00-08:60", "9:00-10:00"])
def test_what_is_no_span_of_quiet_hours_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="21:00-08:00"):
        parse_quiet_hours(text)


def test_quiet_hours_are_read_from_a_text() -> None:
    assert parse_quiet_hours("21:00-08:00") == NIGHT
    assert parse_quiet_hours("") is None


minutes_of_day = st.integers(0, 24 * 60 - 1).map(lambda minute: time(minute // 60, minute % 60))
spans = st.tuples(minutes_of_day, minutes_of_day).filter(lambda two: two[0] != two[1])
near_changes = st.sampled_from(
    [
        datetime(2026, 3, 8, 7, tzinfo=UTC),
        datetime(2026, 3, 29, 1, tzinfo=UTC),
        datetime(2026, 10, 25, 1, tzinfo=UTC),
        datetime(2026, 11, 1, 5, tzinfo=UTC),
        datetime(2026, 4, 4, 15, tzinfo=UTC),
        datetime(2011, 12, 30, 10, tzinfo=UTC),
        datetime(2026, 7, 1, tzinfo=UTC),
    ]
)
moments = st.builds(
    lambda near, minutes: near + timedelta(minutes=minutes), near_changes, st.integers(-2000, 2000)
)
days_off = st.sets(st.integers(0, 6), max_size=3)


@settings(max_examples=150, deadline=None)
@example(
    moment=datetime(2026, 3, 8, 4, 59, tzinfo=UTC),
    zone="America/New_York",
    span=(time(0, 1), time()),
    off=set(),
)
@given(moment=moments, zone=st.sampled_from(ZONES), span=spans, off=days_off)
def test_the_next_allowed_moment_is_never_quiet_and_the_earliest_such(moment, zone, span, off) -> None:
    where, hours = ZoneInfo(zone), QuietHours(*span)

    def is_off(day: date) -> bool:
        return day.toordinal() % 7 in off

    allowed = next_allowed(moment, where, hours, is_off)
    assert allowed >= moment and not is_quiet(allowed, where, hours, is_off)
    waited = int((allowed - moment).total_seconds())
    for minute in range(0, waited, 60):
        assert is_quiet(moment + timedelta(seconds=minute), where, hours, is_off)
    if allowed > moment:
        assert is_quiet(allowed - timedelta(microseconds=1), where, hours, is_off)


@settings(max_examples=150, deadline=None)
@given(moment=moments, later=st.integers(0, 3000), zone=st.sampled_from(ZONES), span=spans)
def test_who_comes_later_never_leaves_earlier(moment, later, zone, span) -> None:
    where, hours = ZoneInfo(zone), QuietHours(*span)
    first = next_allowed(moment, where, hours)
    assert first <= next_allowed(moment + timedelta(minutes=later), where, hours)
    assert next_allowed(first, where, hours) == first


def test_without_quiet_hours_every_moment_is_allowed() -> None:
    moment = berlin("2026-03-02 23:00")
    assert next_allowed(moment, BERLIN, None, no_holiday) == moment
