"""The figures of a replay, for people and for programs."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any

from include.local.replay.audit import KINDS, Audit
from include.local.replay.orders import OrderHistory
from include.local.replay.walk import WalkFigures

BAD_LINES = "bad_lines.csv"
MOST_SHOWN = 10

EXPLAINED = {
    "told_twice": "told twice",
    "unasked": "told without having asked",
    "below_minimum": "told while closed",
    "over_bound": "batches over units x customers per unit",
    "out_of_order": "told before somebody who asked earlier",
    "left_out": "owed an alert and not told by the next feed",
}


@dataclass
class ReplayResult:
    """What a replay came to. The violations are the audit's, computed outside of the product."""

    history: OrderHistory
    figures: WalkFigures
    audit: Audit
    walk_seconds: float
    seconds: float
    cpu_seconds: float

    @property
    def violations(self) -> int:
        """Broken promises of all kinds, and rows of reports that differ from a count of the raw tables."""
        return self.audit.counts.total() + sum(self.figures.report_faults.values())

    def as_json(self) -> dict[str, Any]:
        """The figures with stable names, for `--json`."""
        figures, audit = self.figures, self.audit
        return {
            "restocks": figures.counts["events"],
            "told": audit.told,
            **{kind: audit.counts[kind] for kind in KINDS},
            "report_faults": sum(figures.report_faults.values()),
            "violations": self.violations,
            "seconds": round(self.seconds, 2),
            "walk_seconds": round(self.walk_seconds, 2),
            "cpu_seconds": round(self.cpu_seconds, 2),
            "windows": figures.windows,
            "feed_rows": figures.feed_rows,
            "stock_changes": figures.counts["changed"],
            "order_lines": figures.order_lines,
            "bad_lines": self.history.bad_counts.total(),
            "requests": figures.requests,
            "batches": audit.batches,
            "full_batches": audit.full_batches,
            "still_waiting": audit.still_waiting,
            "median_wait_hours": round(_median_wait(audit) / timedelta(hours=1), 1),
        }

    def as_text(self) -> str:
        """The figures in sentences, then each violation."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        known = self.as_json()
        yield (
            f"{known['order_lines']:,} order lines in {known['windows']} daily windows, "
            f"{known['feed_rows']:,} rows of feeds, {known['stock_changes']:,} stock changes."
        )
        yield from self._bad_lines()
        yield (
            f"{known['requests']:,} requests, {known['restocks']:,} restocks, {known['told']:,} told in "
            f"{known['batches']:,} batches ({known['full_batches']:,} as large as the stock allowed), "
            f"{known['still_waiting']:,} still waiting. Half were told within {known['median_wait_hours']:,} hours."
        )
        for kind in KINDS:
            yield f"{known[kind]:>8,}  {EXPLAINED[kind]}"
        yield f"{known['report_faults']:>8,}  rows of reports that differ from a count of the raw tables"
        yield from (f"  {found.kind}: {found.explanation}" for found in self.audit.violations[:MOST_SHOWN])
        yield (
            f"{known['seconds']:.1f} s ({known['cpu_seconds']:.1f} s of CPU, database included), the walk "
            f"{known['walk_seconds']:.1f} s: "
            f"{self.figures.windows / self.walk_seconds:.1f} windows and "
            f"{self.audit.told / self.walk_seconds:,.0f} mails a second."
        )

    def _bad_lines(self) -> Iterator[str]:
        if not self.history.bad_counts:
            return
        yield f"{self.history.bad_counts.total():,} lines could not be read:"
        for reason, count in self.history.bad_counts.most_common():
            first = next((line.line_number for line in self.history.bad_lines if line.reason == reason), None)
            yield f"{count:>8,}  {reason}" + (f" (first in line {first:,})" if first else "")


def write_bad_lines(folder: Path, history: OrderHistory) -> None:
    """List the lines that could not be read beside the evidence."""
    with (folder / BAD_LINES).open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream)
        rows.writerow(("line_number", "reason"))
        rows.writerows(history.bad_lines)


def _median_wait(audit: Audit) -> timedelta:
    return (
        timedelta(seconds=median(wait.total_seconds() for wait in audit.waits))
        if audit.waits
        else timedelta()
    )
