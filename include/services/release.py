"""Releasing people from the back-in-stock delay, in batches (SEMANTICS 4).

A look at the due variants has two halves: `look` fills the work tables with how many and whom, and `carry_out`
makes it so. A dry run, a simulation and an approval use the same first half.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine

from include.db.queries import run_query
from include.db.statistics import introduce, introduce_batches, introduce_release
from include.domain.flow import BACK_IN_STOCK_METRIC
from include.domain.rules import RuleSet, parse_rule_set
from include.domain.variant_rules import VariantRules
from include.domain.wake import RELEASE, flow_target
from include.services import proposals
from include.services.due import wake
from include.services.product_requests import follow_release
from include.services.rules import put_in_force, read_rule_set

LARGEST_PREVIEW = 50


@dataclass(frozen=True)
class Look:
    """One look at what is due; with a variant, at that one only, due or not."""

    rule_set_id: int
    rules: RuleSet
    run_id: str
    now: datetime
    seed: str
    shop_id: str | None = None
    variant_id: str | None = None
    proposal_id: int | None = None
    needs_approval: bool = True


def release_due(engine: Engine, rule_set_id: int, run_id: str, now: datetime) -> dict[str, int]:
    """Decide for every variant that is due and enrol whom it releases, in one transaction.

    `run_id` names the Dag run: called again for the same run, it returns that run's batches and releases
    no further ones (SEMANTICS 4.8).
    """
    with engine.begin() as connection:
        run_query(connection, "release.lock_release")
        earlier = find_run(connection, run_id)
        if earlier is not None:
            return earlier
        proposals.expire_unanswered(connection, now)
        given = Look(rule_set_id, read_rule_set(connection, rule_set_id), run_id, now, seed=run_id)
        look(connection, given)
        return carry_out(connection, given)


def preview_due(
    engine: Engine, values: Mapping[str, str | None], run_id: str, now: datetime
) -> dict[str, Any]:
    """What a run would do now under these Variables: counts, and the largest batches without people.

    It decides as `release_due` does, and nothing of it is written (SEMANTICS 4.10).
    """
    rules = parse_rule_set(values)
    with engine.connect() as connection, connection.begin() as transaction:
        run_query(connection, "release.lock_release")
        proposals.expire_unanswered(connection, now)
        rule_set_id, _ = put_in_force(connection, rules, now)
        look(connection, Look(rule_set_id, rules, run_id, now, seed=run_id))
        rows = run_query(connection, "release.preview_decisions", most=LARGEST_PREVIEW).mappings()
        preview = {**_summarize(connection), "dry_run": True, "variants": [dict(row) for row in rows]}
        transaction.rollback()
    return preview


def look(connection: Connection, given: Look) -> None:
    """Fill the work tables with what would be released, skipped and passed over."""
    channels = run_query(connection, "flow.list_telling_channels", metric=BACK_IN_STOCK_METRIC)
    telling = list(channels.scalars())
    run_query(connection, "decide.clear_work")
    run_query(
        connection,
        "decide.decide_due",
        rule_set_id=given.rule_set_id,
        rules=given.rules.model_dump_json(include=set(VariantRules.model_fields)),
        has_overrides=bool(given.rules.rule_overrides),
        seed=given.seed,
        shop_id=given.shop_id,
        variant_id=given.variant_id,
        telling_channels=telling,
        now=given.now,
    )
    _choose(connection, telling, given.now)
    run_query(connection, "decide.count_choices", needs_approval=given.needs_approval)


def carry_out(connection: Connection, given: Look) -> dict[str, int]:
    """Make what the work tables say so: batches, releases, skips, and when to look again."""
    named = {"run_id": given.run_id, "now": given.now}
    counts = _summarize(connection)
    introduce_release(connection, counts["released"] + counts["skipped"])
    if counts["batches"] or counts["proposals"]:
        run_query(
            connection,
            "release.insert_batches",
            rule_set_id=given.rule_set_id,
            proposal_id=given.proposal_id,
            **named,
        )
        introduce_batches(connection, counts["batches"])
    if counts["batches"]:
        counts["released"] = _release(connection, counts["released"], named)
        follow_release(connection, given.run_id, given.now)
        _wake_flows(connection)
    run_query(connection, "release.skip_unreachable", now=given.now)
    run_query(connection, "release.note_passed_over")
    run_query(connection, "release.reschedule", now=given.now)
    wake(connection, RELEASE)
    return counts


def find_run(connection: Connection, run_id: str) -> dict[str, int] | None:
    """What a run has decided already; None where it made no batch."""
    row = run_query(connection, "release.summarize_run", run_id=run_id).one()
    if not row.batch_count and not row.proposal_count:
        return None
    return _counts(0, row.batch_count, row.proposal_count, row.released_count, row.skipped_count)


def _choose(connection: Connection, telling: list[str], now: datetime) -> None:
    ways = run_query(connection, "choose.which_orders").scalars().all()
    for way in ways:
        run_query(connection, f"choose.choose_{way}", telling_channels=telling, now=now)
    if set(ways) - {"sorted"}:
        run_query(connection, "choose.choose_scanned", telling_channels=telling, now=now)


def _release(connection: Connection, planned: int, named: dict[str, Any]) -> int:
    released = run_query(connection, "release.release_people", metric=BACK_IN_STOCK_METRIC, now=named["now"])
    count = int(released.scalar_one())
    introduce(connection, "released", count)
    if count != planned:
        run_query(connection, "release.correct_counts", run_id=named["run_id"])
    return count


def _wake_flows(connection: Connection) -> None:
    for flow_name in run_query(connection, "flow.list_telling", metric=BACK_IN_STOCK_METRIC).scalars():
        wake(connection, flow_target(flow_name))


def _summarize(connection: Connection) -> dict[str, int]:
    row = run_query(connection, "release.summarize_decisions").one()
    return _counts(
        row.considered_count, row.batch_count, row.proposal_count, row.released_count, row.skipped_count
    )


def _counts(considered: int, batches: int, proposals: int, released: int, skipped: int) -> dict[str, int]:
    return {
        "considered": int(considered),
        "batches": int(batches),
        "proposals": int(proposals),
        "released": int(released),
        "skipped": int(skipped),
    }
