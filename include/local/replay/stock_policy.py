"""A shop that sells an order history: stock sells down to nothing and comes back after a lead time. Pure.

Each article stands in the catalog from the day of its first order on, with stock for `initial_days` of its
mean demand. A line takes what is there; the rest is unmet. When the stock is gone, `cover_days` of mean
demand are ordered and arrive after a lead time, drawn anew for each order between `lead_days_min` and
`lead_days_max` from a generator seeded by `seed`, the article and the count of its orders: the same history
gives the same year. A cancellation puts back at most what this customer got of the article; an adjustment
changes the stock, never below nothing. Mean demand is known beforehand, over the article's whole span: a
shop knows it less well.
"""

import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from include.errors import ConfigurationError
from include.local.replay.orders import OrderLine

SHORTEST_SPAN_DAYS = 14


@dataclass(frozen=True)
class PolicySettings:
    """Days, and the seed of the lead times."""

    initial_days: float = 90.0
    cover_days: float = 90.0
    lead_days_min: int = 7
    lead_days_max: int = 14
    seed: int = 1

    def __post_init__(self) -> None:
        if self.initial_days <= 0 or self.cover_days <= 0:
            raise ConfigurationError("initial_days and cover_days must be above 0.")
        if not 1 <= self.lead_days_min <= self.lead_days_max:
            raise ConfigurationError(
                f"The lead time is {self.lead_days_min} to {self.lead_days_max} days; allowed is 1 or more, "
                "the smaller number first."
            )


@dataclass
class Demand:
    """What the history asks of one article."""

    first_on: date
    last_on: date
    units: int = 0

    @property
    def units_per_day(self) -> float:
        """Mean pieces a day between the first and the last order."""
        return self.units / max((self.last_on - self.first_on).days + 1, SHORTEST_SPAN_DAYS)


def measure_demand(lines: Iterable[OrderLine]) -> dict[str, Demand]:
    """The demand for each article; `lines` are in the order of their time."""
    demand: dict[str, Demand] = {}
    for line in lines:
        day = line.at.date()
        known = demand.setdefault(line.sku, Demand(day, day))
        if line.quantity > 0 and not line.is_adjustment:
            known.units += line.quantity
            known.last_on = day
    return demand


class StockPolicy:
    """The stock of every article in the catalog as the days go by."""

    def __init__(self, demand: dict[str, Demand], settings: PolicySettings) -> None:
        self.stock: dict[str, int] = {}
        self._settings = settings
        self._demand = demand
        self._introduced: defaultdict[date, list[str]] = defaultdict(list)
        for sku, known in demand.items():
            self._introduced[known.first_on].append(sku)
        self._arriving: defaultdict[date, list[str]] = defaultdict(list)
        self._is_ordered: set[str] = set()
        self._order_counts: Counter[str] = Counter()
        self._sold: Counter[tuple[str, str]] = Counter()

    def open_day(self, day: date) -> None:
        """What is new in the catalog and what arrives before the shop opens."""
        for sku in self._introduced.pop(day, ()):
            self.stock[sku] = self._units_for(sku, self._settings.initial_days)
        for sku in self._arriving.pop(day, ()):
            self.stock[sku] += self._units_for(sku, self._settings.cover_days)
            self._is_ordered.discard(sku)

    def next_delivery_on(self) -> date | None:
        """The next day on which something is new or arrives, as far as it is ordered."""
        return min((*self._introduced, *self._arriving), default=None)

    def take(self, line: OrderLine) -> int:
        """Carry out one line; the units that it asked for and did not get."""
        if line.is_adjustment:
            self.stock[line.sku] = max(0, self.stock[line.sku] + line.quantity)
        elif line.quantity < 0:
            self._put_back(line)
        unmet = self._sell(line) if line.quantity > 0 and not line.is_adjustment else 0
        if self.stock[line.sku] == 0 and line.sku not in self._is_ordered:
            self._order(line)
        return unmet

    def _sell(self, line: OrderLine) -> int:
        sold = min(line.quantity, self.stock[line.sku])
        self.stock[line.sku] -= sold
        self._sold[line.sku, line.customer] += sold
        return line.quantity - sold

    def _put_back(self, line: OrderLine) -> None:
        returned = min(-line.quantity, self._sold[line.sku, line.customer])
        self._sold[line.sku, line.customer] -= returned
        self.stock[line.sku] += returned

    def _order(self, line: OrderLine) -> None:
        self._is_ordered.add(line.sku)
        self._order_counts[line.sku] += 1
        draw = random.Random(f"{self._settings.seed}/{line.sku}/{self._order_counts[line.sku]}")  # noqa: S311
        lead_days = draw.randint(self._settings.lead_days_min, self._settings.lead_days_max)
        self._arriving[line.at.date() + timedelta(days=lead_days)].append(line.sku)

    def _units_for(self, sku: str, days: float) -> int:
        return max(1, math.ceil(self._demand[sku].units_per_day * days))
