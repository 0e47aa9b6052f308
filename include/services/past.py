"""What is remembered of some variants' past, read for a late snapshot (SEMANTICS 2.9)."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row

from include.db.queries import run_query
from include.domain.history import Opening, Seen, drop_repeated
from include.domain.overrides import EffectiveRules, RuleSubject, resolve_rules
from include.domain.rules import RuleSet
from include.domain.stock import Standing, is_counted
from include.domain.variant_rules import VariantRules

Change = tuple[Decimal, Decimal | None]


@dataclass
class Past:
    """One variant: what its history says and what the late snapshot says; `locations` are its keys' histories."""

    variant_id: str
    product_id: str | None = None
    collections: tuple[str, ...] = ()
    changes: dict[str, dict[datetime, Change]] = field(default_factory=lambda: defaultdict(dict))
    presence: dict[str, dict[datetime, bool]] = field(default_factory=lambda: defaultdict(dict))
    standings: list[tuple[datetime, Standing]] = field(default_factory=list)
    staged: dict[str, Decimal] = field(default_factory=dict)
    staged_standing: Standing | None = None
    events: list[Opening] = field(default_factory=list)
    released_at: list[datetime] = field(default_factory=list)
    components: dict[str, int] = field(default_factory=dict)
    stock: Row[Any] | None = None

    @property
    def locations(self) -> list[str]:
        """Every location at which it was ever seen."""
        return sorted(self.changes.keys() | self.staged.keys())

    def steps_at(self, location_id: str) -> list[tuple[datetime, Seen]]:
        """What snapshots said, one after the other; None where they lacked it."""
        changes, presence = self.changes.get(location_id, {}), self.presence.get(location_id, {})
        quantity, is_missing = None, False
        steps: list[tuple[datetime, Seen]] = []
        for at in sorted(changes.keys() | presence.keys()):
            quantity = changes[at][0] if at in changes else quantity
            is_missing = presence.get(at, is_missing)
            steps.append((at, None if is_missing else quantity))
        return drop_repeated(steps, None)


def read_pasts(
    connection: Connection, shop_id: str, snapshot_id: int, variants: Sequence[str]
) -> dict[str, Past]:
    """The pasts of some variants and of the components of the bundles among them."""
    bundles = run_query(connection, "late.list_components", shop_id=shop_id, variants=list(variants)).all()
    wanted = sorted({*variants, *(row.component_variant_id for row in bundles)})
    pasts = {variant_id: Past(variant_id) for variant_id in wanted}
    for row in bundles:
        pasts[row.bundle_variant_id].components[row.component_variant_id] = row.units_per_bundle
    here = {"shop_id": shop_id, "variants": wanted}
    for row in run_query(connection, "late.list_variants", **here):
        pasts[row.variant_id].product_id = row.product_id
        pasts[row.variant_id].collections = tuple(row.collections)
    for row in run_query(connection, "late.list_changes", **here):
        change = (row.quantity, row.previous_quantity)
        pasts[row.variant_id].changes[row.location_id][row.observed_at] = change
    for row in run_query(connection, "late.list_presence", **here):
        pasts[row.variant_id].presence[row.location_id][row.observed_at] = row.is_missing
    for row in run_query(connection, "late.list_standings", **here):
        pasts[row.variant_id].standings.append((row.observed_at, _standing(row)))
    for row in run_query(connection, "late.list_staged", snapshot_id=snapshot_id, variants=wanted):
        past = pasts[row.variant_id]
        past.staged[row.location_id] = row.quantity
        past.staged_standing = past.staged_standing or _standing(row)
    _read_present(connection, here, pasts)
    return pasts


def _read_present(connection: Connection, here: dict[str, Any], pasts: Mapping[str, Past]) -> None:
    for row in run_query(connection, "late.list_events", **here):
        event = Opening(row.cycle, row.opened_at, row.units_before, row.units_after)
        pasts[row.variant_id].events.append(event)
    for row in run_query(connection, "late.list_release_times", **here):
        pasts[row.variant_id].released_at.append(row.decided_at)
    for row in run_query(connection, "late.list_stock", **here):
        pasts[row.variant_id].stock = row


def _standing(row: Row[Any]) -> Standing:
    return Standing(row.is_published, row.is_tracked, row.continue_selling)


@dataclass(frozen=True)
class RuleHistory:
    """The rules of each variant through time, and which locations count for it now."""

    shop_id: str
    rule_sets: Sequence[tuple[datetime, RuleSet]]
    included: Sequence[str] | None
    excluded: Sequence[str] | None

    @classmethod
    def read(cls, connection: Connection, shop_id: str) -> "RuleHistory":
        """Every rule set that was in force."""
        rows = run_query(connection, "late.list_rule_sets").all()
        shop = run_query(connection, "late.find_locations", shop_id=shop_id).one()
        sets = [(row.created_at, RuleSet.model_validate(row.rules)) for row in rows]
        return cls(shop_id, sets, shop.included_locations, shop.excluded_locations)

    def of(self, past: Past) -> list[tuple[datetime, VariantRules]]:
        """The rules of one variant, in the order in which they came into force."""
        return [(at, self._resolve(rules, past).rules) for at, rules in self.rule_sets]

    def counted(self, past: Past, locations: Iterable[str]) -> dict[str, bool]:
        """Which locations count: what an override says, else the shop's file, else the Variable (SEMANTICS 1.1)."""
        _, newest = self.rule_sets[-1]
        resolved = self._resolve(newest, past)
        own = resolved.rules
        included: Sequence[str] | None = own.included_locations
        excluded: Sequence[str] | None = own.excluded_locations
        if "included_locations" not in resolved.origins or included is None:
            included = self.included if self.included is not None else newest.included_locations
        if "excluded_locations" not in resolved.origins or excluded is None:
            excluded = self.excluded if self.excluded is not None else newest.excluded_locations
        return {location: is_counted(location, included, excluded or ()) for location in locations}

    def _resolve(self, rules: RuleSet, past: Past) -> EffectiveRules:
        if not rules.rule_overrides:
            return EffectiveRules(rules, {})
        subject = RuleSubject(self.shop_id, past.variant_id, past.product_id, past.collections)
        return resolve_rules(rules, rules.rule_overrides, subject)
