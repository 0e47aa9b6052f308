"""Opening and closing of variants that something touched (SEMANTICS 2.5, 2.6)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from include.db.queries import run_query
from include.db.statistics import introduce_shop
from include.domain.rules import RuleSet
from include.services.product_requests import follow_history, follow_openings, has_product_requests


@dataclass(frozen=True)
class Openings:
    """How many variants opened, closed and were held back by a guard, and how many restock events that raised."""

    opened: int = 0
    closed: int = 0
    events: int = 0
    held: int = 0

    def __add__(self, other: "Openings") -> "Openings":
        return Openings(
            self.opened + other.opened,
            self.closed + other.closed,
            self.events + other.events,
            self.held + other.held,
        )


@dataclass(frozen=True)
class Rulebook:
    """A stored rule set with its id: what SQL needs to know the rules of each variant."""

    rule_set_id: int
    rules: RuleSet

    @property
    def minimum(self) -> dict[str, Any]:
        """What tells the minimum inventory of a variant."""
        return {
            "rule_set_id": self.rule_set_id,
            "has_overrides": bool(self.rules.rule_overrides),
            "min_inventory": self.rules.min_inventory,
        }

    @property
    def locations(self) -> dict[str, Any]:
        """Whose stock counts where no shop and no override says otherwise."""
        return {
            "included_locations": _as_list(self.rules.included_locations),
            "excluded_locations": _as_list(self.rules.excluded_locations),
        }

    @property
    def counting(self) -> dict[str, Any]:
        """What tells which of a variant's stock counts."""
        return {
            "rule_set_id": self.rule_set_id,
            "has_overrides": bool(self.rules.rule_overrides),
            "oversell": self.rules.oversell,
            **self.locations,
        }


def judge_touched(
    connection: Connection,
    shop_id: str,
    snapshot_id: int | None,
    rulebook: Rulebook,
    observed_at: datetime,
    now: datetime,
) -> Openings:
    """Judge the variants in `touched_variant` and give release a time to look at those that are open."""
    has_bundles = run_query(connection, "stock.count_bundles", shop_id=shop_id).scalar_one() > 0
    openings = Openings()
    turned: set[str] = set()
    for of_bundles in (False, True) if has_bundles else (False,):
        row = _judge(connection, shop_id, snapshot_id, rulebook, observed_at, of_bundles)
        openings += Openings(row.opened_count, row.closed_count, row.event_count, row.held_count)
        turned.update(row.turned_product_ids)
    follow_openings(connection, shop_id, sorted(turned), now)
    _schedule_touched(connection, shop_id, snapshot_id or 0, now)
    return openings


def follow_touched(connection: Connection, shop_id: str, snapshot_id: int, now: datetime) -> None:
    """The history of the touched variants was told again: who waits follows it, and release looks."""
    follow_history(connection, shop_id, snapshot_id, now)
    _schedule_touched(connection, shop_id, snapshot_id, now)


def _schedule_touched(connection: Connection, shop_id: str, work_id: int, now: datetime) -> None:
    """Who is on hold is checked, release looks."""
    run_query(connection, "flow.wake_messages_on_hold", shop_id=shop_id, snapshot_id=work_id, now=now)
    run_query(connection, "stock.schedule_touched", shop_id=shop_id, snapshot_id=work_id, now=now)
    run_query(connection, "stock.clear_touched")


def _judge(
    connection: Connection,
    shop_id: str,
    snapshot_id: int | None,
    rulebook: Rulebook,
    observed_at: datetime,
    of_bundles: bool,
) -> Row[Any]:
    rules = rulebook.rules
    row = run_query(
        connection,
        "stock.judge_variants",
        shop_id=shop_id,
        snapshot_id=snapshot_id or 0,
        event_snapshot_id=snapshot_id,
        observed_at=observed_at,
        of_bundles=of_bundles,
        min_restock=rules.min_restock,
        confirm_pulls=rules.confirm_pulls,
        min_out_minutes=rules.min_out_minutes,
        confirm_absent=rules.confirm_absent,
        has_product_requests=has_product_requests(connection, shop_id),
        **rulebook.minimum | rulebook.counting,
    ).one()
    introduce_shop(connection, "variant_stock", shop_id, row.judged_count)
    introduce_shop(connection, "restock_event", shop_id, row.event_count)
    return row


def _as_list(locations: tuple[str, ...] | None) -> list[str] | None:
    return None if locations is None else list(locations)
