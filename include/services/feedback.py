"""What mail providers tell later: bounces, complaints, unsubscriptions (SEMANTICS 6.2, 10.2).

A message is found by its Message-ID among those that went to the address; where the provider tells none, it is
the newest one. An address that nothing was sent to is not touched, whatever somebody tells of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Engine, Row

from include.db.queries import run_query
from include.messaging.message_id import derive_message_id

FeedbackKind = Literal["delivered", "bounced", "deferred", "complained", "unsubscribed"]
REASONS: dict[str, str] = {
    "bounced": "invalid_address",
    "complained": "complaint",
    "unsubscribed": "unsubscribed",
}


@dataclass(frozen=True)
class Feedback:
    """One thing that a provider tells of one address; `message_id` is the mail's header, where it is told."""

    kind: FeedbackKind
    email_key: str
    told_at: datetime
    message_id: str | None = None
    code: str | None = None


def take_feedback(engine: Engine, told: Sequence[Feedback], now: datetime) -> int:
    """Note it, suppress addresses that bounced or objected; how much of it was about our messages."""
    if not told:
        return 0
    with engine.begin() as connection:
        identity = run_query(connection, "outbox.find_delivery").one().identity
        found = _match(connection, told, identity, now)
        _note(connection, found)
        _suppress(connection, found, now)
    return len(found)


def _match(
    connection: Connection, told: Sequence[Feedback], identity: str, now: datetime
) -> list[tuple[Feedback, Row[Any]]]:
    keys = sorted({each.email_key for each in told})
    sent: dict[str, list[Row[Any]]] = {}
    for row in run_query(connection, "feedback.find_messages", email_keys=keys, now=now):
        sent.setdefault(row.email_key, []).append(row)
    return [(each, row) for each in told for row in _of_message(each, sent.get(each.email_key, []), identity)]


def _of_message(each: Feedback, rows: Sequence[Row[Any]], identity: str) -> list[Row[Any]]:
    if each.message_id is None:
        return list(rows[:1])
    name = each.message_id.strip("<> ").partition("@")[0]
    return [
        row
        for row in rows
        if derive_message_id(f"{row.shop_id}/{row.message_key}", "", identity).strip("<@>") == name
    ]


def _note(connection: Connection, found: Sequence[tuple[Feedback, Row[Any]]]) -> None:
    run_query(
        connection,
        "feedback.note",
        shop_ids=[row.shop_id for _, row in found],
        message_ids=[row.message_id for _, row in found],
        kinds=[each.kind for each, _ in found],
        told_at=[each.told_at for each, _ in found],
        codes=[each.code for each, _ in found],
    )


def _suppress(connection: Connection, found: Sequence[tuple[Feedback, Row[Any]]], now: datetime) -> None:
    ending = [(each, row) for each, row in found if each.kind in REASONS]
    run_query(
        connection,
        "feedback.suppress",
        shop_ids=[row.shop_id for _, row in ending],
        email_keys=[each.email_key for each, _ in ending],
        reasons=[REASONS[each.kind] for each, _ in ending],
        now=now,
    )
    objecting = [row for each, row in ending if each.kind != "bounced"]
    run_query(
        connection,
        "feedback.withdraw_consent",
        shop_ids=[row.shop_id for row in objecting],
        profile_ids=[row.profile_id for row in objecting],
        now=now,
    )
