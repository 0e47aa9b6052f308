"""Limits per channel and per recipient domain that hold over all lanes and machines (SEMANTICS 5).

The token buckets are rows of `send_rate`, changed in one statement. What finds no token of its domain is
parked: it waits in its order outside the queue, and is claimed when there is room.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from include.db.queries import run_query
from include.domain.rules import WHOLE_CHANNEL
from include.services.outbox import Parcel

# A bucket holds what may leave in this time, so that no second sees much more than its limit.
BURST_SECONDS = 0.25


@dataclass(frozen=True)
class Room:
    """What may be claimed now: at most `claim_size`, of it so many parked ones per domain.

    `next_at` is when there is more room, if something waits for it.
    """

    claim_size: int
    parked: Mapping[str, int] = field(default_factory=dict)
    next_at: datetime | None = None


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
    whole = [row for row in rows if row.domain == WHOLE_CHANNEL and row.token_count is not None]
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
    """What may leave now, and what is above a limit with the domain that is full (WHOLE_CHANNEL: the channel).

    What its domain holds back takes no token of the channel.
    """
    allowed, held_back = _take(connection, channel, limits, parcels, _domain_of, now)
    allowed, late = _take(connection, channel, limits, allowed, _whole_channel, now)
    return allowed, held_back + late


def _take(
    connection: Connection,
    channel: str,
    limits: Mapping[str, float],
    parcels: Sequence[Parcel],
    bucket_of: Callable[[Parcel], str],
    now: datetime,
) -> tuple[list[Parcel], list[tuple[Parcel, str]]]:
    wanted = Counter(bucket for parcel in parcels if (bucket := bucket_of(parcel)) in limits)
    tokens = _grant(connection, channel, limits, wanted, now) if wanted else {}
    allowed, above = [], []
    for parcel in parcels:
        bucket = bucket_of(parcel)
        if tokens.get(bucket, 1) < 1:
            above.append((parcel, bucket))
            continue
        allowed.append(parcel)
        if bucket in tokens:
            tokens[bucket] -= 1
    return allowed, above


def _grant(
    connection: Connection,
    channel: str,
    limits: Mapping[str, float],
    wanted: Mapping[str, int],
    now: datetime,
) -> dict[str, int]:
    granted = run_query(
        connection,
        "rate.take_tokens",
        channel=channel,
        domains=list(wanted),
        per_second=[limits[domain] for domain in wanted],
        wanted=list(wanted.values()),
        burst_seconds=BURST_SECONDS,
        now=now,
    )
    return {row.domain: row.taken_count for row in granted}


def _domain_of(parcel: Parcel) -> str:
    return parcel.row.email.rpartition("@")[2].casefold()


def _whole_channel(_: Parcel) -> str:
    return WHOLE_CHANNEL
