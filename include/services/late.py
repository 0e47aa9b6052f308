"""A late snapshot takes its place: changes and restock events around it are told again (SEMANTICS 2.9).

The present follows from the history, so it may move too: never by the late snapshot itself, but where a restock
turns out to be one, or none. What release keeps (timers, batches, requests) is left alone.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from include.db.queries import run_query
from include.domain.history import FirstSight, count_moves
from include.services.openings import Openings, Rulebook, follow_touched
from include.services.past import RuleHistory, read_pasts
from include.services.retelling import LateSnapshot, Told, tell_again, walk_again
from include.services.retold import HistoryWriter

VARIANTS_AT_ONCE = 2000


@dataclass
class BackfillSummary:
    """What a late snapshot changed in the history; `moved` counts what stands at another time or otherwise."""

    variant_count: int = 0
    changes_added: int = 0
    changes_moved: int = 0
    changes_removed: int = 0
    events_added: int = 0
    events_moved: int = 0
    events_removed: int = 0

    def add(self, changes: tuple[int, int, int], events: tuple[int, int, int]) -> None:
        """Count one variant."""
        self.variant_count += any(changes + events)
        self.changes_added += changes[0]
        self.changes_moved += changes[1]
        self.changes_removed += changes[2]
        self.events_added += events[0]
        self.events_moved += events[1]
        self.events_removed += events[2]


def insert_late(
    connection: Connection, shop_id: str, snapshot: Row[Any], rulebook: Rulebook, now: datetime
) -> tuple[BackfillSummary, Openings]:
    """Put a late snapshot among the others; what it changed in the history, and in the present."""
    late = _find_place(connection, shop_id, snapshot)
    rules = RuleHistory.read(connection, shop_id)
    summary, writer = BackfillSummary(), HistoryWriter(connection, shop_id, late)
    for variants in _touched(connection, shop_id, late, rulebook):
        _tell_some(connection, variants, late, rules, summary, writer)
    run_query(connection, "stock.clear_touched")
    writer.touch_moved()
    follow_touched(connection, shop_id, late.snapshot_id, now)
    here = {"shop_id": shop_id, "snapshot_id": late.snapshot_id}
    run_query(connection, "late.insert_summary", **here, **asdict(summary))
    return summary, Openings(writer.opened, writer.closed, summary.events_added, 0)


def find_summary(connection: Connection, shop_id: str, snapshot_id: int) -> dict[str, int]:
    """What a late snapshot changed in the history; empty for one that was not late."""
    here = {"shop_id": shop_id, "snapshot_id": snapshot_id}
    row = run_query(connection, "late.find_summary", **here).one_or_none()
    return dict(row._mapping) if row is not None else {}


def _find_place(connection: Connection, shop_id: str, snapshot: Row[Any]) -> LateSnapshot:
    rows = run_query(
        connection, "late.list_observations", shop_id=shop_id, snapshot_id=snapshot.snapshot_id
    ).all()
    return LateSnapshot(
        snapshot_id=snapshot.snapshot_id,
        at=snapshot.observed_at,
        is_full=snapshot.kind == "full",
        grid=sorted({row.observed_at for row in rows if row.kind == "full"}),
        snapshot_ids={row.observed_at: row.snapshot_id for row in rows},
        looked_at={row.observed_at: row.detected_at for row in rows if row.detected_at is not None},
    )


def _touched(
    connection: Connection, shop_id: str, late: LateSnapshot, rulebook: Rulebook
) -> Iterator[list[str]]:
    here = {"shop_id": shop_id, "snapshot_id": late.snapshot_id}
    observed = {**here, "observed_at": late.at}
    run_query(connection, "stock.clear_touched")
    run_query(connection, "late.touch_late", **observed, is_full=late.is_full, **_pulls_that_matter(rulebook))
    run_query(connection, "stock.touch_bundles", **here)
    run_query(connection, "late.insert_variants", **observed)
    touched = run_query(connection, "late.list_touched", snapshot_id=late.snapshot_id).scalars().all()
    for start in range(0, len(touched), VARIANTS_AT_ONCE):
        yield list(touched[start : start + VARIANTS_AT_ONCE])


def _pulls_that_matter(rulebook: Rulebook) -> dict[str, int]:
    """How many pulls back something may have begun that was still to be confirmed at the late one."""
    rules = rulebook.rules
    most = max(
        [rules.confirm_pulls, *(int(own.rules.get("confirm_pulls", 1)) for own in rules.rule_overrides)]
    )
    absent = rules.confirm_absent - 1
    return {"pending_pulls": most - 1 + absent if most > 1 else 0, "absent_pulls": absent}


def _tell_some(
    connection: Connection,
    variants: Sequence[str],
    late: LateSnapshot,
    rules: RuleHistory,
    summary: BackfillSummary,
    writer: HistoryWriter,
) -> None:
    pasts = read_pasts(connection, rules.shop_id, late.snapshot_id, variants)
    chosen = tell_again(pasts, variants, late, rules)
    firsts = _first_sights(connection, chosen, late, rules.shop_id)
    for told in chosen:
        walk_again(told, late, rules, firsts[told.past.variant_id])
        summary.add(_count_changes(told), _count_events(told))
    writer.write(chosen)


def _first_sights(
    connection: Connection, chosen: Sequence[Told], late: LateSnapshot, shop_id: str
) -> dict[str, FirstSight]:
    sights = [
        {
            "variant_id": told.past.variant_id,
            "looked_at": late.looked_at.get(told.moments[0].at, told.moments[0].at).isoformat(),
            "is_shop_known": told.moments[0].at > min(late.snapshot_ids),
        }
        for told in chosen
    ]
    awaited = set(
        run_query(connection, "late.list_awaited", shop_id=shop_id, sights=json.dumps(sights)).scalars()
    )
    return {
        told.past.variant_id: FirstSight(
            sight["variant_id"] in awaited or _had_awaited_first_sight(told), bool(sight["is_shop_known"])
        )
        for told, sight in zip(chosen, sights, strict=True)
    }


def _had_awaited_first_sight(told: Told) -> bool:
    return any(event.units_before is None for event in told.past.events)


def _count_changes(told: Told) -> tuple[int, int, int]:
    before = {
        (location, at): change
        for location, known in told.past.changes.items()
        for at, change in known.items()
    }
    return count_moves(before, told.changes)


def _count_events(told: Told) -> tuple[int, int, int]:
    before = {event.opened_at: (event.units_before, event.units_after) for event in told.past.events}
    after = {event.opened_at: (event.units_before, event.units_after) for event in told.walked.openings}
    return count_moves(before, after)
