"""What has to be put right by the clock: leases of dead lanes."""

from datetime import datetime

from sqlalchemy import Engine

from include.domain.wake import DISPATCH
from include.services.due import wake
from include.services.outbox import requeue_expired


def tidy(engine: Engine, now: datetime) -> dict[str, int]:
    """Free what dead lanes held; counts by kind."""
    with engine.begin() as connection:
        freed = requeue_expired(connection, now)
        if freed:
            wake(connection, DISPATCH)
    return {"freed_leases": freed}
