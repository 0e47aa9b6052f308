"""What a way of telling comes to over all articles."""

from array import array
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median

DAY = timedelta(days=1)
SOON = (DAY, 7 * DAY)


@dataclass
class Delivery:
    """Units that came back, and what was sold of them within each span of SOON."""

    at: datetime
    units: int
    sold: list[int] = field(default_factory=lambda: [0] * len(SOON))


@dataclass
class Figures:
    """Counts of people and units; `waits` and `held` are seconds from asking, and from the units' return,
    to being told."""

    requests: int = 0
    told: int = 0
    came: int = 0
    in_vain: int = 0
    bought: int = 0
    served_in_part: int = 0
    never_told: int = 0
    units_sold: int = 0
    units_to_told: int = 0
    units_back: list[int] = field(default_factory=lambda: [0] * len(SOON))
    units_sold_soon: list[int] = field(default_factory=lambda: [0] * len(SOON))
    deliveries: int = 0
    waits: "array[float]" = field(default_factory=lambda: array("d"))
    held: "array[float]" = field(default_factory=lambda: array("d"))
    _delivery: Delivery | None = None
    _end: datetime | None = None

    def tell(self, waited: timedelta, held: timedelta) -> None:
        """Somebody was told."""
        self.told += 1
        self.waits.append(waited.total_seconds())
        self.held.append(held.total_seconds())

    def sell(self, now: datetime, units: int) -> None:
        """Units left the shop."""
        self.units_sold += units
        if self._delivery is None:
            return
        for place, span in enumerate(SOON):
            if now < self._delivery.at + span:
                self._delivery.sold[place] += units

    def sell_to_told(self, now: datetime, units: int, missing: int) -> None:
        """Somebody who was told bought, and went without `missing` more."""
        self.bought += 1
        self.served_in_part += missing > 0
        self.units_to_told += units
        self.sell(now, units)

    def deliver(self, now: datetime, units: int, end: datetime) -> None:
        """Units came back; how fast they sell is known where the span ends before `end`."""
        self._close_delivery()
        self.deliveries += 1
        self._delivery, self._end = Delivery(now, units), end

    def end_article(self, still_waiting: int) -> None:
        """The year of an article is over."""
        self._close_delivery()
        self.never_told += still_waiting

    def _close_delivery(self) -> None:
        known, self._delivery = self._delivery, None
        if known is None or self._end is None:
            return
        for place, span in enumerate(SOON):
            if known.at + span <= self._end:
                self.units_back[place] += known.units
                self.units_sold_soon[place] += min(known.units, known.sold[place])

    @property
    def in_vain_share(self) -> float:
        """Of those told."""
        return self.in_vain / self.told if self.told else 0.0

    def sell_through(self, place: int = -1) -> float:
        """Share of the units that came back sold within a span of SOON."""
        return self.units_sold_soon[place] / self.units_back[place] if self.units_back[place] else 0.0

    @property
    def median_wait(self) -> timedelta:
        """From asking to being told."""
        return timedelta(seconds=median(self.waits)) if self.waits else timedelta()

    @property
    def median_held(self) -> timedelta:
        """From the units' return to being told."""
        return timedelta(seconds=median(self.held)) if self.held else timedelta()

    @property
    def mean_held(self) -> timedelta:
        """As `median_held`, of which more than half may be nothing."""
        return timedelta(seconds=sum(self.held) / len(self.held)) if self.held else timedelta()
