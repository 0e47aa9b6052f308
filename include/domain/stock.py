"""When a variant opens and closes: the specification of what `sql/queries/stock.sql` carries out."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from include.domain.variant_rules import VariantRules


@dataclass(frozen=True)
class VariantStock:
    """What is remembered of a variant between two observations (SEMANTICS 2.5)."""

    units: int
    is_open: bool
    last_below: int | None = None
    confirmations: int = 0
    cycle: int = 0
    opened_at: datetime | None = None
    closed_at: datetime | None = None
    restocked_at: datetime | None = None
    added_units: int = 0
    guard_reason: str | None = None


@dataclass(frozen=True)
class Standing:
    """What the catalog says about selling a variant (SEMANTICS 1.3, 1.4)."""

    is_published: bool = True
    is_tracked: bool = True
    continue_selling: bool = False


def sellable_units(
    available: Decimal, standing: Standing | None = None, rules: VariantRules | None = None
) -> int:
    """q: whole units that may be announced (SEMANTICS 1.2-1.4)."""
    standing = standing or Standing()
    is_never_out = standing.continue_selling and rules is not None and rules.oversell == "always_in_stock"
    if not (standing.is_published and standing.is_tracked) or is_never_out:
        return 0
    return math.floor(max(Decimal(0), available))


def available_bundles(parts: Iterable[tuple[Decimal, int]]) -> Decimal:
    """How many bundles can be made of components: (available, units per bundle) each (SEMANTICS 1.5)."""
    return min(
        (Decimal(max(Decimal(0), available) // units) for available, units in parts), default=Decimal(0)
    )


def is_counted(location_id: str, included: Sequence[str] | None, excluded: Sequence[str]) -> bool:
    """Whether a location's stock belongs to what a variant has available (SEMANTICS 1.1)."""
    return (included is None or location_id in included) and location_id not in excluded


def first_sight(
    units: int, rules: VariantRules, at: datetime, is_awaited: bool = False, is_shop_known: bool = False
) -> VariantStock:
    """The level of a variant seen for the first time: it sets the state and is no restock (SEMANTICS 2.6).

    For requests that waited for it unmatched it is one; for imported ones only in a shop that was known (3.4).
    """
    is_open = units >= rules.min_inventory
    is_restock = is_open and is_awaited
    return VariantStock(
        units=units,
        is_open=is_open,
        last_below=None if is_open else units,
        cycle=int(is_restock),
        opened_at=at if is_open else None,
        closed_at=None if is_open else at,
        restocked_at=at if is_restock and is_shop_known else None,
    )


def observe(
    before: VariantStock, units: int, rules: VariantRules, at: datetime, is_absent: bool = False
) -> VariantStock:
    """The state after one more observation; a restock event is due when `cycle` rose (SEMANTICS 2.5).

    A pull that lacks the variant confirms nothing (SEMANTICS 2.4).
    """
    added = before.added_units + max(0, units - before.units)
    if units < rules.min_inventory:
        return _below(before, units, at)
    after = replace(before, units=units, added_units=added)
    if before.is_open:
        return after
    if is_absent:
        return replace(after, guard_reason="absent from the last full pull")
    return _judge_rise(after, units - (before.last_below or 0), rules, at)


def _below(before: VariantStock, units: int, at: datetime) -> VariantStock:
    closed_at = at if before.is_open else before.closed_at
    return replace(
        before,
        units=units,
        is_open=False,
        last_below=units,
        confirmations=0,
        added_units=0,
        closed_at=closed_at,
        guard_reason=None,
    )


def _judge_rise(state: VariantStock, risen: int, rules: VariantRules, at: datetime) -> VariantStock:
    if risen < rules.min_restock:
        reason = f"min_restock: {risen} of {rules.min_restock} units came back"
        return replace(state, confirmations=0, guard_reason=reason)
    confirmations = state.confirmations + 1
    if confirmations < rules.confirm_pulls:
        reason = f"confirming: {confirmations} of {rules.confirm_pulls} pulls show it"
        return replace(state, confirmations=confirmations, guard_reason=reason)
    return _opened(state, rules, at)


def _opened(state: VariantStock, rules: VariantRules, at: datetime) -> VariantStock:
    was_out_for = at - state.closed_at if state.closed_at else timedelta.max
    shortest = timedelta(minutes=rules.min_out_minutes)
    opened = replace(state, is_open=True, confirmations=0, guard_reason=None)
    if was_out_for < shortest:
        out, least = (span // timedelta(seconds=1) for span in (was_out_for, shortest))
        return replace(opened, guard_reason=f"min_out_minutes: out for {out} of {least} seconds")
    return replace(opened, cycle=state.cycle + 1, opened_at=at, restocked_at=at)
