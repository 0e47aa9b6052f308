"""Which periods of a report are due (SEMANTICS 9.3)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from include.domain.report_period import (
    MailSchedule,
    Period,
    period_after,
    period_before,
    period_of,
    span_before,
)

BERLIN = ZoneInfo("Europe/Berlin")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
ZONES = [
    ZoneInfo(name) for name in ("Europe/Berlin", "America/Los_Angeles", "Pacific/Apia", "Asia/Kolkata", "UTC")
]
frequencies = st.sampled_from(["daily", "weekly", "monthly"])
moments = st.datetimes(datetime(2025, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))
clocks = st.times().map(lambda clock: clock.replace(microsecond=0, fold=0))


def daily(send_at: str = "07:00", since: datetime = LONG_AGO, zone: ZoneInfo = BERLIN) -> MailSchedule:
    return MailSchedule("daily", zone, time.fromisoformat(send_at), since)


def a_day(text: str) -> Period:
    return Period(date.fromisoformat(text), date.fromisoformat(text))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).astimezone(UTC)


@pytest.mark.parametrize(
    ("now", "day"),
    [
        ("2026-03-04 06:59", "2026-03-02"),
        ("2026-03-04 07:00", "2026-03-03"),
        ("2026-03-05 00:30", "2026-03-03"),
    ],
)
def test_a_day_is_due_at_its_time_on_the_next(now: str, day: str) -> None:
    assert daily().newest_due(at(now)) == a_day(day)


def test_a_time_that_the_clock_skips_is_an_hour_later() -> None:
    assert daily("02:30").due_at(a_day("2026-03-28")) == at("2026-03-29 03:30")


def test_a_time_that_the_clock_repeats_is_the_first_of_both() -> None:
    assert daily("02:30").due_at(a_day("2026-10-24")) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "shop_zone", "due"),
    [
        ("Asia/Tokyo", "America/Los_Angeles", "2026-03-04T22:00+00:00"),
        ("Europe/Berlin", "America/Los_Angeles", "2026-03-05T06:00+00:00"),
        ("Pacific/Kiritimati", "Pacific/Pago_Pago", "2026-03-04T17:00+00:00"),
        ("America/Los_Angeles", "Asia/Tokyo", "2026-03-04T15:00+00:00"),
    ],
)
def test_a_day_of_the_shop_is_over_before_it_is_due_elsewhere(zone: str, shop_zone: str, due: str) -> None:
    elsewhere = MailSchedule("daily", ZoneInfo(zone), time(7), LONG_AGO, ZoneInfo(shop_zone))
    moment = datetime.fromisoformat(due)
    assert elsewhere.due_at(a_day("2026-03-03")) == moment
    assert elsewhere.newest_due(moment) == a_day("2026-03-03")
    assert elsewhere.newest_due(moment - timedelta(minutes=1)) == a_day("2026-03-02")


def test_nothing_is_due_that_was_over_before_somebody_subscribed() -> None:
    subscribed = daily(since=at("2026-03-04 12:00"))
    assert subscribed.newest_due(at("2026-03-04 13:00")) is None
    assert subscribed.newest_due(at("2026-03-05 07:00")) == a_day("2026-03-04")
    assert subscribed.due_within(date(2026, 2, 1), date(2026, 3, 3), at("2026-03-05 08:00")) == []


def test_a_backfill_of_days_is_due_for_each_that_is_over() -> None:
    due = daily().due_within(date(2026, 3, 1), date(2026, 3, 9), at("2026-03-04 08:00"))
    assert due == [a_day("2026-03-01"), a_day("2026-03-02"), a_day("2026-03-03")]


def test_a_backfill_reaches_weeks_and_months_by_their_last_day() -> None:
    weekly = MailSchedule("weekly", BERLIN, time(7), LONG_AGO)
    assert weekly.due_within(date(2026, 3, 7), date(2026, 3, 9), at("2026-03-20 08:00")) == [
        Period(date(2026, 3, 2), date(2026, 3, 8))
    ]
    assert weekly.due_within(date(2026, 3, 3), date(2026, 3, 7), at("2026-03-20 08:00")) == []


def test_what_a_newer_one_has_overtaken_is_late() -> None:
    assert not daily().is_late(a_day("2026-03-03"), at("2026-03-05 06:59"))
    assert daily().is_late(a_day("2026-03-03"), at("2026-03-05 07:00"))


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        ("2026-03-03", "2026-03-03", "3 March 2026"),
        ("2026-03-02", "2026-03-08", "2 to 8 March 2026"),
        ("2026-03-30", "2026-04-05", "30 March to 5 April 2026"),
        ("2025-12-29", "2026-01-04", "29 December 2025 to 4 January 2026"),
    ],
)
def test_a_period_in_words(first: str, last: str, words: str) -> None:
    assert Period(date.fromisoformat(first), date.fromisoformat(last)).words == words


@given(frequencies, st.dates(date(2024, 1, 1), date(2028, 12, 31)))
def test_periods_follow_each_other_without_gap(frequency: str, day: date) -> None:
    period = period_of(frequency, day)
    assert period.first_on <= day <= period.last_on
    assert period_after(frequency, period).first_on == period.last_on + timedelta(days=1)
    assert period_after(frequency, period_before(frequency, period)) == period
    assert span_before(period).last_on == period.first_on - timedelta(days=1)


@settings(max_examples=300, deadline=None)
@example("daily", BERLIN, time(2, 30), datetime(2026, 3, 29, 1, 30, tzinfo=UTC), BERLIN)
@example("daily", BERLIN, time(2, 30), datetime(2026, 10, 25, 1, 29, tzinfo=UTC), BERLIN)
@given(frequencies, st.sampled_from(ZONES), clocks, moments, st.sampled_from(ZONES))
def test_the_newest_due_period_is_over_and_the_next_is_not_due(
    frequency: str, zone: ZoneInfo, send_at: time, now: datetime, shop_zone: ZoneInfo
) -> None:
    schedule = MailSchedule(frequency, zone, send_at, LONG_AGO, shop_zone)
    newest = schedule.newest_due(now)
    assert newest is not None
    assert schedule.due_at(newest) <= now < schedule.due_at(period_after(frequency, newest))
    assert not schedule.is_late(newest, now)
    assert newest.last_on < min(now.astimezone(zone).date(), now.astimezone(shop_zone).date())


@settings(max_examples=20, deadline=None)
@given(frequencies, st.sampled_from(ZONES), clocks, moments)
def test_looking_every_quarter_of_an_hour_misses_no_period_and_none_comes_twice(
    frequency: str, zone: ZoneInfo, send_at: time, since: datetime
) -> None:
    schedule = MailSchedule(frequency, zone, send_at, since)
    seen = []
    for quarter in range(4 * 24 * 70):
        period = schedule.newest_due(since + timedelta(minutes=15 * quarter))
        if period is not None and period not in seen:
            seen.append(period)
    end = since + timedelta(minutes=15 * (4 * 24 * 70 - 1))
    assert seen == schedule.due_within(since.date() - timedelta(days=40), end.date() + timedelta(days=1), end)
