"""The figures that the gates look at, counted in memory: for judging a feed where there is no database.

What `sql/queries/snapshot.sql` measures in the stage, here in a few bytes per row: variants and locations are
kept as hashes of 64 bits, quantities as millionths of a unit.
"""

from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from include.catalog.base import CatalogRow, Chunk, RejectedRow

UNIT = 10**6
MOST_SUMMED = 10**9 * UNIT
MOST_REJECTS_KEPT = 20


@dataclass(frozen=True)
class Conflict:
    """A variant and location that stands twice with different quantities."""

    first_line: int
    last_line: int


@dataclass(frozen=True)
class FeedFigures:
    """What a feed amounts to; `variants` are hashes in order, `is_zero` belongs to them."""

    row_count: int
    reject_count: int
    rejects: tuple[RejectedRow, ...]
    conflict: Conflict | None
    variants: Any
    is_zero: Any

    @property
    def variant_count(self) -> int:
        """How many variants there are."""
        return len(self.variants)

    @property
    def zero_count(self) -> int:
        """How many of them are sold out."""
        return int(np.count_nonzero(self.is_zero))

    def count_risen(self, before: "FeedFigures") -> int:
        """How many variants are in stock that stood at zero in `before`."""
        in_stock = self.variants[~self.is_zero]
        return int(np.count_nonzero(np.isin(in_stock, before.variants[before.is_zero])))


class _Columns:
    def __init__(self) -> None:
        self.variants = array("q")
        self.keys = array("q")
        self.quantities = array("q")
        self.summed = array("q")
        self.lines = array("q")

    def add(self, row: CatalogRow, *, is_counted: bool) -> None:
        quantity = _millionths(row.quantity or "0")
        self.variants.append(hash(row.variant_id))
        self.keys.append(hash((row.variant_id, row.location_id)))
        self.quantities.append(quantity)
        self.summed.append(max(-MOST_SUMMED, min(quantity, MOST_SUMMED)) if is_counted else 0)
        self.lines.append(row.line_number)


def count_figures(chunks: Iterable[Chunk], counts: Callable[[str], bool]) -> FeedFigures:
    """Count the rows of a connector; `counts` says whether a location's stock is counted."""
    columns, reject_count = _Columns(), 0
    rejects: list[RejectedRow] = []
    for chunk in chunks:
        for row in chunk:
            if isinstance(row, CatalogRow):
                columns.add(row, is_counted=counts(row.location_id))
                continue
            reject_count += 1
            if len(rejects) < MOST_REJECTS_KEPT:
                rejects.append(row)
    return _measure(columns, reject_count, tuple(rejects))


def _measure(columns: _Columns, reject_count: int, rejects: tuple[RejectedRow, ...]) -> FeedFigures:
    keys, lines = np.asarray(columns.keys), np.asarray(columns.lines)
    order, starts = _groups(keys)
    conflict = _find_conflict(np.asarray(columns.quantities)[order], lines[order], starts)
    kept = order[starts]
    variants, summed = np.asarray(columns.variants)[kept], np.asarray(columns.summed)[kept]
    order, starts = _groups(variants)
    available = np.add.reduceat(summed[order], starts) if len(starts) else summed
    return FeedFigures(
        row_count=len(keys) if conflict else len(kept),
        reject_count=reject_count,
        rejects=rejects,
        conflict=conflict,
        variants=variants[order][starts],
        is_zero=available < UNIT,
    )


def _groups(values: Any) -> tuple[Any, Any]:
    """An order in which equal values stand together, the first one first, and where each group starts."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    is_start = np.ones(len(ordered), dtype=bool)
    is_start[1:] = ordered[1:] != ordered[:-1]
    return order, np.flatnonzero(is_start)


def _find_conflict(quantities: Any, lines: Any, starts: Any) -> Conflict | None:
    if not len(starts):
        return None
    differs = np.minimum.reduceat(quantities, starts) != np.maximum.reduceat(quantities, starts)
    if not differs.any():
        return None
    first_lines = np.minimum.reduceat(lines, starts)[differs]
    first = int(np.argmin(first_lines))
    return Conflict(int(first_lines[first]), int(np.maximum.reduceat(lines, starts)[differs][first]))


def _millionths(quantity: str) -> int:
    if quantity.isdigit():
        return int(quantity) * UNIT
    return int(Decimal(quantity) * UNIT)
