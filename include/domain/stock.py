"""When a variant opens and closes: the specification of what `sql/queries/stock.sql` carries out."""

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from include.domain.rules import RuleSet


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


def sellable_units(available: Decimal, is_published: bool = True, is_tracked: bool = True) -> int:
    """q: whole units that may be announced (SEMANTICS 1.2, 1.3)."""
    if not (is_published and is_tracked):
        return 0
    return math.floor(max(Decimal(0), available))


def first_sight(units: int, rules: RuleSet, at: datetime) -> VariantStock:
    """The level of a variant seen for the first time: it sets the state and is no restock (SEMANTICS 2.6)."""
    is_open = units >= rules.min_inventory
    return VariantStock(
        units=units,
        is_open=is_open,
        last_below=None if is_open else units,
        opened_at=at if is_open else None,
        closed_at=None if is_open else at,
    )


def observe(before: VariantStock, units: int, rules: RuleSet, at: datetime) -> VariantStock:
    """The state after one more observation; a restock event is due when `cycle` rose (SEMANTICS 2.5)."""
    added = before.added_units + max(0, units - before.units)
    if units < rules.min_inventory:
        return _below(before, units, at)
    if before.is_open:
        return replace(before, units=units, added_units=added)
    has_risen = units - (before.last_below or 0) >= rules.min_restock
    confirmations = before.confirmations + 1 if has_risen else 0
    after = replace(before, units=units, confirmations=confirmations, added_units=added)
    return _opened(after, rules, at) if confirmations >= rules.confirm_pulls else after


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
    )


def _opened(state: VariantStock, rules: RuleSet, at: datetime) -> VariantStock:
    was_out_for = at - state.closed_at if state.closed_at else timedelta.max
    opened = replace(state, is_open=True, confirmations=0)
    if was_out_for < timedelta(minutes=rules.min_out_minutes):
        return opened
    return replace(opened, cycle=state.cycle + 1, opened_at=at, restocked_at=at)
