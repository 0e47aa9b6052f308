"""What the feeds say of one article: its units, when it was open, what came back. For the audit; pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from operator import itemgetter

from include.local.replay.evidence import WalkRules


class ArticleStock:
    """An article over the feeds of a walk (SEMANTICS 2.5, 4.3, read again from the evidence)."""

    def __init__(
        self, rules: WalkRules, feed_times: Sequence[datetime], units: Sequence[tuple[datetime, int]]
    ) -> None:
        self._units = units
        self._turns: list[tuple[datetime, bool]] = []
        self._rises = [(at, after - before) for (_, before), (at, after) in pairwise(units) if after > before]
        self._note_turns(rules, feed_times)

    @property
    def restocks(self) -> int:
        """How often it opened; how it stood at first sight is no restock."""
        return sum(is_open for _, is_open in self._turns[1:])

    def units_at(self, moment: datetime) -> int:
        """Units by the last feed."""
        place = bisect_right(self._units, moment, key=itemgetter(0))
        return max(0, self._units[place - 1][1]) if place else 0

    def is_open(self, moment: datetime) -> bool:
        """Whether people might be told."""
        place = bisect_right(self._turns, moment, key=itemgetter(0))
        return bool(place) and self._turns[place - 1][1]

    def opened_at(self, moment: datetime) -> datetime | None:
        """Since when it has been open."""
        place = bisect_right(self._turns, moment, key=itemgetter(0))
        return self._turns[place - 1][0] if place and self._turns[place - 1][1] else None

    def rises(self, after: datetime, until: datetime) -> int:
        """Units that came back after a moment."""
        first = bisect_right(self._rises, after, key=itemgetter(0))
        last = bisect_right(self._rises, until, key=itemgetter(0))
        return sum(units for _, units in self._rises[first:last])

    def _note_turns(self, rules: WalkRules, feed_times: Sequence[datetime]) -> None:
        """Go through every feed since the first that shows the article: each may confirm a return."""
        if not self._units:
            return
        changes = dict(self._units)
        units = last_below = confirmed = 0
        for at in feed_times[bisect_left(feed_times, self._units[0][0]) :]:
            units = max(0, changes.get(at, units))
            was_open = bool(self._turns) and self._turns[-1][1]
            if units < rules.min_inventory:
                last_below, confirmed = units, 0
                if was_open or not self._turns:
                    self._turns.append((at, False))
            elif not was_open:
                confirmed = confirmed + 1 if units - last_below >= rules.min_restock else 0
                if confirmed >= rules.confirm_pulls or not self._turns:
                    self._turns.append((at, True))
