"""When the woken Dags have something to do, and telling their trigger that it changed."""

from datetime import datetime

from sqlalchemy import Connection, Engine

from include.db.queries import run_query


def read_due_times(engine: Engine) -> dict[str, datetime]:
    """Target -> when it has something to do; targets with nothing are left out."""
    with engine.connect() as connection:
        return {row.target: row.due_at for row in run_query(connection, "due.read_due_times")}


def wake(connection: Connection, target: str) -> None:
    """Tell the trigger, with this transaction's commit, to read the due times again."""
    run_query(connection, "due.notify_due", target=target)
