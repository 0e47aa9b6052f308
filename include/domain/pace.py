"""How many are told at a moment, under Restock's rules and under those of other tools (docs/tuning.md).

Restock's and Klaviyo's numbers come from the release rule itself (`include/domain/release.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Generic, Literal, Protocol, TypeVar

from include.domain.release import VariantAtRelease, allow_release, next_release
from include.domain.rules import RuleSet

Sizing = Literal["people", "wanted"]


class Wish(Protocol):
    """Somebody who waits for some units."""

    @property
    def wanted(self) -> int:
        """Units."""


W = TypeVar("W", bound=Wish)


@dataclass(frozen=True)
class Queue(Generic[W]):
    """An article when it is looked at: `invited` were told lately and have not bought."""

    units: int
    waiting: Sequence[W]
    invited: Sequence[W]
    next_release_at: datetime | None


@dataclass(frozen=True)
class Pace:
    """A way of telling: the release rule with its options (SEMANTICS 4.1, 4.4, 4.5); or `fixed_count` people
    per wait, however much there is; `daily_at`: the stock is looked at once a day only."""

    name: str
    rules: RuleSet
    subtract_invited_hours: float = 0.0
    sizing: Sizing = "people"
    allow_overtaking: bool = False
    fixed_count: int | None = None
    daily_at: time | None = None

    def select(self, queue: Queue[W], now: datetime) -> tuple[list[W], datetime | None]:
        """Who of the waiting, oldest first, is told now, and when the next may follow at the earliest."""
        if self.fixed_count is not None:
            return self._select_fixed(queue, now)
        # A mail leaves with its release, so nobody is in flight: the invited take their place in the bound.
        invited = sum(map(self._size_of, queue.invited))
        variant = VariantAtRelease(
            units=queue.units,
            is_open=queue.units >= self.rules.min_inventory,
            is_absent=False,
            is_stale=False,
            in_flight=invited,
            next_release_at=queue.next_release_at,
        )
        allowed = allow_release(variant, self.rules, now)
        chosen = self._take(queue, allowed.people)
        return chosen, next_release(self.rules, now) if chosen else queue.next_release_at

    def _size_of(self, wish: Wish) -> int:
        return wish.wanted if self.sizing == "wanted" else 1

    def _take(self, queue: Queue[W], allowed: int | None) -> list[W]:
        if allowed is None:
            return list(queue.waiting)
        if self.sizing == "wanted":
            return fit_wanted(queue.waiting, queue.units, allowed, self.allow_overtaking)
        return list(queue.waiting[:allowed])

    def _select_fixed(self, queue: Queue[W], now: datetime) -> tuple[list[W], datetime | None]:
        is_waiting = queue.next_release_at is not None and now < queue.next_release_at
        if is_waiting or queue.units < self.rules.min_inventory:
            return [], queue.next_release_at
        chosen = list(queue.waiting[: self.fixed_count])
        next_at = now + timedelta(minutes=self.rules.wait_minutes)
        return chosen, next_at if chosen else queue.next_release_at


def fit_wanted(waiting: Sequence[W], units: int, room: int, allow_overtaking: bool = False) -> list[W]:
    """In order, while the wanted units fit in `room`; who wants more than there is is passed over, and the
    first other who does not fit ends it unless `allow_overtaking` (SEMANTICS 4.5)."""
    chosen: list[W] = []
    for wish in waiting:
        if wish.wanted > units:
            continue
        if wish.wanted <= room:
            chosen.append(wish)
            room -= wish.wanted
        elif not allow_overtaking:
            break
    return chosen
