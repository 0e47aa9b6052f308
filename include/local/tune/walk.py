"""One article's year under one way of telling, in memory: stock, walk-in customers, queue, visits. Pure.

At a beat (every `beat`) the stock is read and whoever may be told is told. Who comes takes what is there;
who finds nothing came in vain. A walk-in customer who gets less than wanted waits for the rest, and one who
gets everything while waiting wants no more.
"""

import heapq
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from itertools import count
from typing import Any, NamedTuple, Protocol

from include.domain.pace import Pace, Queue
from include.domain.release import Waiting
from include.domain.shopper import Choice, ShopperModel, choose
from include.local.replay.orders import OrderLine
from include.local.tune.figures import Figures

LONG_AGO = datetime.min.replace(tzinfo=UTC)
SECOND_ALERT_AFTER = timedelta(hours=24)
DELIVERY, VISIT, LOOK = range(3)


class Stock(Protocol):
    """Where an article's units come from and go to."""

    @property
    def units(self) -> int:
        """What is there."""

    def next_delivery_at(self) -> datetime | None:
        """When something arrives next, as far as it is known."""

    def deliver(self, now: datetime) -> None:
        """Take in what arrives."""

    def take(self, line: OrderLine) -> int:
        """Carry out a line; what it asked for and did not get."""


class Asked(NamedTuple):
    """A request that is in the history itself."""

    at: datetime
    shopper: str
    wanted: int


@dataclass(eq=False)
class Wisher:
    """Somebody's open wish: waiting, or told and not yet come."""

    place: Waiting
    key: str
    customer: str
    wants_since: datetime
    choice: Choice
    turn: int = 0
    not_before: datetime = LONG_AGO
    back_at: datetime | None = None
    is_satisfied: bool = False
    has_bought: bool = False


@dataclass(frozen=True)
class Article:
    """What happened to one article whatever anybody was told; lines and requests in the order of time."""

    sku: str
    lines: Sequence[OrderLine]
    asked: Sequence[Asked] = ()


@dataclass(frozen=True)
class Clockwork:
    """The stock is read every `beat`; at `end` nobody looks any more. `knows_orders`: who bought is known,
    and counts no more as invited."""

    end: datetime
    beat: timedelta = timedelta(minutes=15)
    knows_orders: bool = False


class ArticleWalk:
    """One article, one way of telling."""

    def __init__(
        self,
        article: Article,
        stock: Stock,
        pace: Pace,
        shoppers: ShopperModel,
        clockwork: Clockwork,
        figures: Figures,
    ) -> None:
        self._article = article
        self._sku = article.sku
        self._stock = stock
        self._pace = pace
        self._shoppers = shoppers
        self._clockwork = clockwork
        self._figures = figures
        self._numbers = count()
        self._due: list[tuple[datetime, int, int, Any]] = []
        self._look_at: datetime | None = None
        self._next_release_at: datetime | None = None
        self._waiting: dict[int, Wisher] = {}
        self._unaware: list[Wisher] = []
        self._open: dict[str, Wisher] = {}
        self._invited: deque[tuple[datetime, Wisher]] = deque()
        self._hold = timedelta(hours=pace.rules.subtract_invited_hours)
        self._planned_delivery: datetime | None = None

    def run(self) -> None:
        """Go through everything in the order of time."""
        for asked in self._article.asked:
            self._plan(asked.at, VISIT, asked)
        self._plan_delivery()
        for line in self._article.lines:
            self._pass_until(line.at)
            self._walk_in(line)
        self._pass_until(self._clockwork.end)
        self._figures.end_article(len(self._waiting))

    def _pass_until(self, moment: datetime) -> None:
        while self._due and self._due[0][0] <= moment:
            now, kind, _, what = heapq.heappop(self._due)
            if kind == LOOK:
                self._look(now)
            elif kind == DELIVERY:
                self._deliver(now)
            elif isinstance(what, Asked):
                self._ask(now, what.shopper, what.shopper, what.wanted)
            else:
                self._visit(now, what)

    def _plan(self, at: datetime, kind: int, what: Any = None) -> None:
        if at <= self._clockwork.end:
            heapq.heappush(self._due, (at, kind, next(self._numbers), what))

    def _plan_delivery(self) -> None:
        at = self._stock.next_delivery_at()
        if at is not None and at != self._planned_delivery:
            self._planned_delivery = at
            self._plan(at, DELIVERY)

    def _deliver(self, now: datetime) -> None:
        before = self._stock.units
        self._planned_delivery = None
        self._stock.deliver(now)
        self._figures.deliver(now, self._stock.units - before, self._clockwork.end)
        self._note_rise(now, before)
        self._plan_delivery()

    def _walk_in(self, line: OrderLine) -> None:
        before = self._stock.units
        unmet = self._stock.take(line)
        is_sale = line.quantity > 0 and not line.is_adjustment
        if is_sale:
            self._figures.sell(line.at, line.quantity - unmet)
            if unmet and line.customer:
                self._ask(line.at, f"{self._sku}/{line.line_number}", line.customer, unmet)
            elif line.customer in self._open:
                self._open[line.customer].is_satisfied = True
        else:
            self._note_rise(line.at, before)
        self._plan_delivery()

    def _ask(self, now: datetime, key: str, customer: str, wanted: int) -> None:
        known = self._open.get(customer)
        if known is not None:
            known.place = replace(known.place, wanted=wanted)
            known.wants_since, known.is_satisfied = now, False
            return
        self._join(Wisher(self._new_place(now, wanted), key, customer, now, choose(self._shoppers, key, 0)))

    def _new_place(self, now: datetime, wanted: int) -> Waiting:
        return Waiting(next(self._numbers), now, wanted)

    def _join(self, wisher: Wisher) -> None:
        self._open[wisher.customer] = wisher
        self._waiting[wisher.place.subscription_id] = wisher
        self._unaware.append(wisher)
        self._figures.requests += 1
        if self._stock.units > 0:
            self._note_rise(wisher.wants_since, 0)

    def _note_rise(self, now: datetime, before: int) -> None:
        """Units are there that were not: whoever waits could be told from now on."""
        if self._stock.units <= before or not self._waiting:
            return
        for wisher in self._unaware:
            wisher.back_at = now
        self._unaware.clear()
        self._plan_look(now)

    def _plan_look(self, earliest: datetime | None) -> None:
        if earliest is None:
            return
        at = self._next_beat(earliest)
        if self._look_at is None or at < self._look_at:
            self._look_at = at
            self._plan(at, LOOK)

    def _next_beat(self, moment: datetime) -> datetime:
        midnight = datetime.combine(moment.date(), time(), UTC)
        if self._pace.daily_at is not None:
            at = datetime.combine(moment.date(), self._pace.daily_at, UTC)
            return at if at >= moment else at + timedelta(days=1)
        return midnight - (midnight - moment) // self._clockwork.beat * self._clockwork.beat

    def _look(self, now: datetime) -> None:
        if now != self._look_at:
            return
        self._look_at = None
        units = self._stock.units
        if units <= 0 or not self._waiting:
            return
        able = [wisher.place for wisher in self._waiting.values() if wisher.not_before <= now]
        queue = Queue(units, able, self._count_invited(now), self._next_release_at, f"{self._sku} {now}")
        told, self._next_release_at = self._pace.select(queue, now)
        for number in told:
            self._tell(self._waiting.pop(number), now)
        if self._waiting and units >= self._pace.rules.min_inventory:
            self._plan_look(self._next_chance(now))

    def _count_invited(self, now: datetime) -> list[Waiting]:
        while self._invited and self._invited[0][0] + self._hold <= now:
            self._invited.popleft()
        knows_orders = self._clockwork.knows_orders
        return [wisher.place for _, wisher in self._invited if not (knows_orders and wisher.has_bought)]

    def _next_chance(self, now: datetime) -> datetime | None:
        """The earliest moment after `now` at which time alone may let somebody be told."""
        if self._next_release_at is not None and self._next_release_at > now:
            return self._next_release_at
        chances = [wisher.not_before for wisher in self._waiting.values() if wisher.not_before > now]
        if self._invited:
            chances.append(self._invited[0][0] + self._hold)
        return min(chances, default=None)

    def _tell(self, wisher: Wisher, now: datetime) -> None:
        self._figures.tell(now - wisher.place.subscribed_at, now - (wisher.back_at or now))
        if self._hold:
            self._invited.append((now, wisher))
        is_lost = wisher.is_satisfied or wisher.wants_since + wisher.choice.patience < now
        if is_lost or not wisher.choice.comes:
            self._close(wisher)
            return
        self._plan(now + wisher.choice.delay, VISIT, wisher)
        wisher.not_before = now + SECOND_ALERT_AFTER

    def _close(self, wisher: Wisher) -> None:
        if self._open.get(wisher.customer) is wisher:
            del self._open[wisher.customer]

    def _visit(self, now: datetime, wisher: Wisher) -> None:
        self._close(wisher)
        if wisher.is_satisfied:
            return
        self._figures.came += 1
        if self._stock.units == 0:
            self._come_in_vain(wisher, now)
            return
        wisher.is_satisfied = wisher.has_bought = True
        wanted = wisher.place.wanted
        unmet = self._stock.take(OrderLine(now, 0, self._sku, wisher.customer, wanted, False))
        self._figures.sell_to_told(now, wanted - unmet, unmet)
        self._plan_delivery()

    def _come_in_vain(self, wisher: Wisher, now: datetime) -> None:
        self._figures.in_vain += 1
        if wisher.choice.asks_again and wisher.customer not in self._open:
            turn = wisher.turn + 1
            choice = choose(self._shoppers, wisher.key, turn)
            place = self._new_place(now, wisher.place.wanted)
            self._join(replace(wisher, place=place, wants_since=now, choice=choice, turn=turn, back_at=None))
