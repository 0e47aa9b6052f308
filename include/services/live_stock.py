"""Stock that is told as it changes: API writes and webhooks, as partial observations (SEMANTICS 2.1, 2.2).

What a pull does to a whole shop happens here to the variants that were named, and costs as much as they are:
changes, restock events, and a time for release to look. Nothing is said of any other variant.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from include.db.queries import run_query
from include.domain.wake import DISPATCH, RELEASE
from include.services.due import wake
from include.services.openings import Openings, Rulebook, judge_touched
from include.services.rules import rules_in_force


@dataclass(frozen=True)
class LiveLevel:
    """How much of a variant is at one location ('' where a shop has none)."""

    variant_id: str
    quantity: Decimal
    location_id: str = ""


@dataclass(frozen=True)
class LiveFacts:
    """What is said of a variant besides its stock; None: nothing was said, what is known stays."""

    variant_id: str
    product_id: str | None = None
    title: str | None = None
    url: str | None = None
    image_url: str | None = None
    price: Decimal | None = None
    is_published: bool | None = None


@dataclass(frozen=True)
class LiveOutcome:
    """What live levels changed; `unknown` are of variants that no catalog has, `outdated` older than what is known."""

    changed: int = 0
    unknown: int = 0
    outdated: int = 0
    openings: Openings = field(default_factory=Openings)


def apply_levels(
    connection: Connection,
    shop_id: str,
    levels: Sequence[LiveLevel],
    observed_at: datetime,
    now: datetime,
    facts: Sequence[LiveFacts] = (),
) -> LiveOutcome:
    """Take levels that were observed at one time, each variant and location at most once, with what is said of them.

    A variant becomes known by its facts; levels of others are counted as unknown. Older observations than those
    known of a level change nothing, in whatever order they come.
    """
    run_query(connection, "snapshot.lock_shop", shop_id=shop_id)
    run_query(connection, "stock.clear_work")
    run_query(connection, "stock.clear_touched")
    if facts:
        run_query(
            connection,
            "live.write_facts",
            shop_id=shop_id,
            observed_at=observed_at,
            facts=json.dumps([_fact_row(fact) for fact in facts]),
        )
    given = _columns(shop_id, levels, observed_at)
    sorted_out = run_query(connection, "live.sort_given", **_without(given, "quantities")).one()
    changed = _write(connection, given)
    run_query(connection, "live.remember_reports", **_without(given, "quantities"))
    run_query(connection, "live.confirm_levels", **_without(given, "quantities"))
    openings = _judge(connection, shop_id, observed_at, now)
    run_query(connection, "live.confirm_variants", **_without(given, "quantities", "location_ids"), now=now)
    _wake(connection, shop_id, now)
    return LiveOutcome(changed, sorted_out.unknown_count, sorted_out.outdated_count, openings)


def apply_totals(
    connection: Connection,
    shop_id: str,
    totals: dict[str, Decimal],
    observed_at: datetime,
    now: datetime,
    facts: Sequence[LiveFacts] = (),
) -> LiveOutcome:
    """Take each variant's total where nobody says at which location: at its first one, the others read 0."""
    spread = run_query(
        connection,
        "live.spread_totals",
        shop_id=shop_id,
        variant_ids=list(totals),
        quantities=list(totals.values()),
    )
    levels = [LiveLevel(row.variant_id, row.quantity, row.location_id) for row in spread]
    return apply_levels(connection, shop_id, levels, observed_at, now, facts)


def _write(connection: Connection, given: dict[str, Any]) -> int:
    here = {"shop_id": given["shop_id"], "snapshot_id": 0}
    observed = {**here, "observed_at": given["observed_at"]}
    run_query(connection, "live.collect_differences", **given)
    run_query(connection, "stock.write_levels", **observed)
    changed = run_query(connection, "stock.append_changes", **observed).rowcount
    run_query(connection, "stock.append_presence", **observed)
    run_query(connection, "stock.touch_variants", snapshot_id=0)
    run_query(connection, "stock.touch_bundles", **here)
    run_query(connection, "live.touch_unconfirmed", **_without(given, "quantities", "location_ids"))
    run_query(connection, "stock.clear_work")
    return changed


def _judge(connection: Connection, shop_id: str, observed_at: datetime, now: datetime) -> Openings:
    moment = run_query(connection, "live.find_moment", shop_id=shop_id, observed_at=observed_at).scalar_one()
    if moment is None:
        return Openings()
    return judge_touched(connection, shop_id, None, Rulebook(*rules_in_force(connection, now)), moment, now)


def _wake(connection: Connection, shop_id: str, now: datetime) -> None:
    run_query(connection, "stock.wake_messages_waiting_for_stock", shop_id=shop_id, now=now)
    wake(connection, RELEASE)
    wake(connection, DISPATCH)


def _columns(shop_id: str, levels: Sequence[LiveLevel], observed_at: datetime) -> dict[str, Any]:
    return {
        "shop_id": shop_id,
        "variant_ids": [level.variant_id for level in levels],
        "location_ids": [level.location_id for level in levels],
        "quantities": [level.quantity for level in levels],
        "observed_at": observed_at,
    }


def _without(given: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name not in names}


def _fact_row(fact: LiveFacts) -> dict[str, Any]:
    row = {name: value for name, value in asdict(fact).items() if value is not None}
    return {**row, "price": None if fact.price is None else str(fact.price), "said": list(row)}
