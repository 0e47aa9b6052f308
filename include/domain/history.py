"""What the past was, told again once a late observation stands at its time (SEMANTICS 2.9).

Snapshots leave only what differed from the one before them. So the history of one variant at one location is a
list of steps, a step being a moment and what was said from then on, and the moments of all full snapshots are kept
beside it: a snapshot that changed nothing was still an observation of everything.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any, TypeVar

from include.domain.stock import (
    Standing,
    VariantStock,
    available_bundles,
    first_sight,
    observe,
    sellable_units,
)
from include.domain.variant_rules import VariantRules

Seen = Decimal | None
Grid = Sequence[datetime]
T = TypeVar("T")


def insert_step(
    steps: Sequence[tuple[datetime, T]], at: datetime, value: T, next_at: datetime | None, at_first: T
) -> list[tuple[datetime, T]]:
    """The steps with a late observation among them; what was seen at `next_at`, the one after it, stays as it was.

    `at_first` is what holds before the first step: None for a quantity that was never seen.
    """
    placed = dict(steps)
    if at in placed:
        return list(steps)
    moments = [moment for moment, _ in steps]
    place = bisect_right(moments, at)
    follows = moments[place] if place < len(moments) else None
    if next_at is not None and (follows is None or follows > next_at):
        placed[next_at] = steps[place - 1][1] if place else at_first
    placed[at] = value
    return drop_repeated(sorted(placed.items(), key=lambda step: step[0]), at_first)


def drop_repeated(steps: Iterable[tuple[datetime, T]], before: T) -> list[tuple[datetime, T]]:
    """The steps that say something new; `before` is what holds before the first."""
    kept = []
    for at, value in steps:
        if value != before:
            kept.append((at, value))
            before = value
    return kept


@dataclass(frozen=True)
class KeyMoment:
    """What counts for one variant at one location from a moment on; `missed` full snapshots in a row lacked it."""

    at: datetime
    quantity: Decimal
    missed: int


def tell_key(steps: Sequence[tuple[datetime, Seen]], grid: Grid, confirm_absent: int) -> list[KeyMoment]:
    """Quantities as they counted: what is missing keeps its quantity until that is confirmed (SEMANTICS 2.4)."""
    told: list[KeyMoment] = []
    for number, (at, seen) in enumerate(steps):
        if seen is not None:
            told.append(KeyMoment(at, seen, 0))
            continue
        end = bisect_left(grid, steps[number + 1][0]) if number + 1 < len(steps) else len(grid)
        start = bisect_left(grid, at)
        for missed, moment in enumerate(grid[start : min(end, start + confirm_absent)], 1):
            quantity = Decimal(0) if missed == confirm_absent else told[-1].quantity
            told.append(KeyMoment(moment, quantity, missed))
    return told


def list_changes(told: Sequence[KeyMoment]) -> dict[datetime, tuple[Decimal, Decimal | None]]:
    """Moment -> (quantity, the one before it), where they differ."""
    changes: dict[datetime, tuple[Decimal, Decimal | None]] = (
        {told[0].at: (told[0].quantity, None)} if told else {}
    )
    for before, after in pairwise(told):
        if before.quantity != after.quantity:
            changes[after.at] = (after.quantity, before.quantity)
    return changes


@dataclass(frozen=True)
class Moment:
    """One observation that may move a variant."""

    at: datetime
    available: Decimal
    is_absent: bool
    standing: Standing


M = TypeVar("M", KeyMoment, Moment)


def tell_variant(
    keys: Sequence[tuple[Sequence[KeyMoment], bool]],
    standings: Sequence[tuple[datetime, Standing]],
    confirm_absent: int,
) -> list[Moment]:
    """A variant's moments from those of its locations, each with whether its stock counts (SEMANTICS 1.1)."""

    def sum_up(current: Sequence[KeyMoment | None]) -> tuple[Decimal, bool]:
        known = [(key, counts) for key, (_, counts) in zip(current, keys, strict=True) if key is not None]
        available = sum((key.quantity for key, counts in known if counts), Decimal(0))
        return available, any(counts and 0 < key.missed < confirm_absent for key, counts in known)

    return _merge([moments for moments, _ in keys], standings, sum_up)


def tell_bundle(
    own: Sequence[Moment],
    components: Sequence[tuple[Sequence[Moment], int]],
    standings: Sequence[tuple[datetime, Standing]],
) -> list[Moment]:
    """A bundle's moments: its components' stock counts and its own does not (SEMANTICS 1.5)."""

    def combine(current: Sequence[Moment | None]) -> tuple[Decimal, bool]:
        parts = list(zip(current[1:], (units for _, units in components), strict=True))
        tracked = [
            (part.available if part else Decimal(0), units)
            for part, units in parts
            if part is None or part.standing.is_tracked
        ]
        return available_bundles(tracked), any(part.is_absent for part, _ in parts if part)

    told = _merge([own, *(moments for moments, _ in components)], standings, combine)
    return [moment for moment in told if own and moment.at >= own[0].at]


def _merge(
    lists: Sequence[Sequence[M]],
    standings: Sequence[tuple[datetime, Standing]],
    combine: Callable[[Sequence[M | None]], tuple[Decimal, bool]],
) -> list[Moment]:
    arrivals = sorted(
        ((moment.at, place, moment) for place, moments in enumerate(lists) for moment in moments),
        key=lambda arrival: arrival[:2],
    )
    by_time: dict[datetime, list[tuple[int, M]]] = {at: [] for at, _ in standings}
    for at, place, moment in arrivals:
        by_time.setdefault(at, []).append((place, moment))
    current: list[M | None] = [None] * len(lists)
    standing, changes = Standing(), dict(standings)
    told = []
    for at in sorted(by_time):
        standing = changes.get(at, standing)
        for place, moment in by_time[at]:
            current[place] = moment
        told.append(Moment(at, *combine(current), standing))
    return told


@dataclass(frozen=True)
class Opening:
    """A restock event, as it should stand."""

    cycle: int
    opened_at: datetime
    units_before: int | None
    units_after: int


@dataclass(frozen=True)
class FirstSight:
    """Whether someone waited for a variant before it was first seen, and whether its shop was known (3.4, 2.6)."""

    is_awaited: bool = False
    is_shop_known: bool = False


@dataclass(frozen=True)
class Circumstances:
    """What a variant's walk needs beside its moments."""

    grid: Grid
    rules: Sequence[tuple[datetime, VariantRules]]
    released_at: Sequence[datetime] = ()
    first: FirstSight = FirstSight()


class VariantWalk:
    """Walks a variant through its history, as detect, rule changes and release did one after the other."""

    def __init__(self, circumstances: Circumstances) -> None:
        self._given = circumstances
        self._later = sorted(
            [(at, rules) for at, rules in circumstances.rules[1:]]
            + [(at, None) for at in circumstances.released_at],
            key=lambda change: change[0],
            reverse=True,
        )
        self._rules = circumstances.rules[0][1]
        self._units_seen: list[int] = []
        self.state: VariantStock | None = None
        self.at: datetime | None = None
        self.moment: Moment | None = None
        self.openings: list[Opening] = []

    def walk(self, moments: Sequence[Moment]) -> None:
        """Observe every moment, and between two what else moved the variant then."""
        for number, moment in enumerate(moments):
            until = moments[number + 1].at if number + 1 < len(moments) else None
            while not number and self._later and self._later[-1][0] < moment.at:
                self._apply(*self._later.pop())
            self._observe(moment, moment.at)
            self._go_on(moment, until)

    def _go_on(self, moment: Moment, until: datetime | None) -> None:
        """Rule changes, releases, and the full snapshots that a confirmation waits for, in the order of time."""
        while True:
            snapshot = self._awaited_snapshot()
            change = self._later[-1][0] if self._later else None
            coming = [at for at in (snapshot, change) if at is not None and (until is None or at < until)]
            if not coming:
                return
            if snapshot == min(coming):
                self._observe(moment, snapshot)
            else:
                self._apply(*self._later.pop())

    def _awaited_snapshot(self) -> datetime | None:
        grid = self._given.grid
        if self.at is None or not self._is_confirming():
            return None
        place = bisect_right(grid, self.at)
        return grid[place] if place < len(grid) else None

    def _is_confirming(self) -> bool:
        return self.state is not None and self.state.confirmations > 0 and not self.state.is_open

    def _observe(self, moment: Moment, at: datetime) -> None:
        self.moment = moment
        self._step(sellable_units(moment.available, moment.standing, self._rules), at)

    def _step(self, units: int, at: datetime) -> None:
        assert self.moment is not None
        before, self.at = self.state, at
        self._units_seen.append(units)
        if before is None:
            first = self._given.first
            self.state = first_sight(units, self._rules, at, first.is_awaited, first.is_shop_known)
        else:
            self.state = observe(before, units, self._rules, at, self.moment.is_absent)
        if self.state.cycle > (before.cycle if before else 0):
            self.openings.append(Opening(self.state.cycle, at, _units_before(before), units))

    def _apply(self, at: datetime, rules: VariantRules | None) -> None:
        if rules is not None:
            self._change_rules(rules, at)
        elif self.state is not None:
            self.state = replace(self.state, added_units=0)

    def _change_rules(self, rules: VariantRules, at: datetime) -> None:
        self._rules = rules
        if self.state is None or self.moment is None:
            return
        units = sellable_units(self.moment.available, self.moment.standing, rules)
        is_enough = self.state.units >= rules.min_inventory
        if is_enough and not self.state.is_open:
            below = [seen for seen in self._units_seen if seen < rules.min_inventory]
            self.state = replace(self.state, last_below=below[-1] if below else None)
        if is_enough != self.state.is_open or units != self.state.units:
            self._step(units, at)


def _units_before(before: VariantStock | None) -> int | None:
    """The last level below the minimum: what a guard saw and held back came back with this restock too."""
    if before is None or before.last_below is None:
        return before.units if before else None
    return before.last_below


def count_moves(before: Mapping[Any, object], after: Mapping[Any, object]) -> tuple[int, int, int]:
    """(added, moved, removed) between two tellings: what went at one place and came at another has moved."""
    came = len(after.keys() - before.keys())
    went = len(before.keys() - after.keys())
    altered = sum(1 for key in before.keys() & after.keys() if before[key] != after[key])
    moved = min(came, went)
    return came - moved, moved + altered, went - moved
