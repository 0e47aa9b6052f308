"""Quiet hours on the recipient's clock: when a message may leave (SEMANTICS 5)."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

IsHoliday = Callable[[date], bool]

_SPAN = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_DAY = timedelta(days=1)
_DAYS_AHEAD = 400
_TICK = timedelta(microseconds=1)
_MIDNIGHT = time()


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From `start` until before `end` on the wall clock; across midnight when `end` is the earlier one."""

    start: time
    end: time

    def contain(self, wall: time) -> bool:
        """Whether this time of day is quiet."""
        if self.start < self.end:
            return self.start <= wall < self.end
        return wall >= self.start or wall < self.end


def no_holiday(_: date) -> bool:
    """The calendar without holidays."""
    return False


@lru_cache(maxsize=64)
def parse_quiet_hours(text: str) -> QuietHours | None:
    """Quiet hours as '21:00-08:00'; None for an empty text. Raises ValueError."""
    if not text:
        return None
    span = _SPAN.fullmatch(text)
    if span is None or text[:5] == text[6:]:
        raise ValueError(f"{text!r} is no span such as 21:00-08:00")
    return QuietHours(time.fromisoformat(text[:5]), time.fromisoformat(text[6:]))


@lru_cache(maxsize=4096)
def choose_zone(own: str | None, shops: str) -> ZoneInfo:
    """The recipient's time zone where it is known and exists, else the shop's."""
    if own:
        try:
            return ZoneInfo(own)
        except (ValueError, OSError, KeyError):
            pass
    return ZoneInfo(shops)


def is_quiet(moment: datetime, zone: ZoneInfo, hours: QuietHours | None, is_holiday: IsHoliday) -> bool:
    """Whether nothing may leave at this moment: quiet hours, or a holiday, which is quiet as a whole."""
    wall = moment.astimezone(zone)
    return (hours is not None and hours.contain(wall.time())) or is_holiday(wall.date())


def next_allowed(
    moment: datetime, zone: ZoneInfo, hours: QuietHours | None, is_holiday: IsHoliday = no_holiday
) -> datetime:
    """The earliest moment from this one on that is not quiet.

    The wall clock decides: where a clock change skips the end of the quiet hours they end with the change, and
    an hour that comes twice is quiet twice.
    """
    if not is_quiet(moment, zone, hours, is_holiday):
        return moment
    for turn in _turns(moment, zone, hours):
        if not is_quiet(turn, zone, hours, is_holiday):
            return turn
    raise ValueError(f"Quiet hours and holidays leave no moment within {_DAYS_AHEAD} days.")


def _turns(moment: datetime, zone: ZoneInfo, hours: QuietHours | None) -> Iterator[datetime]:
    """Every later moment at which the quiet can end: their end, midnight, and a change of the clock."""
    walls = (_MIDNIGHT,) if hours is None else (_MIDNIGHT, hours.end)
    after = moment.astimezone(UTC)
    for _ in range(_DAYS_AHEAD):
        until = after + _DAY
        first, last = after.astimezone(zone).date(), until.astimezone(zone).date()
        # Where the clock is put forward, 24 hours may touch three dates.
        dates = [first + _DAY * number for number in range((last - first).days + 1)]
        turns = {
            datetime.combine(on, wall, zone).replace(fold=fold).astimezone(UTC)
            for on in dates
            for wall in walls
            for fold in (0, 1)
        }
        turns.add(_clock_change(after, until, zone))
        yield from sorted(turn for turn in turns if after < turn <= until)
        after = until


def _clock_change(after: datetime, until: datetime, zone: ZoneInfo) -> datetime:
    """When the zone's offset changes between two moments; `until` where it does not."""
    before = after.astimezone(zone).utcoffset()
    if until.astimezone(zone).utcoffset() == before:
        return until
    while until - after > _TICK:
        middle = after + (until - after) / 2
        if middle.astimezone(zone).utcoffset() == before:
            after = middle
        else:
            until = middle
    return until
