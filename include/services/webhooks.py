"""What platforms tell by webhook: kept when it comes, applied by its Dag, each once (SEMANTICS 2.1, 2.2)."""

import json
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine

from include.db.queries import run_query
from include.domain.webhook import Delivery
from include.services.changes import finish_detect, write_changes
from include.services.openings import Rulebook, judge_touched
from include.services.rules import rules_in_force

BATCH = 5_000
REMEMBERED = timedelta(days=7)
SOURCE = "webhooks"


def keep_deliveries(
    engine: Engine, shop_id: str, deliveries: Sequence[Delivery], now: datetime
) -> list[bool]:
    """Store what came; whether each is new. The same id is stored once, however often it is sent."""
    rows = [
        {
            "webhook_id": delivery.webhook_id,
            "topic": delivery.topic,
            "said": delivery.said,
            "occurred_at": delivery.occurred_at.isoformat(),
        }
        for delivery in deliveries
    ]
    with engine.begin() as connection:
        kept = run_query(
            connection, "webhook.keep_deliveries", shop_id=shop_id, deliveries=json.dumps(rows), now=now
        )
        new = set(kept.scalars())
    return [_take(new, delivery.webhook_id) for delivery in deliveries]


def _take(new: set[str], webhook_id: str) -> bool:
    if webhook_id not in new:
        return False
    new.remove(webhook_id)
    return True


@dataclass(frozen=True)
class _Batch:
    shop_id: str
    last_id: int
    observed_at: datetime
    now: datetime
    needs_store: bool


def apply_all(engine: Engine, now: datetime, storeless: Collection[str] = ()) -> dict[str, int]:
    """Apply what waits, shop by shop and batch by batch; how much that was and what it changed.

    In `storeless` shops a product need not be in the online store to be published.
    """
    with engine.connect() as connection:
        shops = run_query(connection, "webhook.list_waiting_shops").scalars().all()
    total: Counter[str] = Counter(deliveries=0)
    for shop_id in shops:
        while batch := apply_batch(engine, shop_id, now, needs_store=shop_id not in storeless):
            total.update(batch)
    return dict(total)


def apply_batch(
    engine: Engine, shop_id: str, now: datetime, most: int = BATCH, needs_store: bool = True
) -> dict[str, int]:
    """Apply the shop's next deliveries in one transaction; empty where none waits."""
    with engine.begin() as connection:
        run_query(connection, "snapshot.lock_shop", shop_id=shop_id)
        last_id = run_query(
            connection, "webhook.find_last_of_batch", shop_id=shop_id, row_limit=most
        ).scalar_one()
        if last_id is None:
            run_query(connection, "webhook.forget_applied", shop_id=shop_id, before=now - REMEMBERED)
            return {}
        moment = run_query(connection, "webhook.find_moment", shop_id=shop_id, now=now).scalar_one()
        return _apply(connection, _Batch(shop_id, last_id, moment, now, needs_store))


def _apply(connection: Connection, batch: _Batch) -> dict[str, int]:
    savepoint = connection.begin_nested()
    snapshot_id = _open_snapshot(connection, batch)
    here = {"shop_id": batch.shop_id, "snapshot_id": snapshot_id}
    run_query(connection, "snapshot.create_stage", snapshot_id=snapshot_id)
    figures = run_query(
        connection,
        "webhook.stage_deliveries",
        **here,
        last_id=batch.last_id,
        needs_store=batch.needs_store,
        now=batch.now,
    ).one()
    told = {"deliveries": figures.delivery_count, "rows": figures.row_count}
    if figures.row_count == 0:
        savepoint.rollback()
        run_query(
            connection, "webhook.pass_over", shop_id=batch.shop_id, last_id=batch.last_id, now=batch.now
        )
        return told
    savepoint.commit()
    run_query(connection, "webhook.remember_reports", **here)
    _complete_snapshot(connection, here, figures, batch)
    return told | _detect(connection, batch, snapshot_id)


def _open_snapshot(connection: Connection, batch: _Batch) -> int:
    opened = run_query(
        connection,
        "snapshot.open_snapshot",
        shop_id=batch.shop_id,
        window_key=f"webhooks--{batch.last_id}",
        window_start=None,
        window_end=None,
        kind="partial",
        source=SOURCE,
        observed_at=batch.observed_at,
        is_delivery=True,
    ).one()
    return int(opened.snapshot_id)


def _complete_snapshot(connection: Connection, here: dict[str, Any], figures: Any, batch: _Batch) -> None:
    run_query(
        connection,
        "snapshot.complete_snapshot",
        **here,
        row_count=figures.row_count,
        reject_count=0,
        variant_count=figures.variant_count,
        zero_count=figures.zero_count,
        observed_at=batch.observed_at,
        source=SOURCE,
        dated_at=None,
        now=batch.now,
    )


def _detect(connection: Connection, batch: _Batch, snapshot_id: int) -> dict[str, int]:
    rulebook = Rulebook(*rules_in_force(connection, batch.now))
    snapshot = run_query(
        connection, "snapshot.lock_snapshot", shop_id=batch.shop_id, snapshot_id=snapshot_id
    ).one()
    changed = write_changes(connection, batch.shop_id, snapshot, rulebook, has_increments=False)
    openings = judge_touched(
        connection, batch.shop_id, snapshot_id, rulebook, snapshot.observed_at, batch.now
    )
    counts = {
        "changed": changed,
        "opened": openings.opened,
        "closed": openings.closed,
        "events": openings.events,
        "held": openings.held,
    }
    finish_detect(connection, batch.shop_id, snapshot_id, counts, batch.now)
    return counts
