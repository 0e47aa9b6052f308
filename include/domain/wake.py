"""When the Dag of a target is woken, and when to look at due times again.

A target ("release", "dispatch", "webhooks", "flow:<name>") has something to do from its earliest due time on. Waking it
is cheap but not free: an event that nobody needs costs an empty Dag run.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

RELEASE = "release"
DISPATCH = "dispatch"
WEBHOOKS = "webhooks"

SHORTEST_GAP = timedelta(seconds=1)
FIRST_REPEAT = timedelta(minutes=1)
LONGEST_REPEAT = timedelta(minutes=15)

FIRST_LOOK = timedelta(seconds=1)
SLOWEST_LOOK = timedelta(seconds=5)
IDLE_LOOK = timedelta(minutes=1)


def flow_target(flow_name: str) -> str:
    """The target of a flow's Dag."""
    return f"flow:{flow_name}"


def find_missed(due_times: Mapping[str, datetime], now: datetime) -> list[str]:
    """Targets overdue for so long that the trigger must have missed them."""
    return sorted(target for target, due_at in due_times.items() if now - due_at >= FIRST_REPEAT)


@dataclass(frozen=True)
class Wake:
    """What one target was last woken for.

    At most one event a second. After an event the target is silent until its earliest due time changes; while
    it stays the same, the event is repeated after 1, 2, 4, 8 and then every 15 minutes, since an event or its
    run can be lost.
    """

    due_at: datetime | None = None
    fired_at: datetime | None = None
    repeat_after: timedelta = FIRST_REPEAT

    def decide(self, due_at: datetime | None, now: datetime) -> tuple[bool, "Wake"]:
        """Whether an event leaves now, and what to remember; no due time means nothing to do."""
        if due_at is None:
            return False, Wake(fired_at=self.fired_at)
        if now < self.fires_at(due_at):
            return False, self
        return True, Wake(due_at, now, self._gap_after(due_at))

    def fires_at(self, due_at: datetime) -> datetime:
        """The earliest moment at which an event for `due_at` may leave."""
        if self.fired_at is None:
            return due_at
        gap = self.repeat_after if due_at == self.due_at else SHORTEST_GAP
        return max(due_at, self.fired_at + gap)

    def _gap_after(self, due_at: datetime) -> timedelta:
        return min(self.repeat_after * 2, LONGEST_REPEAT) if due_at == self.due_at else FIRST_REPEAT


@dataclass(frozen=True)
class Lookout:
    """When to read the due times again, if no notification comes first.

    At the next due time, since a run may have moved it without a notification. While something is overdue,
    after 1, 2, 4 and then every 5 seconds, to see its run rewrite it. Else after a minute, in case a
    notification was lost.
    """

    seen: Mapping[str, datetime] = field(default_factory=dict)
    pace: timedelta = FIRST_LOOK

    def after_reading(self, due_times: Mapping[str, datetime], now: datetime) -> tuple["Lookout", timedelta]:
        """The next state, and how long to wait for a notification before reading again."""
        pace = FIRST_LOOK if due_times != self.seen else min(self.pace * 2, SLOWEST_LOOK)
        waits = [due_at - now if due_at > now else pace for due_at in due_times.values()]
        return Lookout(dict(due_times), pace), min([*waits, IDLE_LOOK])
