"""Rate limits per key and address, which all processes of the door share through Postgres.

A process asks for a tenth of a second's share at a time and spends it without asking again, so that a limit costs
ten statements a second and not one per request. Who is refused is refused from memory until the window ends.
"""

import asyncio
import hashlib
import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from include.db.queries import run_query
from include.errors import ConfigurationError
from include.intake.answers import ApiError
from include.intake.door import Door
from include.intake.metrics import THROTTLED

MOST_SUBJECTS = 50_000
# So many a second, and ten times as many a minute, an address may have in one process before anybody is asked.
UNASKED_PER_SECOND, UNASKED_PER_MINUTE = 5, 50
_RATE = re.compile(r"(\d+)/s (\d+)/m")


@dataclass(frozen=True)
class Limit:
    """So many in a second, and in a minute; `name` tells limits apart in metrics and errors."""

    name: str
    per_second: int
    per_minute: int

    def times(self, factor: float) -> "Limit":
        """The limit of a key with another factor."""
        if factor == 1:
            return self
        return Limit(
            self.name, max(1, round(self.per_second * factor)), max(1, round(self.per_minute * factor))
        )


REQUESTS = Limit("requests", 350, 3_500)
CATALOG_READS = Limit("catalog_reads", 350, 3_500)
CATALOG_WRITES = Limit("catalog_writes", 75, 750)
EVENTS = Limit("events", 350, 3_500)
BULK_EVENTS = Limit("bulk_events", 10, 150)
OWN = Limit("restock", 75, 750)


def address_limit(text: str) -> Limit:
    """What one address may do, from a setting such as '20/s 300/m'."""
    match = _RATE.fullmatch(text.strip())
    if match is None or not int(match[1]) or not int(match[2]):
        raise ConfigurationError(
            f"RESTOCK_ADDRESS_RATE is {text!r}. Allowed is a rate such as '20/s 300/m': so many requests a second, "
            "and so many a minute, from one address."
        )
    return Limit("address", int(match[1]), int(match[2]))


@dataclass
class _Share:
    second: int = -1
    left: int = 0
    refused_until: float = 0.0
    unasked: list[int] = field(default_factory=lambda: [-1, 0, -1, 0])
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)


class Rates:
    """What this process may still let through; one instance per event loop."""

    def __init__(self, door: Door, clock: Callable[[], float] = time.time) -> None:
        self._door = door
        self._clock = clock
        self._shares: dict[str, _Share] = {}

    async def check(self, limit: Limit, who: str, is_address: bool = False) -> None:
        """Let one request through, or raise 429 with Retry-After."""
        subject = f"{limit.name}:{_digest(who)}"
        share = self._share(subject)
        if is_address and _passes_unasked(share, int(self._clock())):
            return
        if await self._spend(share, subject, limit):
            return
        wait = max(1, math.ceil(share.refused_until - self._clock()))
        THROTTLED.labels(limit.name).inc()
        raise ApiError.of(
            429,
            f"Request was throttled. {limit.per_second} a second and {limit.per_minute} a minute are allowed; "
            f"expected available in {wait} second{'' if wait == 1 else 's'}.",
            Retry_After=str(wait),
        )

    async def _spend(self, share: _Share, subject: str, limit: Limit) -> bool:
        if self._take(share):
            return True
        async with share.asking:
            if self._take(share):
                return True
            if self._clock() < share.refused_until:
                return False
            now = self._door.clock()
            wanted = max(1, limit.per_second // 10)
            granted = await self._door.run(_ask, self._door, subject, limit, wanted, now)
            share.second, share.left = int(self._clock()), granted
            if not granted:
                share.refused_until = await self._door.run(
                    _find_end, self._door, subject, limit, self._clock()
                )
        return self._take(share)

    def _take(self, share: _Share) -> bool:
        if share.left > 0 and share.second == int(self._clock()):
            share.left -= 1
            return True
        return False

    def _share(self, subject: str) -> _Share:
        share = self._shares.get(subject)
        if share is None:
            if len(self._shares) >= MOST_SUBJECTS:
                self._shares.clear()
            share = self._shares[subject] = _Share()
        return share


def _passes_unasked(share: _Share, second: int) -> bool:
    minute = second // 60
    known_second, in_second, known_minute, in_minute = share.unasked
    in_second = in_second + 1 if known_second == second else 1
    in_minute = in_minute + 1 if known_minute == minute else 1
    share.unasked = [second, in_second, minute, in_minute]
    return in_second <= UNASKED_PER_SECOND and in_minute <= UNASKED_PER_MINUTE


def _ask(door: Door, subject: str, limit: Limit, wanted: int, now: datetime) -> int:
    with door.engine.begin() as connection:
        return int(
            run_query(
                connection,
                "key.take_share",
                subject=subject,
                wanted=wanted,
                per_second=limit.per_second,
                per_minute=limit.per_minute,
                now=now,
            ).scalar_one()
        )


def _find_end(door: Door, subject: str, limit: Limit, seconds: float) -> float:
    """When the window that is used up ends."""
    with door.engine.connect() as connection:
        used = run_query(connection, "key.read_share", subject=subject).scalar_one_or_none() or 0
    return (seconds // 60 + 1) * 60 if used >= limit.per_minute else math.floor(seconds) + 1.0


def _digest(who: str) -> str:
    return hashlib.blake2b(who.encode(), digest_size=12).hexdigest()
