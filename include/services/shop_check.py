"""First contact with a shop: what its platform says, what of that is understood, and what a sync would do."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from include.catalog.archive import Archive
from include.catalog.base import CatalogRow, Chunk, Connector, RejectedRow
from include.domain.gates import find_refusals
from include.domain.rules import RuleSet
from include.domain.shop import CountedLocations, Shop
from include.domain.text import count_of
from include.domain.window import Window
from include.services.feed_figures import FeedFigures, FeedTally
from include.services.sync import Patience

SAMPLES = 3
FIELDS = tuple(name for name in CatalogRow.__struct_fields__ if name not in ("line_number", "reported_at"))
STANDINGS = ("is_published", "is_tracked", "continue_selling")


@dataclass
class Understood:
    """What the rows of a pull say, counted as they pass."""

    said: Counter[str] = field(default_factory=Counter)
    locations: Counter[str] = field(default_factory=Counter)
    unpublished: int = 0
    untracked: int = 0
    oversold: int = 0
    samples: list[CatalogRow] = field(default_factory=list)

    def watch(self, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        """The same chunks."""
        for chunk in chunks:
            for row in chunk:
                if isinstance(row, CatalogRow):
                    self._count(row)
            yield chunk

    def _count(self, row: CatalogRow) -> None:
        self.said.update(
            name for name in FIELDS if name not in STANDINGS and getattr(row, name) not in (None, "", ())
        )
        self.locations[row.location_id] += 1
        self.unpublished += not row.is_published
        self.untracked += not row.is_tracked
        self.oversold += row.continue_selling
        if len(self.samples) < SAMPLES:
            self.samples.append(row)


@dataclass(frozen=True)
class ShopCheck:
    """What was understood, and what the gates of a first sync say to it."""

    source: str
    byte_count: int
    understood: Understood
    figures: FeedFigures
    refusals: tuple[str, ...]

    def as_lines(self) -> Iterator[str]:
        """For people."""
        rows, said = self.figures.row_count, self.understood
        yield f"{self.source}: {count_of(self.byte_count, 'byte')}"
        yield (
            f"{count_of(rows, 'row')}, {self.figures.reject_count:,} unreadable; "
            f"{count_of(self.figures.variant_count, 'variant')}, {self.figures.zero_count:,} sold out; "
            f"{count_of(len(said.locations), 'location')}"
        )
        found = {name: count for name, count in said.said.items() if name != "location_id" or count}
        told = ", ".join(f"{name} {_percent(count, rows)}" for name, count in found.items())
        yield f"fields found: {told or 'none'}"
        missing = [name for name in FIELDS if name not in found and name not in STANDINGS]
        yield f"fields never said: {', '.join(missing) or 'none'}"
        yield (
            f"not published {said.unpublished:,}, stock not tracked {said.untracked:,}, "
            f"sold below zero {said.oversold:,}"
        )
        for row in said.samples:
            place = f" at {row.location_id}" if row.location_id else ""
            title, price = row.title or "without a title", row.price or "no price"
            yield f"  {row.variant_id}{place}: {row.quantity} × {title}, {price}"
        for reject in self.figures.rejects:
            yield f"  unreadable, {_shown(reject)}"
        yield self._outlook()

    def _outlook(self) -> str:
        if self.refusals:
            return f"A sync would refuse this whole: {' '.join(self.refusals)}"
        left_out = self.figures.reject_count
        but = f" and leave out {left_out:,}" if left_out else ""
        return (
            f"A sync would take {count_of(self.figures.row_count, 'row')}{but}. The first one of a shop sets the "
            "levels and tells nobody; from then on people are told what comes back."
        )


def check_shop(
    shop: Shop, connector: Connector, rules: RuleSet, now: datetime, patience: Patience
) -> ShopCheck:
    """Pull the whole shop into a folder that is thrown away, and say what was understood; nothing is stored.

    Raises what a pull raises, and SnapshotRefused where the whole can't be read.
    """
    with TemporaryDirectory(prefix="restock-shop-check-") as folder:
        archive = Archive(Path(folder), shop.id, Window.manual("check"))
        window = Window.manual(f"check-{now:%Y%m%dT%H%M%S}")
        patience.until_done(lambda: connector.pull(window, archive, now), connector)
        understood = Understood()
        counts = (shop.locations or CountedLocations()).counts
        with FeedTally.open() as tally:
            figures = tally.count(understood.watch(connector.read(archive)), counts)
        manifest = archive.manifest
    refusals = find_refusals(figures.for_gates(), None, rules)
    byte_count = sum(part.byte_count for part in manifest.parts)
    return ShopCheck(manifest.source, byte_count, understood, figures, tuple(refusals))


def _shown(reject: RejectedRow) -> str:
    return f"line {reject.line_number}: {reject.reason}"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "0 %"
