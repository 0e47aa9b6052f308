"""What Restock must decide, as slowly and plainly as it can be said: the rules of SEMANTICS, one by one."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from include.domain.delivery import next_attempt
from include.domain.rules import RuleSet
from include.domain.variant_rules import VariantRules
from tests.histories.story import Ask

NEVER = datetime.min.replace(tzinfo=UTC)
UNSURE_STOCK_RETRY = timedelta(minutes=15)


@dataclass
class Want:
    """One request with everything that happens to it."""

    email: str
    variant_id: str
    asked_at: datetime
    restock_after: datetime | None
    not_before: datetime | None
    state: str = "waiting"
    told_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        return self.state in ("waiting", "released")


@dataclass
class Shelf:
    """One variant."""

    rules: VariantRules
    units: int = 0
    is_known: bool = False
    is_open: bool = False
    missed: int = 0
    last_below: int = 0
    confirmations: int = 0
    closed_at: datetime | None = None
    restocked_at: datetime | None = None
    event_count: int = 0
    next_release_at: datetime | None = None


@dataclass
class Mail:
    """A message of a batch."""

    want: Want
    batch: Batch
    due_at: datetime
    tries: int = 0
    state: str = "queued"
    waits_for_stock: bool = False


@dataclass
class Batch:
    """People told together, in their order, and what their number was made from."""

    variant_id: str
    rules: VariantRules
    units: int
    in_flight: int
    mails: list[Mail] = field(default_factory=list)

    def beyond(self, units: int) -> list[Mail]:
        """Those whose place is not within what may be told now that the stock has shrunk (5)."""
        if self.rules.customers_per_unit == "all" or units >= self.units:
            return []
        allowed = max(0, units * self.rules.customers_per_unit - self.in_flight)
        takes_a_place = [m for m in self.mails if m.state != "skipped" and m.want.state != "cancelled"]
        return takes_a_place[allowed:]


@dataclass
class Model:
    """The whole shop."""

    rules: RuleSet
    max_stock_age: timedelta
    shelves: dict[str, Shelf] = field(default_factory=dict)
    wants: list[Want] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)
    suppressed: set[str] = field(default_factory=set)
    pulls: dict[datetime, dict[str, float]] = field(default_factory=dict)
    good_at: datetime = NEVER
    refused_at: datetime = NEVER

    def ask(self, ask: Ask, asked_at: datetime, now: datetime) -> None:
        """3.3: who has an open request keeps it; 3.5; a day between two alerts to one person for one variant."""
        mine = [w for w in self.wants if (w.email, w.variant_id) == (ask.email, ask.variant_id)]
        known = [want for want in mine if want.is_open]
        if known:
            if not ask.needs_restock:
                known[0].restock_after = None
            return
        told = [want.told_at for want in mine if want.told_at]
        self.wants.append(
            Want(
                email=ask.email,
                variant_id=ask.variant_id,
                asked_at=asked_at,
                restock_after=now if ask.needs_restock else None,
                not_before=max(told) + timedelta(hours=24) if told else None,
            )
        )

    def cancel(self, email: str, variant_id: str) -> None:
        """3.6."""
        for want in self.wants:
            if (want.email, want.variant_id) == (email, variant_id) and want.is_open:
                want.state = "cancelled"

    def observe(self, levels: dict[str, float], now: datetime) -> None:
        """A complete full pull; a late one takes its place and all is told again (2.9)."""
        is_late = now < self.good_at
        self.good_at = max(self.good_at, now)
        self.pulls[now] = levels
        if not is_late:
            self._take_in(levels, now)
            self._wake_who_waits_for_stock(now)
            return
        self.shelves = {
            variant: Shelf(shelf.rules, next_release_at=shelf.next_release_at)
            for variant, shelf in self.shelves.items()
        }
        for at in sorted(self.pulls):
            self._take_in(self.pulls[at], at)

    def _wake_who_waits_for_stock(self, now: datetime) -> None:
        for mail in (mail for batch in self.batches for mail in batch.mails if mail.waits_for_stock):
            mail.due_at, mail.waits_for_stock = now, False

    def _take_in(self, levels: dict[str, float], now: datetime) -> None:
        """2.4, 2.5, 2.6."""
        for variant, shelf in self.shelves.items():
            if variant in levels:
                shelf.missed = 0
                self._see(shelf, math.floor(max(0, levels[variant])), now)
            elif shelf.is_known:
                shelf.missed += 1
                if shelf.missed >= self.rules.confirm_absent:
                    self._see(shelf, 0, now)

    def _see(self, shelf: Shelf, units: int, now: datetime) -> None:
        is_first, shelf.is_known = not shelf.is_known, True
        shelf.units = units
        rules = shelf.rules
        if units < rules.min_inventory:
            if shelf.is_open or is_first:
                shelf.closed_at = now
            shelf.is_open, shelf.confirmations, shelf.last_below = False, 0, units
        elif is_first:
            shelf.is_open = True
        elif not shelf.is_open:
            has_risen = units - shelf.last_below >= rules.min_restock
            shelf.confirmations = shelf.confirmations + 1 if has_risen else 0
            if shelf.confirmations >= rules.confirm_pulls:
                self._open(shelf, now)

    def _open(self, shelf: Shelf, now: datetime) -> None:
        shelf.is_open, shelf.confirmations = True, 0
        if shelf.closed_at is None or now - shelf.closed_at >= timedelta(minutes=shelf.rules.min_out_minutes):
            shelf.event_count += 1
            shelf.restocked_at = now

    def is_stale(self, now: datetime) -> bool:
        """2.7."""
        return self.refused_at > self.good_at or now - self.good_at > self.max_stock_age

    def release(self, now: datetime) -> None:
        """4.1 for every variant."""
        for variant, shelf in self.shelves.items():
            self._release_one(variant, shelf, now)

    def _release_one(self, variant: str, shelf: Shelf, now: datetime) -> None:
        if not shelf.is_open or self._is_unsure(shelf, now):
            return
        queue = sorted(
            (w for w in self.wants if w.variant_id == variant and w.state == "waiting"),
            key=lambda want: want.asked_at,
        )
        queue = [want for want in queue if self._is_eligible(want, shelf, now)]
        in_flight = sum(1 for w in self.wants if w.variant_id == variant and w.state == "released")
        allowed: float = math.inf
        if shelf.rules.customers_per_unit != "all":
            if shelf.next_release_at is not None and now < shelf.next_release_at:
                return
            allowed = shelf.units * shelf.rules.customers_per_unit - in_flight
            if allowed <= 0:
                return
        told: list[Want] = []
        for want in queue:
            if len(told) >= allowed:
                break
            if want.email in self.suppressed:
                want.state = "skipped"
                continue
            told.append(want)
        if told:
            self._batch(variant, shelf, in_flight, told, now)

    def _batch(self, variant: str, shelf: Shelf, in_flight: int, told: list[Want], now: datetime) -> None:
        batch = Batch(variant, shelf.rules, shelf.units, in_flight)
        self.batches.append(batch)
        for want in told:
            want.state = "released"
            batch.mails.append(Mail(want, batch, now))
        if shelf.rules.customers_per_unit != "all":
            shelf.next_release_at = now + timedelta(minutes=shelf.rules.wait_minutes)

    def _is_eligible(self, want: Want, shelf: Shelf, now: datetime) -> bool:
        if want.not_before is not None and want.not_before > now:
            return False
        return want.restock_after is None or (
            shelf.restocked_at is not None and want.restock_after < shelf.restocked_at
        )

    def dispatch(self, temporary: set[str], now: datetime) -> list[str]:
        """5 and 6.2, for mails of back in stock; who was told."""
        beyond = [m for batch in self.batches for m in batch.beyond(self.shelves[batch.variant_id].units)]
        due = [m for batch in self.batches for m in batch.mails if m.state == "queued" and m.due_at <= now]
        for mail in due:
            self._send(mail, any(mail is other for other in beyond), mail.want.email in temporary, now)
        return [mail.want.email for mail in due if mail.state == "sent"]

    def _send(self, mail: Mail, is_beyond: bool, is_temporary: bool, now: datetime) -> None:
        want, shelf = mail.want, self.shelves[mail.want.variant_id]
        mail.waits_for_stock = False
        is_sold_out = not shelf.is_open or shelf.units < mail.batch.rules.min_inventory
        if want.state == "cancelled":
            mail.state = "skipped"
        elif want.email in self.suppressed:
            mail.state, want.state = "skipped", "skipped"
        elif is_sold_out:
            mail.state, want.state = "skipped", "waiting"
        elif self._is_unsure(shelf, now):
            mail.due_at, mail.waits_for_stock = now + UNSURE_STOCK_RETRY, True
        elif is_beyond:
            mail.state, want.state = "skipped", "waiting"
        elif is_temporary:
            mail.tries += 1
            mail.due_at = next_attempt(now, mail.tries, None) or datetime.max.replace(tzinfo=UTC)
        else:
            mail.state, want.state, want.told_at = "sent", "notified", now

    def _is_unsure(self, shelf: Shelf, now: datetime) -> bool:
        return self.is_stale(now) or 0 < shelf.missed < self.rules.confirm_absent
