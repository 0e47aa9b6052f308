"""Opening and closing of variants that something touched (SEMANTICS 2.5, 2.6)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from include.db.queries import run_query
from include.db.statistics import introduce_shop
from include.domain.rules import RuleSet
from include.services.product_requests import follow_openings


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
    work_id = snapshot_id or 0
    openings = _judge(connection, shop_id, snapshot_id, rulebook, observed_at, of_bundles=False)
    if run_query(connection, "stock.count_bundles", shop_id=shop_id).scalar_one():
        openings += _judge(connection, shop_id, snapshot_id, rulebook, observed_at, of_bundles=True)
    schedule_touched(connection, shop_id, work_id, now)
    return openings


def schedule_touched(connection: Connection, shop_id: str, work_id: int, now: datetime) -> None:
    """The touched variants were judged: who waits for any variant joins, who is on hold is checked, release looks."""
    follow_openings(connection, shop_id, work_id, now)
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
) -> Openings:
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
        **rulebook.minimum | rulebook.counting,
    ).one()
    introduce_shop(connection, "variant_stock", shop_id, row.judged_count)
    return Openings(row.opened_count, row.closed_count, row.event_count, row.held_count)


def _as_list(locations: tuple[str, ...] | None) -> list[str] | None:
    return None if locations is None else list(locations)
