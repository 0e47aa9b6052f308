"""The outbox's state machine: queued -> sending -> sent | failed | skipped, or held (SEMANTICS 6.2, 6.3)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row

from include.db.queries import run_query
from include.domain.delivery import MOST_DOUBTS
from include.domain.request import fold_email
from include.domain.wake import DISPATCH
from include.errors import ConfigurationError, RowRejected
from include.messaging.senders.base import Outcome
from include.services.channels import raise_alert
from include.services.contacts import check_email, check_phone
from include.services.due import wake
from include.services.marks import Key, columns, record_attempts
from include.services.rules import rules_in_force

LEASE = timedelta(minutes=3)
HELD = "messages_held"
_NO_ANSWER = Outcome("in_doubt", detail="a lane gave no account of it: it may have left")


@dataclass(frozen=True, slots=True)
class Parcel:
    """A claimed message that may leave: what the check read, and when."""

    key: Key
    row: Any
    checked_at: datetime


@dataclass(frozen=True)
class Delivery:
    """How this database may deliver (SEMANTICS 6.6); `identity` tells copies of it apart."""

    mode: str
    allow_list: frozenset[str]
    link_secret: str
    identity: str

    def is_live_for(self, address: str) -> bool:
        """Whether a message to this address or phone number is handed to the provider."""
        if self.mode == "allow_list":
            key = fold_email(address)
            return key in self.allow_list or key.rpartition("@")[2] in self.allow_list
        return self.mode == "live"


def read_delivery(engine: Engine) -> Delivery:
    """The delivery mode; a database that is not the one for which it was set records only."""
    with engine.connect() as connection:
        return find_delivery(connection)


def find_delivery(connection: Connection) -> Delivery:
    """See read_delivery."""
    row = run_query(connection, "outbox.find_delivery").one()
    is_bound = row.bound_to == row.identity
    return Delivery(
        mode=row.delivery if is_bound else "record_only",
        allow_list=frozenset(row.allow_list),
        link_secret=row.link_secret,
        identity=row.identity,
    )


def set_delivery(engine: Engine, mode: str, allow_list: Sequence[str]) -> None:
    """Say how this very database delivers from now on; raises ConfigurationError for what is no address or domain."""
    folded = [_check_allowed(number, entry) for number, entry in enumerate(allow_list, 1)]
    with engine.begin() as connection:
        run_query(connection, "outbox.set_delivery", delivery=mode, allow_list=folded)
        wake(connection, DISPATCH)


def _check_allowed(number: int, entry: str) -> str:
    folded = fold_email(entry)
    try:
        if folded.startswith("+"):
            return check_phone(folded)
        check_email(folded if "@" in folded else f"a@{folded}")
    except RowRejected:
        raise ConfigurationError(
            f"Entry {number} of the allow list is no address, domain or phone number; allowed is one such as "
            "ann@shop.example, shop.example or +49 30 1234567."
        ) from None
    return folded


def requeue_expired(connection: Connection, now: datetime) -> int:
    """Messages whose lease ran out go again, or wait for a person (SEMANTICS 6.3); how many.

    On a machine with journals call `recover_journals` first: they know what was sent.
    """
    _, rules = rules_in_force(connection, now)
    expired = run_query(
        connection, "outbox.requeue_expired", now=now, on_doubt=rules.on_doubt, most_doubts=MOST_DOUBTS
    )
    return _record_doubts(connection, expired.all(), now)


def settle_doubts(connection: Connection, lane: str, keys: Sequence[Key], now: datetime) -> int:
    """Messages of a lane that were handed over without an answer go again, or wait for a person; how many."""
    _, rules = rules_in_force(connection, now)
    settled = run_query(
        connection,
        "outbox.settle_doubts",
        **columns(keys),
        lane=lane,
        on_doubt=rules.on_doubt,
        most_doubts=MOST_DOUBTS,
        now=now,
    )
    return _record_doubts(connection, settled.all(), now)


def claim(
    engine: Engine, channel: str, lane: str, size: int, now: datetime, rooms: Mapping[str, int]
) -> list[Key]:
    """Take messages under a lease, committed before anything is sent.

    `rooms` says how many parked messages of each limited domain may be taken.
    """
    with engine.begin() as connection:
        run_query(connection, "outbox.lock_claims", channel=channel)
        requeue_expired(connection, now)
        claimed = run_query(
            connection,
            "outbox.claim_messages",
            channel=channel,
            lane=lane,
            claim_size=size,
            domains=list(rooms),
            rooms=list(rooms.values()),
            now=now,
            lease_until=now + LEASE,
        )
        return sorted(Key._make(row) for row in claimed.all())


def renew_leases(connection: Connection, lane: str, doubtful: Iterable[Key], now: datetime) -> None:
    """A lane at work keeps what it holds; what it is in doubt about runs out."""
    run_query(
        connection,
        "outbox.renew_lease",
        lane=lane,
        doubtful_ids=[key.message_id for key in doubtful],
        lease_until=now + LEASE,
    )


def release_claims(connection: Connection, lane: str, keys: Sequence[Key], reason: str | None) -> None:
    """What a lane took and did not send is free again, at its old place."""
    if keys:
        run_query(connection, "outbox.release_claims", **columns(keys), lane=lane, reason=reason)


def claims_of(connection: Connection, lane: str) -> list[Key]:
    """What a lane has taken and not ended."""
    claimed = run_query(connection, "outbox.find_claims", lane=lane)
    return [Key(row.shop_id, row.message_id) for row in claimed]


def free_dead_lane(connection: Connection, lane: str) -> int:
    """Free what a dead lane had taken; how many."""
    return len(run_query(connection, "outbox.free_dead_lane", lane=lane).all())


def _record_doubts(connection: Connection, doubtful: Sequence[Row[Any]], now: datetime) -> int:
    attempts = [(Key(row.shop_id, row.message_id), _NO_ANSWER) for row in doubtful]
    record_attempts(connection, attempts, now)
    if any(row.state == "held" for row in doubtful):
        detail = "It is not known whether these messages were sent: `restock messages doubts` lists them."
        raise_alert(connection, HELD, "EMAIL", detail, now)
    return len(doubtful)
