"""What a restock would do, under assumed stock, rules and sales; nothing is written (SEMANTICS 4.10).

It is the real decision, carried out in a transaction that is rolled back.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine

from include.db.queries import run_query
from include.domain.flow import Flow
from include.domain.overrides import SCOPES, RuleOverride, RuleSubject, read_overrides, resolve_rules
from include.domain.release import needs_approval
from include.domain.rules import RuleSet
from include.errors import ConfigurationError, NotFound
from include.services.flows import learn_flows
from include.services.product_requests import follow_variant
from include.services.release import Look, carry_out, look
from include.services.rules import insert_rule_set, rules_in_force

MOST_BATCHES = 100


@dataclass(frozen=True)
class Assumption:
    """A restock to play through; `rules` are spelled as Variables and hold over every other."""

    shop_id: str
    variant_id: str
    units: int
    rules: Mapping[str, str]
    sales_per_hour: float = 0.0


@dataclass(frozen=True)
class SimulatedBatch:
    """One batch: when, from how many units, and whom by request id; places count over all batches."""

    decided_at: datetime
    units: int
    first_place: int
    subscription_ids: tuple[int, ...]
    skipped: int
    needs_approval: bool


@dataclass(frozen=True)
class Simulation:
    """The batches in their order, and why they end."""

    batches: tuple[SimulatedBatch, ...]
    end: str
    still_waiting: int


def simulate_restock(
    engine: Engine, given: Assumption, now: datetime, flows: Sequence[Flow] | None = None
) -> Simulation:
    """Play a restock through to its end, with the flows as their files say where these are given.

    Raises NotFound, ConfigurationError.
    """
    with engine.connect() as connection, connection.begin() as transaction:
        run_query(connection, "release.lock_release")
        if flows is not None:
            learn_flows(connection, flows, now)
        rules = _assume_rules(connection, given, now)
        rule_set_id = insert_rule_set(connection, rules, now)
        play = _Play(connection, given, rules, rule_set_id, now)
        batches = tuple(play.run())
        transaction.rollback()
    return Simulation(batches, play.end, play.still_waiting)


class _Play:
    """The clock and the stock of one simulation."""

    def __init__(
        self, connection: Connection, given: Assumption, rules: RuleSet, rule_set_id: int, now: datetime
    ) -> None:
        self._connection, self._given, self._rules, self._start = connection, given, rules, now
        self._rule_set_id = rule_set_id
        self._own = _rules_of(connection, given, rules)
        self.end = f"it was followed for {MOST_BATCHES} batches"
        self.still_waiting = 0
        self._told = 0

    def run(self) -> Iterator[SimulatedBatch]:
        """Look again and again, as the timer says, until nothing more would happen."""
        at: datetime | None = self._start
        for number in range(MOST_BATCHES):
            if at is None:
                return
            units = self._assume_stock(at, is_restock=number == 0)
            if number == 0:
                follow_variant(self._connection, self._given.shop_id, self._given.variant_id, at)
            outcome = self._decide(number, at)
            self.still_waiting = outcome.waiting_count - outcome.released_count - outcome.skipped_count
            if outcome.released_count:
                yield self._batch(outcome, at, units)
                self.end = "everyone who can be told has been told"
                at = outcome.next_release_at if self.still_waiting else None
            elif outcome.hold_reason == "waiting_time" and at < outcome.next_release_at:
                at = outcome.next_release_at
            else:
                self.end = outcome.hold_reason or "nobody who waits can be told"
                return

    def _assume_stock(self, at: datetime, is_restock: bool) -> int:
        sold = self._given.sales_per_hour * (at - self._start) / timedelta(hours=1)
        units = max(0, int(self._given.units - sold))
        assumed = run_query(
            self._connection,
            "simulate.assume_stock",
            shop_id=self._given.shop_id,
            variant_id=self._given.variant_id,
            units=units,
            is_open=units >= self._own.min_inventory,
            is_restock=is_restock,
            now=at,
        ).one_or_none()
        if assumed is None:
            raise NotFound(
                f"Nothing is known of the stock of variant '{self._given.variant_id}' in shop '{self._given.shop_id}'."
            )
        return units

    def _decide(self, number: int, at: datetime) -> Any:
        run_id = f"simulation-{number}"
        one = Look(
            self._rule_set_id,
            self._rules,
            run_id,
            at,
            seed=run_id,
            shop_id=self._given.shop_id,
            variant_id=self._given.variant_id,
            needs_approval=False,
        )
        look(self._connection, one)
        carry_out(self._connection, one)
        run_query(
            self._connection,
            "simulate.assume_told",
            shop_id=self._given.shop_id,
            variant_id=self._given.variant_id,
            now=at,
        )
        return run_query(self._connection, "simulate.find_outcome").one()

    def _batch(self, outcome: Any, at: datetime, units: int) -> SimulatedBatch:
        ids = tuple(run_query(self._connection, "simulate.list_chosen").scalars())
        first, self._told = self._told + 1, self._told + len(ids)
        asks = needs_approval(len(ids), self._own)
        return SimulatedBatch(at, units, first, ids, outcome.skipped_count, asks)


def _assume_rules(connection: Connection, given: Assumption, now: datetime) -> RuleSet:
    """The rules in force, with the assumed ones as the narrowest override of the variant."""
    _, rules = rules_in_force(connection, now)
    if not given.rules:
        return rules
    here = {"shop": given.shop_id, "variant": given.variant_id}
    others = [one for one in rules.rule_overrides if not _is_for(one, here)]
    before = next((one.rules for one in rules.rule_overrides if _is_for(one, here)), {})
    try:
        overrides = read_overrides([*others, {**here, "rules": {**before, **given.rules}}])
    except ValueError as error:
        raise ConfigurationError(f"The assumed rules can't be used: {error}.") from None
    return rules.model_copy(update={"rule_overrides": overrides})


def _is_for(override: RuleOverride, target: Mapping[str, str]) -> bool:
    return {name: getattr(override, name) for name in SCOPES if getattr(override, name)} == target


def _rules_of(connection: Connection, given: Assumption, rules: RuleSet) -> Any:
    row = run_query(
        connection, "why.find_subject", shop_id=given.shop_id, variant_id=given.variant_id
    ).one_or_none()
    product_id, collections = (row.product_id, tuple(row.collections)) if row else (None, ())
    subject = RuleSubject(given.shop_id, given.variant_id, product_id, collections)
    return resolve_rules(rules, rules.rule_overrides, subject).rules
