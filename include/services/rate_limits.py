"""Limits per channel and per recipient domain that hold over all lanes and machines (SEMANTICS 5).

The token buckets are rows of `send_rate`, changed in one statement. What finds no token of its domain is
parked: it waits in its order outside the queue, and is claimed when there is room.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from include.db.queries import run_query
from include.domain.rules import RuleSet
from include.services.outbox import Parcel

# A bucket holds what may leave in this time, so that no second sees much more than its limit.
BURST_SECONDS = 0.25
_WHOLE_CHANNEL = ""


@dataclass(frozen=True)
class Room:
    """What may be claimed now: at most `claim_size`, of it so many parked ones per domain.

    `next_at` is when there is more room, if something waits for it.
    """

    claim_size: int
    parked: Mapping[str, int] = field(default_factory=dict)
    next_at: datetime | None = None


def limits_of(rules: RuleSet) -> dict[str, float]:
    """Mails per second by recipient domain; '' is the whole channel."""
    whole = {} if rules.email_per_second is None else {_WHOLE_CHANNEL: rules.email_per_second}
    return whole | rules.email_per_domain


def find_room(
    connection: Connection, channel: str, limits: Mapping[str, float], claim_size: int, now: datetime
) -> Room:
    """How much may be claimed now."""
    rows = run_query(
        connection,
        "rate.find_room",
        channel=channel,
        domains=list(limits),
        per_second=list(limits.values()),
        burst_seconds=BURST_SECONDS,
        now=now,
    ).all()
    whole = [row for row in rows if row.domain == _WHOLE_CHANNEL and row.token_count is not None]
    parked = [row for row in rows if row.has_parked]
    size = min([claim_size, *(row.token_count for row in whole)])
    rooms = {row.domain: size if row.token_count is None else row.token_count for row in parked}
    waits = whole if whole and size < 1 else [row for row in parked if row.token_count == 0]
    return Room(size, rooms, min((row.next_at for row in waits), default=None))


def take_tokens(
    connection: Connection,
    channel: str,
    limits: Mapping[str, float],
    parcels: Sequence[Parcel],
    now: datetime,
) -> tuple[list[Parcel], list[tuple[Parcel, str]]]:
    """What may leave now, and what is above a limit with the domain that is full ('': the channel)."""
    wanted = Counter(domain for parcel in parcels for domain in _buckets_of(parcel, limits))
    if not wanted:
        return list(parcels), []
    domains = list(wanted)
    granted = run_query(
        connection,
        "rate.take_tokens",
        channel=channel,
        domains=domains,
        per_second=[limits[domain] for domain in domains],
        wanted=[wanted[domain] for domain in domains],
        burst_seconds=BURST_SECONDS,
        now=now,
    )
    return _share_out(parcels, limits, {row.domain: row.taken_count for row in granted})


def _share_out(
    parcels: Sequence[Parcel], limits: Mapping[str, float], tokens: dict[str, int]
) -> tuple[list[Parcel], list[tuple[Parcel, str]]]:
    allowed, above = [], []
    for parcel in parcels:
        buckets = _buckets_of(parcel, limits)
        full = next((domain for domain in buckets if tokens[domain] < 1), None)
        if full is not None:
            above.append((parcel, full))
            continue
        allowed.append(parcel)
        for domain in buckets:
            tokens[domain] -= 1
    return allowed, above


def _buckets_of(parcel: Parcel, limits: Mapping[str, float]) -> list[str]:
    domain = parcel.row.address.rpartition("@")[2].casefold()
    return [bucket for bucket in (domain, _WHOLE_CHANNEL) if bucket in limits]
