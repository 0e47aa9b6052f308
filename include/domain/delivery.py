"""When a message is tried again, how much a lane takes at once, and when a paused channel is probed."""

from datetime import datetime, timedelta

MOST_ATTEMPTS = 12
FIRST_RETRY = timedelta(minutes=1)
LONGEST_RETRY = timedelta(hours=4)
# A message that is in doubt each time it leaves may arrive each time: then a person decides (SEMANTICS 6.3).
MOST_DOUBTS = 3
MOST_CONSECUTIVE_ERRORS = 5
MOST_REFUSED_ADDRESSES = 10
FIRST_PROBE = timedelta(seconds=30)
LONGEST_PROBE = timedelta(minutes=15)
PRIORITIES = {"transactional": 1, "back_in_stock": 5, "marketing": 7, "report": 8}
TEMPLATE_RETRY = timedelta(minutes=15)

SMALLEST_CLAIM = 50
LARGEST_CLAIM = 500
SECONDS_PER_CLAIM = 0.4


def next_attempt(now: datetime, attempts: int, retry_after: float | None) -> datetime | None:
    """When a message is tried again after `attempts` tries; None once it is given up."""
    if attempts >= MOST_ATTEMPTS:
        return None
    pause = min(FIRST_RETRY * 2 ** max(0, attempts - 1), LONGEST_RETRY)
    asked = timedelta(seconds=min(retry_after or 0.0, LONGEST_RETRY.total_seconds()))
    return now + max(pause, asked)


def priority_of(purpose: str) -> int:
    """The place of a purpose in the queue, lowest first: what somebody is waiting for goes before the rest."""
    return PRIORITIES[purpose]


def next_claim(size: int, ended_count: int, seconds: float) -> int:
    """How many messages a lane takes next: about what it sends in SECONDS_PER_CLAIM.

    A lane that takes more keeps others idle, and leaves more behind when it dies.
    """
    if ended_count < SMALLEST_CLAIM:
        return size
    usual = ended_count * SECONDS_PER_CLAIM / max(seconds, 0.001)
    return int(min(max(usual, size / 2, SMALLEST_CLAIM), size * 2, LARGEST_CLAIM))
