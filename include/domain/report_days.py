"""Which days a report run answers for (SEMANTICS 9.1)."""

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from include.errors import ConfigurationError

DAY = timedelta(days=1)
FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2999, 12, 31)
# Where a day begins first.
EARLIEST_CLOCK = timedelta(hours=14)
REPORTS = (
    "activity",
    "demand",
    "queue",
    "batches",
    "skips",
    "deliverability",
    "data_quality",
    "restocks",
    "attribution",
    "watchdog",
)
"""Every report, in the order in which they are shown."""


def check_days(first_on: date, last_on: date, now: datetime) -> None:
    """Raise ConfigurationError for days that no report can be of: in no order, long ago, or not begun anywhere."""
    if first_on > last_on:
        raise ConfigurationError(f"--from {first_on} is after --to {last_on}.")
    if first_on < FIRST_DAY or last_on > LAST_DAY:
        raise ConfigurationError(
            f"--from {first_on} --to {last_on} is out of range; allowed are days from {FIRST_DAY} to {LAST_DAY}."
        )
    if first_on > (now + EARLIEST_CLOCK).date():
        raise ConfigurationError(f"--from {first_on} has not begun yet; allowed is a day up to today.")


def days_between(first_on: date, last_on: date) -> list[date]:
    """Every day from the first to the last; none where the first is the later one."""
    return [first_on + timedelta(days=number) for number in range((last_on - first_on).days + 1)]


def ended_days(start: datetime, end: datetime, zone: ZoneInfo) -> tuple[date, date]:
    """The first and the last day that ended in `[start, end)` on the clocks of a shop.

    Each day of a shop ends in one interval only, so that it is exported once, when it is over. An interval in
    which none ended answers with a last day before the first.
    """
    return start.astimezone(zone).date(), end.astimezone(zone).date() - DAY


def with_followers(days: Iterable[date], following: int, last_on: date) -> set[date]:
    """The days and as many after each, up to the last: what a day changes on later ones (SEMANTICS 9.4)."""
    return {
        later for day in days for later in days_between(day, min(day + timedelta(days=following), last_on))
    }


def as_runs(days: Iterable[date]) -> Iterator[tuple[date, date]]:
    """Days in a row as their first and last one, in order."""
    known = sorted(set(days))
    breaks = [number for number, (one, next_one) in enumerate(pairwise(known), 1) if next_one - one > DAY]
    for start, end in zip([0, *breaks], [*breaks, len(known)], strict=True):
        if known:
            yield known[start], known[end - 1]
