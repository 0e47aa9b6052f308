"""What a snapshot's stage changes in stock, catalog and history (SEMANTICS 2.2, 2.4)."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from include.db.queries import run_query
from include.db.statistics import introduce_shop
from include.domain.wake import DISPATCH, RELEASE
from include.services.due import wake
from include.services.openings import Rulebook


def write_changes(
    connection: Connection, shop_id: str, snapshot: Row[Any], rulebook: Rulebook, has_increments: bool
) -> int:
    """Write what the stage says otherwise than was known, and touch the variants to judge; how many levels changed."""
    here = {"shop_id": shop_id, "snapshot_id": snapshot.snapshot_id}
    observed = {**here, "observed_at": snapshot.observed_at}
    is_full = snapshot.kind == "full"
    run_query(connection, "stock.clear_work")
    run_query(connection, "stock.clear_touched")
    if has_increments:
        _keep_newer(connection, here, snapshot)
    run_query(
        connection,
        "stock.collect_differences",
        **observed,
        is_full=is_full,
        confirm_absent=rulebook.rules.confirm_absent,
    )
    levels = run_query(connection, "stock.write_levels", **observed).rowcount
    introduce_shop(connection, "stock_level", shop_id, levels)
    variants = run_query(connection, "stock.refresh_catalog", **observed).rowcount
    introduce_shop(connection, "variant", shop_id, variants)
    changed = run_query(connection, "stock.append_changes", **observed).rowcount
    introduce_shop(connection, "stock_change", shop_id, changed)
    presence = run_query(connection, "stock.append_presence", **observed).rowcount
    introduce_shop(connection, "presence_change", shop_id, presence)
    run_query(connection, "stock.touch_variants", snapshot_id=snapshot.snapshot_id)
    if run_query(connection, "shop.take_recount", shop_id=shop_id).one_or_none():
        run_query(connection, "stock.touch_miscounted", **here, **rulebook.counting)
        run_query(connection, "stock.touch_every_bundle", **here)
    run_query(connection, "stock.touch_bundles", **here)
    run_query(connection, "stock.touch_unconfirmed", **here, is_full=is_full)
    run_query(connection, "stock.clear_work")
    return changed


def _keep_newer(connection: Connection, here: dict[str, Any], snapshot: Row[Any]) -> None:
    """What is known of newer words stands; a full snapshot is compared with what partial ones had (SEMANTICS 2.2)."""
    observed = {**here, "observed_at": snapshot.observed_at}
    run_query(connection, "stock.repeat_newer", **observed)
    if snapshot.kind == "full":
        run_query(connection, "stock.measure_drift", **observed)
        run_query(
            connection, "stock.forget_reports", shop_id=here["shop_id"], observed_at=snapshot.observed_at
        )
    else:
        run_query(connection, "stock.remember_reports", **observed)


def finish_detect(
    connection: Connection, shop_id: str, snapshot_id: int, counts: dict[str, int], now: datetime
) -> None:
    """Record what a detect changed, and wake who waits for it."""
    run_query(
        connection,
        "snapshot.mark_detected",
        shop_id=shop_id,
        snapshot_id=snapshot_id,
        now=now,
        changed_count=counts["changed"],
        opened_count=counts["opened"],
        closed_count=counts["closed"],
        event_count=counts["events"],
        held_count=counts["held"],
    )
    run_query(connection, "stock.wake_messages_waiting_for_stock", shop_id=shop_id, now=now)
    run_query(connection, "snapshot.drop_stage", snapshot_id=snapshot_id)
    wake(connection, RELEASE)
    wake(connection, DISPATCH)
