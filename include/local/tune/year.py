"""What a comparison walks over: articles with their lines and requests, and the stock of each."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from include.domain.pace import Pace
from include.domain.shopper import ShopperModel
from include.local.replay.orders import OrderHistory, OrderLine
from include.local.replay.stock_policy import Demand, PolicySettings, StockPolicy, measure_demand
from include.local.tune.figures import Figures
from include.local.tune.walk import Article, ArticleWalk, Clockwork, Stock


class OrderedStock:
    """One article under the replay's stock policy; what was ordered arrives at `delivery_at` of its day."""

    def __init__(self, sku: str, demand: Demand, settings: PolicySettings, delivery_at: time) -> None:
        self._sku = sku
        self._policy = StockPolicy({sku: demand}, settings)
        self._delivery_at = delivery_at
        self._policy.open_day(demand.first_on)
        self.take = self._policy.take

    @property
    def units(self) -> int:
        """What is there."""
        return self._policy.stock[self._sku]

    def next_delivery_at(self) -> datetime | None:
        """When something arrives next, as far as it is ordered."""
        day = self._policy.next_delivery_on()
        return None if day is None else datetime.combine(day, self._delivery_at, UTC)

    def deliver(self, now: datetime) -> None:
        """Take in what arrives today."""
        self._policy.open_day(now.date())


@dataclass(frozen=True)
class Year:
    """A history of any length; `new_stock` makes an article's stock as it stood at the beginning."""

    articles: Sequence[Article]
    new_stock: Callable[[str], Stock]
    clockwork: Clockwork

    def walk(self, pace: Pace, shoppers: ShopperModel) -> Figures:
        """All articles under one way of telling."""
        figures = Figures()
        for article in self.articles:
            stock = self.new_stock(article.sku)
            ArticleWalk(article, stock, pace, shoppers, self.clockwork, figures).run()
        return figures


def year_of_orders(
    history: OrderHistory, policy: PolicySettings, clockwork: Clockwork, delivery_at: time
) -> Year:
    """The year that `restock replay` walks: the same lines, the same stock policy."""
    demand = measure_demand(history.lines)
    lines: defaultdict[str, list[OrderLine]] = defaultdict(list)
    for line in history.lines:
        if line.at < clockwork.end:
            lines[line.sku].append(line)
    return Year(
        articles=[Article(sku, known) for sku, known in lines.items()],
        new_stock=lambda sku: OrderedStock(sku, demand[sku], policy, delivery_at),
        clockwork=clockwork,
    )


def end_of(history: OrderHistory, days: int | None = None) -> datetime:
    """The midnight after the last line, or after the first `days`."""
    last = _midnight_after(history.lines[-1].at)
    if days is None:
        return last
    return min(last, _midnight_after(history.lines[0].at + timedelta(days=days - 1)))


def _midnight_after(moment: datetime) -> datetime:
    return datetime.combine(moment.date() + timedelta(days=1), time(), UTC)
