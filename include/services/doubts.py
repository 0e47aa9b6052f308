"""Messages that a person decides about: in doubt, or of a manual step (SEMANTICS 6.3, 7.3)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row

from include.db.queries import run_query
from include.domain.wake import DISPATCH
from include.errors import NotFound
from include.services.channels import end_alert
from include.services.due import wake
from include.services.marks import Key, cancel_held, mark_sent
from include.services.outbox import HELD


def list_doubts(engine: Engine) -> Sequence[Row[Any]]:
    """Held messages, oldest first; no addresses."""
    with engine.connect() as connection:
        return run_query(connection, "outbox.list_held").all()


def settle_as_sent(engine: Engine, message_id: int, now: datetime) -> None:
    """A person found that it was sent. Raises NotFound when it is not held."""
    with engine.begin() as connection:
        mark_sent(connection, [(_find_held(connection, message_id), now)])
        _end_alert_of_last(connection, now)


def settle_by_cancelling(engine: Engine, message_id: int, now: datetime) -> None:
    """A person decides that it does not leave. Raises NotFound when it is not held."""
    with engine.begin() as connection:
        cancel_held(connection, _find_held(connection, message_id), now)
        _end_alert_of_last(connection, now)


def settle_by_resending(engine: Engine, message_id: int, now: datetime) -> None:
    """A person lets it go, under the same Message-ID. Raises NotFound when it is not held."""
    with engine.begin() as connection:
        key = _find_held(connection, message_id)
        run_query(connection, "outbox.resend_held", shop_id=key.shop_id, message_id=key.message_id, now=now)
        _end_alert_of_last(connection, now)
        wake(connection, DISPATCH)


def _find_held(connection: Connection, message_id: int) -> Key:
    row = run_query(connection, "outbox.find_held", message_id=message_id).one_or_none()
    if row is None:
        raise NotFound(f"No message {message_id} waits for a decision. See `restock messages doubts`.")
    return Key(row.shop_id, row.message_id)


def _end_alert_of_last(connection: Connection, now: datetime) -> None:
    if run_query(connection, "outbox.count_held").scalar_one() == 0:
        end_alert(connection, HELD, "EMAIL", now)
