"""The history of variants with a late snapshot at its place: computed, not yet written (SEMANTICS 2.9)."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from include.domain.history import (
    Circumstances,
    FirstSight,
    KeyMoment,
    Moment,
    Seen,
    VariantWalk,
    insert_step,
    list_changes,
    tell_bundle,
    tell_key,
    tell_variant,
)
from include.domain.stock import Standing, VariantStock
from include.services.past import Change, Past, RuleHistory


@dataclass(frozen=True)
class LateSnapshot:
    """A late snapshot among the others; `grid` holds the moments of all full ones, its own included if it is one."""

    snapshot_id: int
    at: datetime
    is_full: bool
    grid: Sequence[datetime]
    snapshot_ids: Mapping[datetime, int]
    looked_at: Mapping[datetime, datetime]

    @property
    def next_at(self) -> datetime | None:
        """The full snapshot after it: what that one saw stays as it was."""
        place = bisect_right(self.grid, self.at)
        return self.grid[place] if place < len(self.grid) else None


@dataclass
class Told:
    """One variant's history as it should stand."""

    past: Past
    steps: dict[str, list[tuple[datetime, Seen]]]
    keys: dict[str, list[KeyMoment]]
    standings: list[tuple[datetime, Standing]]
    moments: list[Moment]
    walk: VariantWalk | None = None

    @property
    def changes(self) -> dict[tuple[str, datetime], Change]:
        """(location, moment) -> (quantity, the one before it)."""
        return {
            (location, at): change
            for location, moments in self.keys.items()
            for at, change in list_changes(moments).items()
        }

    @property
    def presence(self) -> dict[tuple[str, datetime], bool]:
        """(location, moment) -> whether it went missing then, or came back."""
        return {
            (location, at): seen is None
            for location, steps in self.steps.items()
            for (_, before), (at, seen) in pairwise(steps)
            if (seen is None) != (before is None)
        }

    @property
    def walked(self) -> VariantWalk:
        """The walk through its moments, made by `walk_again`."""
        assert self.walk is not None
        return self.walk

    @property
    def state(self) -> VariantStock:
        """Where it stands in the end."""
        assert self.walked.state is not None
        return self.walked.state

    @property
    def is_newest_sight(self) -> bool:
        """Whether no later snapshot has seen the variant."""
        newest = [steps[-1] for steps in self.steps.values()]
        return bool(self.past.staged) and all(seen is None for _, seen in newest)


def tell_again(
    pasts: Mapping[str, Past], variants: Sequence[str], late: LateSnapshot, rules: RuleHistory
) -> list[Told]:
    """What became of the variants; bundles by their components."""
    _, newest = rules.rule_sets[-1]
    every = {
        variant_id: _tell(past, late, rules, newest.confirm_absent) for variant_id, past in pasts.items()
    }
    chosen = [every[variant_id] for variant_id in variants]
    for told in chosen:
        if told.past.components:
            parts = [(every[name].moments, units) for name, units in told.past.components.items()]
            told.moments = tell_bundle(told.moments, parts, told.standings)
    return [told for told in chosen if told.moments]


def walk_again(told: Told, late: LateSnapshot, rules: RuleHistory, first: FirstSight) -> None:
    """Judge the variant's moments in their order."""
    circumstances = Circumstances(late.grid, rules.of(told.past), told.past.released_at, first)
    told.walk = VariantWalk(circumstances)
    told.walk.walk(told.moments)


def _tell(past: Past, late: LateSnapshot, rules: RuleHistory, confirm_absent: int) -> Told:
    steps = {location: _place(past, location, late) for location in past.locations}
    steps = {location: placed for location, placed in steps.items() if placed}
    keys = {location: tell_key(placed, late.grid, confirm_absent) for location, placed in steps.items()}
    counted = rules.counted(past, keys)
    standings = _place_standing(past, steps, late)
    moments = tell_variant(
        [(told, counted[location]) for location, told in keys.items()], standings, confirm_absent
    )
    return Told(past, steps, keys, standings, moments if keys else [])


def _place(past: Past, location: str, late: LateSnapshot) -> list[tuple[datetime, Seen]]:
    steps = past.steps_at(location)
    if location not in past.staged and not late.is_full:
        return steps
    return insert_step(steps, late.at, past.staged.get(location), late.next_at, None)


def _place_standing(
    past: Past, steps: Mapping[str, Sequence[tuple[datetime, Seen]]], late: LateSnapshot
) -> list[tuple[datetime, Standing]]:
    if past.staged_standing is None:
        return past.standings
    next_at = _next_sight(steps, late)
    return insert_step(past.standings, late.at, past.staged_standing, next_at, Standing())


def _next_sight(steps: Mapping[str, Sequence[tuple[datetime, Seen]]], late: LateSnapshot) -> datetime | None:
    """The first moment after the late snapshot at which the variant was seen again."""
    next_at = late.next_at
    if next_at is not None and any(_seen_at(placed, next_at) is not None for placed in steps.values()):
        return next_at
    later = [at for placed in steps.values() for at, seen in placed if at > late.at and seen is not None]
    return min(later, default=None)


def _seen_at(steps: Sequence[tuple[datetime, Seen]], at: datetime) -> Seen:
    place = bisect_right([moment for moment, _ in steps], at)
    return steps[place - 1][1] if place else None
