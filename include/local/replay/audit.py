"""Who was told wrongly: the promises of SEMANTICS 2-4 held against what a walk left behind.

Reads the evidence (feeds, requests, purchases, rules, mails) and nothing else: no table of Restock, none of its
decisions, none of its modules. Each article is judged by itself, its requests, feeds and mails in the order
of their time (at one moment: requests, then the feed, then mails):

told_twice      the person's request had its answer before, or the last answer is less than 24 hours old
unasked         the person never asked for the article
below_minimum   by the feeds before the mail, the article was not open: too few units, too small a return, or
                not yet confirmed
over_bound      more mails, or wanted units, than units x customers per unit less those invited lately who have
                not bought since. A batch
                begins with the first mail after the wait of the batch before it and has the units of the last
                feed before that mail
out_of_order    somebody who had asked earlier, could be told and would have fitted was still waiting (judged
                for the order 'oldest' only)
left_out        a feed showed units and the wait was over, and by the next feed fewer were told than waited
                and than the bound allowed
"""

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import attrgetter, itemgetter
from pathlib import Path

from include.local.replay.audit_stock import ArticleStock
from include.local.replay.evidence import (
    Feed,
    Mail,
    Purchase,
    Request,
    WalkRules,
    read_feeds,
    read_mails,
    read_purchases,
    read_requests,
    read_rules,
    units_by_time,
)

SECOND_ALERT_AFTER = timedelta(hours=24)
KINDS = ("told_twice", "unasked", "below_minimum", "over_bound", "out_of_order", "left_out")
MOST_LISTED = 100
REQUEST, MAIL = 0, 1


@dataclass(frozen=True)
class Violation:
    """A broken promise; `explanation` names files and articles, and no person."""

    kind: str
    explanation: str


@dataclass
class Audit:
    """What the evidence shows; the first violations are listed, all are counted."""

    counts: Counter[str] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)
    told: int = 0
    restocks: int = 0
    batches: int = 0
    full_batches: int = 0
    still_waiting: int = 0
    waits: list[timedelta] = field(default_factory=list)

    def blame(self, kind: str, explanation: str, count: int = 1) -> None:
        """Note a violation, or several of the same."""
        self.counts[kind] += count
        if len(self.violations) < MOST_LISTED:
            self.violations.append(Violation(kind, explanation))


def audit_folder(folder: Path) -> Audit:
    """Judge the evidence in `folder`."""
    return audit(
        read_rules(folder),
        read_feeds(folder),
        read_requests(folder),
        read_mails(folder),
        read_purchases(folder),
    )


def audit(
    rules: WalkRules,
    feeds: Iterable[Feed],
    requests: Iterable[Request],
    mails: Iterable[Mail],
    purchases: Iterable[Purchase] = (),
) -> Audit:
    """Judge a walk; `mails` are in the order in which the sender was given them."""
    found = Audit()
    times, units = units_by_time(feeds)
    asked: defaultdict[str, list[Request]] = defaultdict(list)
    told: defaultdict[str, list[Mail]] = defaultdict(list)
    for request in requests:
        asked[request.sku].append(request)
    for mail in mails:
        told[mail.sku].append(mail)
        found.told += 1
    bought: defaultdict[str, list[Purchase]] = defaultdict(list)
    for purchase in purchases:
        bought[purchase.sku].append(purchase)
    for sku in sorted(units.keys() | asked.keys() | told.keys()):
        article = ArticleAudit(sku, rules, times, units.get(sku, []), found, bought.get(sku, []))
        article.judge(asked[sku], told[sku])
    return found


@dataclass
class Batch:
    """Mails about one article that belong together, and how many there may be; None: any number."""

    begun_at: datetime
    units: int
    allowed: int | None
    taken: list[tuple[datetime, int]] = field(default_factory=list)

    @property
    def size(self) -> int:
        """People, or wanted units where these fill a batch."""
        return sum(size for _, size in self.taken)


class ArticleAudit:
    """One article: its queue of open requests as mails answer them."""

    def __init__(
        self,
        sku: str,
        rules: WalkRules,
        feed_times: Sequence[datetime],
        units: Sequence[tuple[datetime, int]],
        found: Audit,
        purchases: Sequence[Purchase],
    ) -> None:
        self._sku = sku
        self._rules = rules
        self._feed_times = feed_times
        self._stock = ArticleStock(rules, feed_times, units)
        self._found = found
        self._invited: deque[tuple[datetime, int, str]] = deque()
        self._bought: defaultdict[str, list[Purchase]] = defaultdict(list)
        for purchase in purchases:
            self._bought[purchase.address].append(purchase)
        self._queue: dict[str, Request] = {}
        self._told_at: dict[str, datetime] = {}
        self._batch: Batch | None = None
        self._owed = 0
        self._answered = 0

    def judge(self, requests: Sequence[Request], mails: Sequence[Mail]) -> None:
        """Go through everything that happened to the article."""
        self._found.restocks += self._stock.restocks
        events: list[tuple[datetime, int, Request | Mail]] = [(r.taken_at, REQUEST, r) for r in requests]
        events += [(mail.at, MAIL, mail) for mail in mails]
        events.sort(key=itemgetter(0, 1))
        next_feed = 0
        for at, kind, event in events:
            up_to = bisect_right if kind == MAIL else bisect_left
            next_feed = self._pass_feeds(next_feed, up_to(self._feed_times, at))
            if isinstance(event, Mail):
                self._judge_mail(event)
            else:
                self._join(event)
        self._pass_feeds(next_feed, len(self._feed_times))
        self._settle_owed()
        self._found.still_waiting += len(self._queue)

    def _join(self, request: Request) -> None:
        """A second request while one is open keeps the first place and brings its own wish."""
        known = self._queue.get(request.address, request)
        self._queue[request.address] = known._replace(wanted=request.wanted)

    def _judge_mail(self, mail: Mail) -> None:
        request = self._queue.pop(mail.address, None)
        if request is None:
            self._blame_needless(mail)
            return
        if self._may_be_told_from(request) > mail.at:
            self._blame("told_twice", mail, "comes less than 24 hours after the last one to the same person")
        self._told_at[mail.address] = mail.at
        self._answered += 1
        self._found.waits.append(mail.at - request.asked_at)
        if not self._stock.is_open(mail.at):
            seen = self._stock.units_at(mail.at)
            self._blame("below_minimum", mail, f"was sent at {seen} units, when the article was not open")
            return
        batch = self._batch_of(mail.at)
        self._judge_order(mail, request, batch)
        self._judge_bound(mail, request, batch)

    def _blame_needless(self, mail: Mail) -> None:
        if mail.address in self._told_at:
            self._blame("told_twice", mail, "answers a request that had its answer")
        else:
            self._blame("unasked", mail, "answers no request")

    def _batch_of(self, moment: datetime) -> Batch:
        if self._batch is None or moment >= self._batch.begun_at + self._rules.wait:
            self._batch = Batch(moment, self._stock.units_at(moment), self._allowed(moment))
            self._found.batches += 1
        return self._batch

    def _size_of(self, request: Request) -> int:
        return request.wanted if self._rules.sizing == "wanted_units" else 1

    def _judge_order(self, mail: Mail, request: Request, batch: Batch) -> None:
        """Whoever asked first is told first; other orders are not judged."""
        if self._rules.ordering != "oldest":
            return
        for other in self._queue.values():
            if other.asked_at >= request.asked_at:
                return
            if self._may_be_told_from(other) <= mail.at and self._had_room(other, batch):
                asked = f"{request.asked_at:%Y-%m-%d %H:%M}", f"{other.asked_at:%Y-%m-%d %H:%M}"
                self._blame("out_of_order", mail, f"answers a request of {asked[0]} before one of {asked[1]}")
                return

    def _had_room(self, other: Request, batch: Batch) -> bool:
        """Whether a wish fitted when its turn was; one that does not ends the batch unless it is overtaken."""
        if self._rules.sizing == "people":
            return True
        if other.wanted > batch.units:
            return False
        if batch.allowed is None or not self._rules.allow_overtaking:
            return True
        taken = sum(size for asked_at, size in batch.taken if asked_at < other.asked_at)
        return other.wanted <= batch.allowed - taken

    def _judge_bound(self, mail: Mail, request: Request, batch: Batch) -> None:
        size, before = self._size_of(request), batch.size
        batch.taken.append((request.asked_at, size))
        self._invited.append((mail.at, size, mail.address))
        if self._rules.sizing == "wanted_units" and size > batch.units:
            self._blame("over_bound", mail, f"answers a wish for {size} of {batch.units} units")
        elif batch.allowed is not None:
            self._found.full_batches += batch.size == batch.allowed
            if before <= batch.allowed < batch.size:
                self._blame("over_bound", mail, f"goes beyond the {batch.allowed} of its batch")

    def _allowed(self, moment: datetime) -> int | None:
        per_unit = self._rules.customers_per_unit
        if per_unit is None:
            return None
        while self._invited and self._invited[0][0] <= moment - self._rules.subtract_invited:
            self._invited.popleft()
        invited = sum(
            size for at, size, address in self._invited if not self._has_bought(address, at, moment)
        )
        return max(0, self._basis_units(moment) * per_unit - invited)

    def _has_bought(self, address: str, since: datetime, moment: datetime) -> bool:
        return any(
            purchase.ordered_at >= since and purchase.taken_at <= moment for purchase in self._bought[address]
        )

    def _basis_units(self, moment: datetime) -> int:
        units, opened_at = self._stock.units_at(moment), self._stock.opened_at(moment)
        if self._rules.basis == "on_hand" or self._batch is None or opened_at is None:
            return units
        last = self._batch.begun_at
        return units if last < opened_at else min(units, self._stock.rises(last, moment))

    def _may_be_told_from(self, request: Request) -> datetime:
        last = self._told_at.get(request.address)
        return request.taken_at if last is None else max(request.taken_at, last + SECOND_ALERT_AFTER)

    def _pass_feeds(self, place: int, end: int) -> int:
        """Go on over the feeds before `end`; where nobody waits, nothing is owed."""
        while place < end:
            self._settle_owed()
            if not self._queue:
                return end
            self._owed = self._count_owed(self._feed_times[place])
            place += 1
        return place

    def _settle_owed(self) -> None:
        missing = self._owed - self._answered
        if missing > 0:
            self._found.blame("left_out", f"{self._sku}: {missing} fewer told than owed", missing)
        self._owed = self._answered = 0

    def _count_owed(self, moment: datetime) -> int:
        is_waiting = self._batch is not None and self._batch.begun_at + self._rules.wait > moment
        if is_waiting or not self._stock.is_open(moment):
            return 0
        entitled = [one for one in self._queue.values() if self._may_be_told_from(one) <= moment]
        allowed = self._allowed(moment)
        if self._rules.sizing == "wanted_units":
            return self._count_fitting(entitled, allowed, self._stock.units_at(moment))
        return len(entitled) if allowed is None else min(len(entitled), allowed)

    def _count_fitting(self, entitled: list[Request], room: int | None, units: int) -> int:
        """How many wishes fit, the oldest first; in another order nobody can tell beforehand."""
        if self._rules.ordering != "oldest":
            return 0
        fitting = 0
        for request in sorted(entitled, key=attrgetter("asked_at")):
            if request.wanted > units:
                continue
            if room is not None and request.wanted > room:
                if self._rules.allow_overtaking:
                    continue
                break
            room = None if room is None else room - request.wanted
            fitting += 1
        return fitting

    def _blame(self, kind: str, mail: Mail, explanation: str) -> None:
        self._found.blame(kind, f"{mail.name} about {self._sku} {explanation}")
