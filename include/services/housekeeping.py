"""What has to be put right by the clock: what dead lanes left behind, and what grew old: requests, people, jobs."""

from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine

from include.db.queries import run_query
from include.domain.wake import DISPATCH
from include.services.catalog_reads import forget_jobs
from include.services.due import wake
from include.services.outbox import requeue_expired
from include.services.privacy import forget_the_silent
from include.services.recovery import recover_journals
from include.services.report_mail import drop_parts
from include.services.request_age import age_requests
from include.services.rules import rules_in_force
from include.services.settling import settle_forgotten

PARTS_KEPT = timedelta(days=2)


def tidy(engine: Engine, journals: Path | None, now: datetime) -> dict[str, int]:
    """Read the journals of this machine's dead lanes, free what other dead lanes held, end old requests; counts."""
    recovered = recover_journals(engine, journals, now)
    with engine.begin() as connection:
        freed = requeue_expired(connection, now)
        if freed:
            wake(connection, DISPATCH)
        forgotten = settle_forgotten(connection, now)
    with engine.begin() as connection:
        aged = age_requests(connection, now)
        silent = forget_the_silent(connection, rules_in_force(connection, now)[1].retention_days, now)
        forget_jobs(connection, now)
        run_query(connection, "key.forget_shares", now=now)
        parts = drop_parts(connection, now - PARTS_KEPT)
    counts = {"freed_leases": freed, "settled": forgotten, "people_forgotten": silent, "report_parts": parts}
    return {**recovered, **counts, **aged}
