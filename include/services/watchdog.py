"""What needs a person: looked for at most once an hour, kept as the report `watchdog` (SEMANTICS 9.5)."""

from datetime import datetime, timedelta

from sqlalchemy import Engine

from include.db.queries import run_query
from include.services.notices import take_notice
from include.services.rules import rules_in_force

# A look reads every waiting request.
LOOK_EVERY = timedelta(hours=1)
_SUBJECT = "watchdog"


def look(engine: Engine, now: datetime) -> dict[str, int]:
    """Look again, if the last look is an hour ago; findings by kind, and how many are `new`."""
    with engine.begin() as connection:
        if not take_notice(connection, _SUBJECT, LOOK_EVERY, now):
            return {}
    return look_now(engine, now)


def look_now(engine: Engine, now: datetime) -> dict[str, int]:
    """See look."""
    with engine.begin() as connection:
        _, rules = rules_in_force(connection, now)
        found = run_query(
            connection, "watchdog.find", waiting_above=rules.watchdog_waiting_above, now=now
        ).all()
    counts = {"new": sum(row.is_new for row in found)}
    for row in found:
        counts[row.kind] = counts.get(row.kind, 0) + 1
    return counts
