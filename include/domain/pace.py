"""How many are told at a moment, under Restock's rules and under those of other tools (docs/tuning.md).

Restock's and Klaviyo's people come from the release rule itself (`include/domain/release.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from include.domain.release import VariantAtRelease, Waiting, allow_release, choose_people, next_release
from include.domain.variant_rules import VariantRules


@dataclass(frozen=True)
class Queue:
    """An article when it is looked at, those who asked first in front; `invited` were told lately and still
    count against the stock."""

    units: int
    waiting: Sequence[Waiting]
    invited: Sequence[Waiting] = ()
    next_release_at: datetime | None = None
    seed: str = ""


@dataclass(frozen=True)
class Pace:
    """A way of telling: the release rule; or `fixed_count` people per wait, however much there is; with
    `daily_at`, the stock is looked at once a day only."""

    name: str
    rules: VariantRules
    fixed_count: int | None = None
    daily_at: time | None = None

    def select(self, queue: Queue, now: datetime) -> tuple[list[int], datetime | None]:
        """Whom to tell now, and when the next may follow at the earliest."""
        if self.fixed_count is None:
            chosen = self._select_by_rule(queue, now)
            next_at = next_release(self.rules, now)
        else:
            chosen = self._select_fixed(queue, now, self.fixed_count)
            next_at = now + timedelta(minutes=self.rules.wait_minutes)
        return chosen, next_at if chosen else queue.next_release_at

    def size_of(self, person: Waiting) -> int:
        """What somebody takes of a batch (SEMANTICS 4.5)."""
        return person.wanted if self.rules.sizing == "wanted_units" else 1

    def _select_by_rule(self, queue: Queue, now: datetime) -> list[int]:
        # A mail leaves with its release here, so nobody is in flight.
        variant = VariantAtRelease(
            units=queue.units,
            is_open=queue.units >= self.rules.min_inventory,
            is_absent=False,
            is_stale=False,
            in_flight=0,
            next_release_at=queue.next_release_at,
            invited=sum(map(self.size_of, queue.invited)),
        )
        allowed = allow_release(variant, self.rules, now)
        if allowed.hold:
            return []
        return choose_people(queue.waiting, allowed.room, queue.units, self.rules, queue.seed).released

    def _select_fixed(self, queue: Queue, now: datetime, most: int) -> list[int]:
        is_waiting = queue.next_release_at is not None and now < queue.next_release_at
        if is_waiting or queue.units < self.rules.min_inventory:
            return []
        return [person.subscription_id for person in queue.waiting[:most]]
