"""Releasing people from the back-in-stock delay, in batches (SEMANTICS 4)."""

from datetime import datetime

from sqlalchemy import Connection, Engine

from include.db.queries import run_query
from include.domain.flow import BACK_IN_STOCK_METRIC
from include.domain.wake import RELEASE, flow_target
from include.services.due import wake
from include.services.product_requests import follow_release
from include.services.rules import read_rule_set


def release_due(engine: Engine, rule_set_id: int, run_id: str, now: datetime) -> dict[str, int]:
    """Decide for every variant that is due and enrol whom it releases, in one transaction.

    `run_id` names the Dag run: called again for the same run, it returns that run's batches and releases
    no further ones (SEMANTICS 4.8).
    """
    with engine.begin() as connection:
        run_query(connection, "release.lock_release")
        earlier = run_query(connection, "release.summarize_run", run_id=run_id).one()
        if earlier.batch_count:
            return _counts(0, earlier.batch_count, earlier.released_count, earlier.skipped_count)
        return _release(connection, rule_set_id, run_id, now)


def _release(connection: Connection, rule_set_id: int, run_id: str, now: datetime) -> dict[str, int]:
    rules = read_rule_set(connection, rule_set_id)
    row = run_query(
        connection,
        "release.release_due",
        now=now,
        run_id=run_id,
        rule_set_id=rule_set_id,
        min_inventory=rules.min_inventory,
        customers_per_unit=rules.people_allowed(),
        wait_minutes=rules.wait_minutes,
    ).one()
    wake(connection, RELEASE)
    if row.released_count:
        follow_release(connection, run_id, now)
        for flow_name in run_query(connection, "flow.list_telling", metric=BACK_IN_STOCK_METRIC).scalars():
            wake(connection, flow_target(flow_name))
    return _counts(row.considered_count, row.batch_count, row.released_count, row.skipped_count)


def _counts(considered: int, batches: int, released: int, skipped: int) -> dict[str, int]:
    return {
        "considered": int(considered),
        "batches": int(batches),
        "released": int(released),
        "skipped": int(skipped),
    }
