"""What has to be put right by the clock: what dead lanes left behind."""

from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine

from include.domain.wake import DISPATCH
from include.services.due import wake
from include.services.outbox import requeue_expired
from include.services.recovery import recover_journals


def tidy(engine: Engine, journals: Path | None, now: datetime) -> dict[str, int]:
    """Read the journals of this machine's dead lanes, then free what other dead lanes held; counts by kind."""
    recovered = recover_journals(engine, journals, now)
    with engine.begin() as connection:
        freed = requeue_expired(connection, now)
        if freed:
            wake(connection, DISPATCH)
    return {**recovered, "freed_leases": freed}
