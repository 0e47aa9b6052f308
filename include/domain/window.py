"""The span of time that one pull answers for."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

GRID_ORIGIN = datetime(1970, 1, 1, tzinfo=UTC)
"""Where the windows of a duration are counted from."""

BY_HAND = "manual--"
"""How the keys of runs begin that somebody started by hand."""

BY_COMMAND = "sync-"
"""How the run begins that is no run of Airflow's, but of `restock sync`."""

OVERLAP = timedelta(minutes=2)
"""How much of the time before is asked for again: clocks differ, and platforms index changes with a delay."""


@dataclass(frozen=True)
class Window:
    """`[start, end)` of one scheduled pull, or a single observation made by hand (SEMANTICS 2.1, 2.8).

    `key` names the window within its shop: the same key is the same snapshot.
    """

    key: str
    start: datetime | None = None
    end: datetime | None = None

    @classmethod
    def scheduled(cls, start: datetime, end: datetime) -> "Window":
        """The window of a Dag run with a data interval."""
        return cls(key=f"{_compact(start)}--{_compact(end)}", start=start, end=end)

    @classmethod
    def manual(cls, run_id: str) -> "Window":
        """An observation of its own: a run that was started by hand has no interval to answer for."""
        return cls(key=f"{BY_HAND}{run_id}")

    @property
    def is_by_command(self) -> bool:
        """Whether no Dag run stands for it, so that nothing can be cleared."""
        return self.key.startswith(f"{BY_HAND}{BY_COMMAND}")

    def allows_live_pull(self, now: datetime) -> bool:
        """Whether the present may still be called this window: until the next one ends (SEMANTICS 2.8)."""
        if self.start is None or self.end is None:
            return True
        return now < self.end + (self.end - self.start)


def since_when(
    full_at: datetime | None, pulled_at: datetime | None, full_every: timedelta, now: datetime
) -> datetime | None:
    """Since when changes are asked for; None: the whole shop is to be read, for the first time or again."""
    if full_at is None or pulled_at is None or now - full_at >= full_every:
        return None
    return pulled_at - OVERLAP


def _compact(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%S.%fZ").replace(".000000Z", "Z")
