"""How far behind everything is, in seconds."""

from datetime import datetime

from sqlalchemy import Engine

from include.db.queries import run_query


def read_lags(engine: Engine, now: datetime) -> dict[str, float]:
    """`dispatch` and `release`: since when the oldest is due; `stock`: the age of the oldest shop's newest pull."""
    with engine.connect() as connection:
        rows = run_query(connection, "notice.read_lags", now=now)
        return {row.name: round(max(0.0, float(row.seconds or 0)), 1) for row in rows}
