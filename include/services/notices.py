"""That operators are told of the same thing at most once in a while."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine

from include.db.queries import run_query
from include.services.rules import rules_in_force


def take_notice(connection: Connection, subject: str, pause: timedelta, now: datetime) -> bool:
    """Whether the last notice of a subject is `pause` ago; then this one counts as the last."""
    taken = run_query(connection, "notice.take", subject=subject, before=now - pause, now=now)
    return taken.one_or_none() is not None


def may_notify(engine: Engine, subject: str, now: datetime) -> bool:
    """Whether operators should be told of a subject again (rule `notice_pause_minutes`)."""
    with engine.begin() as connection:
        _, rules = rules_in_force(connection, now)
        return take_notice(connection, subject, timedelta(minutes=rules.notice_pause_minutes), now)


def give_back(engine: Engine, subject: str, now: datetime) -> None:
    """The notice taken at `now` reached nobody: the next one of its subject need not wait."""
    with engine.begin() as connection:
        run_query(connection, "notice.give_back", subject=subject, now=now)
