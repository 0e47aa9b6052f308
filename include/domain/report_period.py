"""Which spans of days a report subscription is due to be mailed for (SEMANTICS 9.3)."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

Frequency = Literal["daily", "weekly", "monthly"]

_DAY = timedelta(days=1)


class Period(NamedTuple):
    """Whole days, the last one included."""

    first_on: date
    last_on: date

    def __str__(self) -> str:
        return f"{self.first_on}" if self.first_on == self.last_on else f"{self.first_on}_{self.last_on}"

    @property
    def words(self) -> str:
        """For people: '3 March 2026', '2 to 8 March 2026', '30 March to 5 April 2026'."""
        first, last = self
        if first == last:
            return f"{first.day} {first:%B %Y}"
        year = "" if first.year == last.year else f" {first.year}"
        month = "" if (first.year, first.month) == (last.year, last.month) else f" {first:%B}"
        return f"{first.day}{month}{year} to {last.day} {last:%B %Y}"


@dataclass(frozen=True)
class MailSchedule:
    """When mails go: after each period, at a time of day in a zone; not for periods that were due before `since`.

    The days of a period are the shop's: `shop_zone`, where it is not `zone`.
    """

    frequency: Frequency
    zone: ZoneInfo
    send_at: time
    since: datetime
    shop_zone: ZoneInfo | None = None

    def due_at(self, period: Period) -> datetime:
        """The moment after a period that is over for the shop too; a time that the clock skips is an hour later."""
        day = period.last_on + _DAY
        is_over = datetime.combine(day, time.min, self.shop_zone or self.zone).astimezone(UTC)
        while (moment := datetime.combine(day, self.send_at, self.zone).astimezone(UTC)) < is_over:
            day += _DAY
        return moment

    def newest_due(self, now: datetime) -> Period | None:
        """What the clock sends: the last period that is over; older ones are left to a backfill."""
        period = period_of(self.frequency, now.astimezone(self.zone).date())
        while self.due_at(period) > now:
            period = period_before(self.frequency, period)
        return period if self.due_at(period) > self.since else None

    def due_within(self, first_on: date, last_on: date, now: datetime) -> list[Period]:
        """What a backfill sends: every period that ends on one of these days and is due by now, oldest first."""
        days = [first_on + _DAY * number for number in range((last_on - first_on).days + 1)]
        ending = [period for day in days if (period := period_of(self.frequency, day)).last_on == day]
        return [period for period in ending if self.since < self.due_at(period) <= now]

    def is_late(self, period: Period, now: datetime) -> bool:
        """Whether a newer period is due already, so that the mail has to say which day it is of."""
        return self.due_at(period_after(self.frequency, period)) <= now


def period_of(frequency: Frequency, day: date) -> Period:
    """The period that a day is in; weeks begin on Monday."""
    if frequency == "daily":
        return Period(day, day)
    if frequency == "weekly":
        monday = day - _DAY * day.weekday()
        return Period(monday, monday + 6 * _DAY)
    first = day.replace(day=1)
    return Period(first, (first + 31 * _DAY).replace(day=1) - _DAY)


def period_before(frequency: Frequency, period: Period) -> Period:
    """The one before it."""
    return period_of(frequency, period.first_on - _DAY)


def period_after(frequency: Frequency, period: Period) -> Period:
    """The one after it."""
    return period_of(frequency, period.last_on + _DAY)


def span_before(period: Period) -> Period:
    """As many days right before any span, to compare with; of a whole month the month before."""
    if period == period_of("monthly", period.first_on):
        return period_before("monthly", period)
    length = period.last_on - period.first_on
    return Period(period.first_on - length - _DAY, period.first_on - _DAY)
