"""A shop's own past as a history to walk over: from the stock changes and requests in the database.

Restock stores no orders yet. A fall of the stock is taken for walk-in sales, which includes what people who
were told bought at the time: they buy twice in such a walk, and more come in vain than would have.
"""

from collections import defaultdict, deque
from collections.abc import Sequence
from datetime import UTC, datetime
from math import floor
from typing import Any

from sqlalchemy import Row

from include.errors import ConfigurationError
from include.local.replay.orders import OrderLine
from include.local.tune.walk import Article, Asked, Clockwork
from include.local.tune.year import Year


class RecordedStock:
    """One article's stock as it rose at the time, whatever is sold in the walk."""

    def __init__(self, rises: Sequence[tuple[datetime, int]]) -> None:
        self.units = 0
        self._rises = deque(rises)

    def next_delivery_at(self) -> datetime | None:
        """When it rose next."""
        return self._rises[0][0] if self._rises else None

    def deliver(self, now: datetime) -> None:
        """Take in that rise."""
        self.units += self._rises.popleft()[1]

    def take(self, line: OrderLine) -> int:
        """Sell what is there."""
        sold = min(line.quantity, self.units)
        self.units -= sold
        return line.quantity - sold


def year_of_history(changes: Sequence[Row[Any]], requests: Sequence[Row[Any]], clockwork: Clockwork) -> Year:
    """The walk over a shop's past; raises ConfigurationError where there is nothing to learn from."""
    rises: defaultdict[str, list[tuple[datetime, int]]] = defaultdict(list)
    falls: defaultdict[str, list[OrderLine]] = defaultdict(list)
    for change in changes:
        units, at = floor(change.difference), change.observed_at.astimezone(UTC)
        if units > 0:
            rises[change.variant_id].append((at, units))
        elif units < 0:
            falls[change.variant_id].append(OrderLine(at, 0, change.variant_id, "", -units, False))
    asked: defaultdict[str, list[Asked]] = defaultdict(list)
    for request in requests:
        at = request.subscribed_at.astimezone(UTC)
        asked[request.variant_id].append(Asked(at, str(request.profile_id), request.wanted_quantity))
    skus = sorted(asked.keys() & rises.keys())
    if not skus:
        raise ConfigurationError(
            "The database has no request for a variant whose stock ever rose, so there is nothing to learn "
            "from. Let the shop run for some restocks, or give an order history with --orders."
        )
    return Year(
        articles=[Article(sku, falls[sku], asked[sku]) for sku in skus],
        new_stock=lambda sku: RecordedStock(rises[sku]),
        clockwork=clockwork,
    )
