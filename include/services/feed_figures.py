"""The figures that the gates look at, for judging a feed where there is no database.

What `sql/queries/snapshot.sql` measures in the stage, here counted in a temporary file, so that memory does not
depend on how large the feed is.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, Self

from include.catalog.base import CatalogRow, Chunk, RejectedRow
from include.db.scratch import Scratch
from include.domain.gates import SnapshotFigures, name_conflict

MILLION = 10**6
MOST_REJECTS_KEPT = 20

Feed = Literal["checked", "baseline"]


@dataclass(frozen=True)
class Conflict:
    """A variant and location that stands twice with different quantities."""

    variant_id: str
    location_id: str
    first_line: int
    last_line: int


@dataclass(frozen=True)
class FeedFigures:
    """What a feed amounts to; the first `rejects` are kept."""

    row_count: int
    reject_count: int
    rejects: tuple[RejectedRow, ...]
    conflict: Conflict | None
    variant_count: int
    zero_count: int

    def for_gates(self, risen_count: int = 0) -> SnapshotFigures:
        """The same as the gates take it (SEMANTICS 2.3)."""
        found, reject = self.conflict, next(iter(self.rejects), None)
        key = found and (found.variant_id, found.location_id, found.first_line, found.last_line)
        return SnapshotFigures(
            row_count=self.row_count,
            reject_count=self.reject_count,
            variant_count=self.variant_count,
            zero_count=self.zero_count,
            risen_count=risen_count,
            conflicting_key=name_conflict(*key) if key else None,
            first_reject=f"line {reject.line_number}, {reject.reason}" if reject else None,
        )


class FeedTally:
    """Counts a feed and its baseline."""

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch

    @classmethod
    @contextmanager
    def open(cls) -> Iterator[Self]:
        """One that has counted nothing yet."""
        with Scratch.open("feed_figures") as scratch:
            scratch.run("create_rows")
            scratch.run("create_variants")
            yield cls(scratch)

    def count(
        self, chunks: Iterable[Chunk], counts: Callable[[str], bool], feed: Feed = "checked"
    ) -> FeedFigures:
        """Count the rows of a connector; `counts` says whether a location's stock is counted."""
        row_count = reject_count = 0
        rejects: list[RejectedRow] = []
        for chunk in chunks:
            rows = [row for row in chunk if isinstance(row, CatalogRow)]
            refused = [row for row in chunk if isinstance(row, RejectedRow)]
            self._scratch.run_many("append_row", _as_stored(rows, counts))
            row_count, reject_count = row_count + len(rows), reject_count + len(refused)
            rejects += refused[: MOST_REJECTS_KEPT - len(rejects)]
        return self._measure(feed, row_count, reject_count, tuple(rejects))

    def count_risen(self) -> int:
        """How many variants are in stock that stood at zero in the baseline."""
        ((risen,),) = self._scratch.run("count_risen", feed="checked", baseline="baseline")
        return int(risen)

    def _measure(
        self, feed: Feed, row_count: int, reject_count: int, rejects: tuple[RejectedRow, ...]
    ) -> FeedFigures:
        self._scratch.run("sum_up", feed=feed)
        ((kept_count, variant_count, zero_count),) = self._scratch.run("measure", feed=feed)
        conflict = None if kept_count == row_count else self._find_conflict()
        self._scratch.run("clear_rows")
        kept_count = row_count if conflict else kept_count
        return FeedFigures(kept_count, reject_count, rejects, conflict, variant_count, zero_count)

    def _find_conflict(self) -> Conflict | None:
        return next((Conflict(*row) for row in self._scratch.run("find_conflict")), None)


def _as_stored(
    rows: Iterable[CatalogRow], counts: Callable[[str], bool]
) -> Iterator[tuple[int, str, str, int, int, bool]]:
    for row in rows:
        units, millionths = divmod(_in_millionths(row.quantity or "0"), MILLION)
        yield row.line_number, row.variant_id, row.location_id, units, millionths, counts(row.location_id)


def _in_millionths(quantity: str) -> int:
    return int(quantity) * MILLION if quantity.isdigit() else int(Decimal(quantity) * MILLION)
