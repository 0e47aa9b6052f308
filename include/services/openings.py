"""Opening and closing of variants that something touched (SEMANTICS 2.5, 2.6)."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from include.db.queries import run_query
from include.domain.rules import RuleSet
from include.services.product_requests import follow_openings


@dataclass(frozen=True)
class Openings:
    """How many variants opened and closed, and how many restock events that raised."""

    opened: int
    closed: int
    events: int


def judge_touched(
    connection: Connection,
    shop_id: str,
    snapshot_id: int | None,
    rules: RuleSet,
    observed_at: datetime,
    now: datetime,
) -> Openings:
    """Judge the variants in `touched_variant` and give release a time to look at those that are open."""
    work_id = snapshot_id or 0
    row = run_query(
        connection,
        "stock.judge_variants",
        shop_id=shop_id,
        snapshot_id=work_id,
        event_snapshot_id=snapshot_id,
        observed_at=observed_at,
        min_inventory=rules.min_inventory,
        min_restock=rules.min_restock,
        confirm_pulls=rules.confirm_pulls,
        min_out_minutes=rules.min_out_minutes,
        confirm_absent=rules.confirm_absent,
    ).one()
    follow_openings(connection, shop_id, work_id, now)
    if row.opened_count:
        run_query(connection, "flow.wake_messages_on_hold", shop_id=shop_id, snapshot_id=work_id, now=now)
    run_query(connection, "stock.schedule_touched", shop_id=shop_id, snapshot_id=work_id, now=now)
    run_query(connection, "stock.clear_touched")
    return Openings(row.opened_count, row.closed_count, row.event_count)
