"""Writing a history that was told again: only what differs from what is stored (SEMANTICS 2.9)."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

from sqlalchemy import Connection

from include.db.queries import run_query
from include.domain.stock import Standing
from include.services.retelling import LateSnapshot, Told

Rows = list[dict[str, Any]]
Fact = TypeVar("Fact")


class HistoryWriter:
    """Writes what was told of some variants and remembers whose present moved."""

    def __init__(self, connection: Connection, shop_id: str, late: LateSnapshot) -> None:
        self._connection = connection
        self._shop_id = shop_id
        self._late = late
        self._moved: list[str] = []
        self.opened = 0
        self.closed = 0

    def write(self, chosen: Sequence[Told]) -> None:
        """Bring the tables in line with what was told."""
        self._write_changes(chosen)
        self._write_presence(chosen)
        self._write_catalog(chosen)
        self._write_events(chosen)
        self._write_stock(chosen)

    def touch_moved(self) -> None:
        """Touch the variants whose present moved, for release to look at."""
        run_query(
            self._connection,
            "late.touch_again",
            snapshot_id=self._late.snapshot_id,
            variants=sorted(self._moved),
        )

    def _write_changes(self, chosen: Sequence[Told]) -> None:
        gone: Rows = []
        came: Rows = []
        for told in chosen:
            left, written = _differences(told.past.changes, told.changes)
            gone += [_key(told, place) for place in left]
            came += [
                {
                    **_key(told, place),
                    "quantity": str(quantity),
                    "previous_quantity": _text(previous),
                    "snapshot_id": self._late.snapshot_ids.get(place[1]),
                }
                for place, (quantity, previous) in written
            ]
        self._run("late.delete_changes", gone)
        self._run("late.write_changes", came)

    def _write_presence(self, chosen: Sequence[Told]) -> None:
        gone: Rows = []
        came: Rows = []
        for told in chosen:
            left, written = _differences(told.past.presence, told.presence)
            gone += [_key(told, place) for place in left]
            came += [{**_key(told, place), "is_missing": is_missing} for place, is_missing in written]
        self._run("late.delete_presence", gone)
        self._run("late.write_presence", came)
        self._run("late.write_levels", [level for told in chosen for level in _levels(told)])

    def _write_catalog(self, chosen: Sequence[Told]) -> None:
        anew = [told for told in chosen if told.standings != told.past.standings]
        variants = [told.past.variant_id for told in anew]
        run_query(self._connection, "late.delete_standings", shop_id=self._shop_id, variants=variants)
        standings = [
            {"variant_id": told.past.variant_id, "observed_at": at.isoformat(), **asdict(standing)}
            for told in anew
            for at, standing in told.standings
        ]
        self._run("late.write_standings", standings)
        self._run("late.write_variants", [_variant(told) for told in chosen])
        run_query(
            self._connection,
            "late.refresh_newest",
            shop_id=self._shop_id,
            snapshot_id=self._late.snapshot_id,
            observed_at=self._late.at,
            variants=[told.past.variant_id for told in chosen if told.is_newest_sight],
        )
        retold = [told.past.variant_id for told in chosen]
        run_query(self._connection, "late.forget_facts", shop_id=self._shop_id, variants=retold)

    def _write_events(self, chosen: Sequence[Told]) -> None:
        gone: Rows = []
        stay: Rows = []
        came: Rows = []
        for told in chosen:
            before = {event.opened_at: event for event in told.past.events}
            after = {event.opened_at: event for event in told.walked.openings}
            name = {"variant_id": told.past.variant_id}
            gone += [{**name, "opened_at": at.isoformat()} for at in before if at not in after]
            for at, event in after.items():
                row = {**name, **asdict(event), "opened_at": at.isoformat()}
                if at not in before:
                    came.append({**row, "snapshot_id": self._late.snapshot_ids.get(at)})
                elif before[at] != event:
                    stay.append(row)
        self._run("late.delete_events", gone)
        self._run("late.renumber_events", stay)
        self._run("late.insert_events", came)

    def _write_stock(self, chosen: Sequence[Told]) -> None:
        self._run("late.write_stock", [_stock(told) for told in chosen])
        for told in chosen:
            stock, state = told.past.stock, told.state
            was_open = stock is not None and stock.is_open
            self.opened += state.is_open and stock is not None and not was_open
            self.closed += was_open and not state.is_open
            before = (stock.is_open, stock.units, stock.restocked_at) if stock is not None else None
            if before != (state.is_open, state.units, state.restocked_at):
                self._moved.append(told.past.variant_id)

    def _run(self, name: str, rows: Rows) -> None:
        if rows:
            run_query(self._connection, name, shop_id=self._shop_id, rows=json.dumps(rows))


def _differences(
    known: Mapping[str, Mapping[datetime, Fact]], told: Mapping[tuple[str, datetime], Fact]
) -> tuple[list[tuple[str, datetime]], list[tuple[tuple[str, datetime], Fact]]]:
    """By location and moment: what is told no more, and what is new or told otherwise."""
    before = {(location, at): fact for location, facts in known.items() for at, fact in facts.items()}
    left = [place for place in before if place not in told]
    return left, [(place, fact) for place, fact in told.items() if before.get(place) != fact]


def _key(told: Told, place: tuple[str, datetime]) -> dict[str, Any]:
    location, at = place
    return {"variant_id": told.past.variant_id, "location_id": location, "observed_at": at.isoformat()}


def _levels(told: Told) -> Iterable[dict[str, Any]]:
    for location, moments in told.keys.items():
        last = moments[-1]
        yield {
            **_key(told, (location, last.at)),
            "quantity": str(last.quantity),
            "missed_count": last.missed,
        }


def _variant(told: Told) -> dict[str, Any]:
    standing = told.standings[-1][1] if told.standings else Standing()
    return {
        "variant_id": told.past.variant_id,
        "first_seen_at": told.moments[0].at.isoformat(),
        **asdict(standing),
    }


def _stock(told: Told) -> dict[str, Any]:
    last, at = told.walked.moment, told.walked.at
    assert last is not None and at is not None
    state = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in asdict(told.state).items()
    }
    return {
        **state,
        "variant_id": told.past.variant_id,
        "available": str(last.available),
        "is_absent": last.is_absent,
        "observed_at": at.isoformat(),
    }


def _text(quantity: Decimal | None) -> str | None:
    return None if quantity is None else str(quantity)
