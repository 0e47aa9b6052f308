"""The outbox's state machine: queued -> sending -> sent | failed | skipped (SEMANTICS 6.2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row

from include.db.queries import run_query
from include.domain.delivery import MOST_CONSECUTIVE_ERRORS, PROBE_AFTER
from include.domain.wake import DISPATCH, RELEASE
from include.messaging.senders.base import Outcome
from include.services.due import wake

LEASE = timedelta(minutes=3)


@dataclass(frozen=True)
class Delivery:
    """How this database may deliver (SEMANTICS 6.6); `identity` tells copies of it apart."""

    mode: str
    allow_list: frozenset[str]
    link_secret: str
    identity: str

    def is_live_for(self, email_key: str) -> bool:
        """Whether a message to this address is handed to the provider."""
        if self.mode == "allow_list":
            return email_key in self.allow_list or email_key.rpartition("@")[2] in self.allow_list
        return self.mode == "live"


def read_delivery(engine: Engine) -> Delivery:
    """The delivery mode; a database that is not the one for which it was set records only."""
    with engine.connect() as connection:
        row = run_query(connection, "outbox.find_delivery").one()
    is_bound = row.bound_to == row.identity
    return Delivery(
        mode=row.delivery if is_bound else "record_only",
        allow_list=frozenset(row.allow_list),
        link_secret=row.link_secret,
        identity=row.identity,
    )


def set_delivery(engine: Engine, mode: str, allow_list: Sequence[str]) -> None:
    """Say how this very database delivers from now on."""
    with engine.begin() as connection:
        folded = [entry.strip().casefold() for entry in allow_list]
        run_query(connection, "outbox.set_delivery", delivery=mode, allow_list=folded)
        wake(connection, DISPATCH)


def requeue_expired(connection: Connection, now: datetime) -> int:
    """Put messages whose lane died back into the queue (SEMANTICS 6.3)."""
    return len(run_query(connection, "outbox.requeue_expired", now=now).all())


def claim(engine: Engine, channel: str, lane: str, size: int, now: datetime) -> list[int]:
    """Take messages under a lease, committed before anything is sent."""
    with engine.begin() as connection:
        run_query(connection, "outbox.lock_claims", channel=channel)
        requeue_expired(connection, now)
        claimed = run_query(
            connection,
            "outbox.claim_messages",
            channel=channel,
            lane=lane,
            claim_size=size,
            now=now,
            lease_until=now + LEASE,
        )
        return sorted(claimed.scalars())


def check(
    engine: Engine, lane: str, message_ids: Sequence[int], alerts_per_day: int, now: datetime
) -> Sequence[Row[Any]]:
    """What stands against each claimed message at this moment, in sending order (SEMANTICS 5)."""
    with engine.connect() as connection:
        return run_query(
            connection,
            "outbox.check_claimed",
            message_ids=list(message_ids),
            lane=lane,
            max_alerts_per_day=alerts_per_day,
            now=now,
        ).all()


class Marks:
    """What one chunk's messages came to, written in one transaction."""

    def __init__(self, lane: str, channel: str) -> None:
        self.lane = lane
        self.channel = channel
        self.clear()

    def clear(self) -> None:
        """Forget everything collected."""
        self.sent: list[tuple[int, datetime]] = []
        self.recorded: list[tuple[int, datetime]] = []
        self.skipped: list[tuple[int, str]] = []
        self.failed: list[tuple[int, str]] = []
        self.later: list[tuple[int, str, datetime, int]] = []
        self.attempts: list[tuple[int, Outcome]] = []
        self.suppressed: list[int] = []
        self.channel_errors: list[Outcome] = []

    def write(self, engine: Engine, now: datetime) -> None:
        """Write and forget everything collected; requests that got nothing are settled (SEMANTICS 3.9)."""
        with engine.begin() as connection:
            _mark_sent(connection, self.sent, is_recorded_only=False)
            _mark_sent(connection, self.recorded, is_recorded_only=True)
            _mark_ended(connection, "outbox.mark_skipped", self.lane, self.skipped, now)
            _mark_ended(connection, "outbox.mark_failed", self.lane, self.failed, now)
            _requeue(connection, self.lane, self.later)
            self._note_attempts(connection, now)
            self._note_channel(connection, now)
            _settle(connection, [message_id for message_id, _ in self.skipped + self.failed], now)
        self.clear()

    def _note_attempts(self, connection: Connection, now: datetime) -> None:
        for message_id, outcome in self.attempts:
            run_query(
                connection,
                "outbox.record_attempt",
                message_id=message_id,
                now=now,
                outcome=outcome.kind,
                code=outcome.code,
                detail=outcome.detail,
            )
        for message_id in self.suppressed:
            run_query(
                connection,
                "outbox.suppress_recipient",
                message_id=message_id,
                reason="invalid_address",
                now=now,
            )

    def _note_channel(self, connection: Connection, now: datetime) -> None:
        if self.sent:
            run_query(connection, "outbox.note_channel_success", channel=self.channel)
        for outcome in self.channel_errors:
            run_query(
                connection,
                "outbox.note_channel_error",
                channel=self.channel,
                detail=f"{outcome.code} {outcome.detail}".strip() or outcome.kind,
                now=now,
                probe_at=now + PROBE_AFTER,
                max_consecutive_errors=MOST_CONSECUTIVE_ERRORS,
            )


def _mark_sent(connection: Connection, sent: list[tuple[int, datetime]], is_recorded_only: bool) -> None:
    if sent:
        run_query(
            connection,
            "outbox.mark_sent",
            message_ids=[message_id for message_id, _ in sent],
            sent_at=[moment for _, moment in sent],
            is_recorded_only=is_recorded_only,
        )


def _mark_ended(
    connection: Connection, query: str, lane: str, ended: list[tuple[int, str]], now: datetime
) -> None:
    if ended:
        run_query(
            connection,
            query,
            message_ids=[message_id for message_id, _ in ended],
            reasons=[reason for _, reason in ended],
            lane=lane,
            now=now,
        )


def _requeue(connection: Connection, lane: str, later: list[tuple[int, str, datetime, int]]) -> None:
    if later:
        run_query(
            connection,
            "outbox.requeue",
            message_ids=[entry[0] for entry in later],
            reasons=[entry[1] for entry in later],
            due_at=[entry[2] for entry in later],
            attempts=[entry[3] for entry in later],
            lane=lane,
        )


def _settle(connection: Connection, message_ids: list[int], now: datetime) -> None:
    if message_ids:
        row = run_query(connection, "outbox.settle_requests", message_ids=message_ids, now=now).one()
        if row.returned_count:
            wake(connection, RELEASE)
