"""Requests that have waited too long are asked about and end, as sets (SEMANTICS 3.6)."""

from datetime import datetime

from sqlalchemy import Connection

from include.db.queries import run_query
from include.domain.wake import DISPATCH
from include.services.due import wake
from include.services.product_requests import place_others
from include.services.rules import rules_in_force


def age_requests(connection: Connection, now: datetime) -> dict[str, int]:
    """End what is too old or was never confirmed, ask who is to be asked; counts by kind."""
    _, rules = rules_in_force(connection, now)
    unconfirmed = run_query(connection, "confirmation.expire", confirm_days=rules.confirm_days, now=now).all()
    place_others(connection, unconfirmed, now)
    counts = {"unconfirmed_ended": len(unconfirmed), "expired": 0, "asked": 0}
    if not rules.expire_days:
        return counts
    days = {"expire_days": rules.expire_days, "ask_days": rules.still_wanted_days}
    expired = run_query(connection, "request_age.expire", **days, now=now).all()
    place_others(connection, expired, now)
    counts["expired"] = len(expired)
    if rules.still_wanted_days:
        asked = run_query(
            connection, "request_age.ask", **days, most_per_day=rules.max_alerts_per_day, now=now
        )
        counts["asked"] = len(asked.all())
        if counts["asked"]:
            wake(connection, DISPATCH)
    return counts
