"""The settings compared: the figures of each, which of ours is best, and all of it as CSV and as a table."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from rich.table import Table

from include.domain.pace import Pace
from include.local.tune.figures import SOON, Figures

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Outcome:
    """One setting and what it came to; `is_own`: Restock can be set so."""

    pace: Pace
    figures: Figures
    is_own: bool
    cpu_seconds: float = 0.0

    def as_row(self) -> dict[str, Any]:
        """The figures with stable names."""
        known = self.figures
        return {
            "setting": self.pace.name,
            "requests": known.requests,
            "told": known.told,
            "came": known.came,
            "in_vain": known.in_vain,
            "in_vain_percent": round(100 * known.in_vain_share, 3),
            "bought": known.bought,
            "served_in_part": known.served_in_part,
            "never_told": known.never_told,
            "units_to_told": known.units_to_told,
            "units_sold": known.units_sold,
            "sold_in_1_day_percent": round(100 * known.sell_through(0), 2),
            "sold_in_7_days_percent": round(100 * known.sell_through(1), 2),
            "median_wait_days": round(known.median_wait / HOUR / 24, 3),
            "median_held_hours": round(known.median_held / HOUR, 3),
            "mean_held_hours": round(known.mean_held / HOUR, 3),
            "deliveries": known.deliveries,
            "cpu_seconds": round(self.cpu_seconds, 2),
        }


@dataclass(frozen=True)
class Comparison:
    """All settings; the best is judged against the one called `baseline`."""

    outcomes: Sequence[Outcome]
    baseline: str

    @property
    def reference(self) -> Outcome | None:
        """What ours are judged against."""
        return next((known for known in self.outcomes if known.pace.name == self.baseline), None)

    @property
    def best(self) -> Outcome | None:
        """Of ours that sell no less within a day and within a week than the baseline, the one with the
        fewest told in vain; on a tie the shorter wait."""
        able = [known for known in self.outcomes if known.is_own and self._sells_as_much(known)]
        return min(
            able,
            key=lambda known: (known.figures.in_vain, known.figures.mean_held, known.pace.name),
            default=None,
        )

    def _sells_as_much(self, known: Outcome) -> bool:
        base = self.reference
        return base is None or all(
            known.figures.sell_through(place) >= base.figures.sell_through(place)
            for place in range(len(SOON))
        )

    def verdict(self) -> str:
        """The best setting in a sentence, against the baseline."""
        best, base = self.best, self.reference
        if not any(known.figures.told for known in self.outcomes):
            return "Nothing to compare: nobody was told under any setting; nothing that people waited for came back."
        if best is None:
            return f"None of Restock's settings here sells as fast as {self.baseline}."
        found = (
            f"Best: {best.pace.name}, {best.figures.in_vain:,} told in vain of {best.figures.told:,}, "
            f"{best.figures.sell_through():.1%} sold within 7 days."
        )
        if base is None or base is best or not base.figures.in_vain:
            return found
        share = best.figures.in_vain / base.figures.in_vain
        return (
            f"{found} {base.pace.name}: {base.figures.in_vain:,} in vain of {base.figures.told:,}, "
            f"{base.figures.sell_through():.1%} sold. That is {share:.0%} of its told in vain."
        )

    def as_table(self) -> Table:
        """For a terminal; the best setting is marked."""
        table = Table(title="told in vain = told, came for it, found it sold out")
        table.add_column("setting", overflow="fold")
        for heading in HEADINGS:
            table.add_column(heading, justify="right")
        best = self.best
        for known in self.outcomes:
            table.add_row(known.pace.name, *_cells(known), style="bold" if known is best else None)
        return table

    def write_csv(self, path: Path) -> None:
        """One line per setting."""
        rows = [known.as_row() for known in self.outcomes]
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


HEADINGS = (
    "told",
    "in vain",
    "% of told",
    "bought",
    "in part",
    "never told",
    "units to told",
    "sold 1 d",
    "sold 7 d",
    "wait d",
    "held h",
)


def _cells(known: Outcome) -> list[str]:
    figures = known.figures
    return [
        f"{figures.told:,}",
        f"{figures.in_vain:,}",
        f"{100 * figures.in_vain_share:.2f}",
        f"{figures.bought:,}",
        f"{figures.served_in_part:,}",
        f"{figures.never_told:,}",
        f"{figures.units_to_told:,}",
        f"{figures.sell_through(0):.1%}",
        f"{figures.sell_through(1):.1%}",
        f"{figures.median_wait / HOUR / 24:.2f}",
        f"{figures.mean_held / HOUR:.1f}",
    ]
