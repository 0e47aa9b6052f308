"""What became of messages, written as sets in one transaction (SEMANTICS 6.2)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection

from include.db.copy import copy_array
from include.db.queries import run_query
from include.messaging.senders.base import Outcome
from include.services.settling import settle_messages


class Key(NamedTuple):
    """The primary key of a message."""

    shop_id: str
    message_id: int


class Later(NamedTuple):
    """A message that waits: `due_at` None keeps its place, `tries` reached the provider."""

    key: Key
    reason: str
    due_at: datetime | None
    tries: int = 0
    parked_domain: str | None = None


@dataclass
class Marks:
    """What some messages of a lane came to."""

    sent: list[tuple[Key, datetime]] = field(default_factory=list)
    recorded: list[tuple[Key, datetime]] = field(default_factory=list)
    skipped: list[tuple[Key, str]] = field(default_factory=list)
    failed: list[tuple[Key, str]] = field(default_factory=list)
    held: list[tuple[Key, str]] = field(default_factory=list)
    later: list[Later] = field(default_factory=list)
    attempts: list[tuple[Key, Outcome]] = field(default_factory=list)
    suppressed: list[Key] = field(default_factory=list)
    objected: list[Key] = field(default_factory=list)

    def __bool__(self) -> bool:
        return any(vars(self).values())

    def write(self, connection: Connection, lane: str, now: datetime) -> None:
        """Write everything; requests that got nothing are settled (SEMANTICS 3.9)."""
        mark_sent(connection, self.sent)
        mark_sent(connection, self.recorded, is_recorded_only=True)
        _end(connection, "mark.skipped", lane, self.skipped, now)
        _end(connection, "mark.failed", lane, self.failed, now)
        _end(connection, "mark.held", lane, self.held, now)
        _requeue(connection, lane, self.later)
        record_attempts(connection, self.attempts, now)
        _suppress(connection, self.suppressed, "invalid_address", now)
        _suppress(connection, self.objected, "unsubscribed", now)
        settle_messages(connection, [key for key, _ in self.skipped + self.failed], now)


def columns(keys: Sequence[Key]) -> dict[str, str]:
    """Keys as the two array parameters of a block; as text, since psycopg writes lists item by item."""
    return {
        "shop_ids": copy_array([key.shop_id for key in keys]),
        "message_ids": copy_array([str(key.message_id) for key in keys]),
    }


def mark_sent(
    connection: Connection, sent: Sequence[tuple[Key, datetime]], is_recorded_only: bool = False
) -> None:
    """Sent, also when the message is somebody else's by now: it left, and that is what counts."""
    if sent:
        keys = columns([key for key, _ in sent])
        sent_at = copy_array([moment.isoformat() for _, moment in sent])
        run_query(connection, "mark.sent", **keys, sent_at=sent_at, is_recorded_only=is_recorded_only)
        run_query(connection, "mark.note_late_sent", shop_ids=keys["shop_ids"], sent_at=sent_at)


def cancel_held(connection: Connection, key: Key, now: datetime) -> None:
    """A person decided against it; its request is settled (SEMANTICS 3.9)."""
    run_query(connection, "mark.cancel_held", shop_id=key.shop_id, message_id=key.message_id, now=now)
    settle_messages(connection, [key], now)


def _end(connection: Connection, query: str, lane: str, ended: list[tuple[Key, str]], now: datetime) -> None:
    if ended:
        run_query(
            connection,
            query,
            **columns([key for key, _ in ended]),
            reasons=[reason for _, reason in ended],
            lane=lane,
            now=now,
        )


def _requeue(connection: Connection, lane: str, later: list[Later]) -> None:
    if later:
        run_query(
            connection,
            "mark.requeue",
            **columns([entry.key for entry in later]),
            reasons=[entry.reason for entry in later],
            due_at=[entry.due_at for entry in later],
            attempts=[entry.tries for entry in later],
            parked_domains=[entry.parked_domain for entry in later],
            lane=lane,
        )


def _suppress(connection: Connection, keys: list[Key], reason: str, now: datetime) -> None:
    if keys:
        run_query(connection, "mark.suppress_recipients", **columns(keys), reason=reason, now=now)
        run_query(connection, "report_mail.refuse_recipients", **columns(keys), reason=reason, now=now)


def record_attempts(connection: Connection, attempts: Sequence[tuple[Key, Outcome]], now: datetime) -> None:
    """What was tried and did not end in a sent message."""
    if attempts:
        run_query(
            connection,
            "mark.record_attempts",
            **columns([key for key, _ in attempts]),
            outcomes=[outcome.kind for _, outcome in attempts],
            codes=[outcome.code for _, outcome in attempts],
            details=[outcome.detail for _, outcome in attempts],
            now=now,
        )
