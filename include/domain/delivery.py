"""What follows from a provider's answer (SEMANTICS 6.2, 6.5)."""

from datetime import datetime, timedelta

MOST_ATTEMPTS = 12
FIRST_RETRY = timedelta(minutes=1)
LONGEST_RETRY = timedelta(hours=4)
MOST_CONSECUTIVE_ERRORS = 5
PROBE_AFTER = timedelta(minutes=2)
STALE_STOCK_RETRY = timedelta(minutes=15)
FREQUENCY_CAP_RETRY = timedelta(hours=1)


def next_attempt(now: datetime, attempts: int, retry_after: float | None) -> datetime | None:
    """When a message is tried again after `attempts` tries; None once it is given up."""
    if attempts >= MOST_ATTEMPTS:
        return None
    pause = min(FIRST_RETRY * 2 ** max(0, attempts - 1), LONGEST_RETRY)
    asked = timedelta(seconds=min(retry_after or 0.0, LONGEST_RETRY.total_seconds()))
    return now + max(pause, asked)


def next_look(now: datetime, wait_reason: str) -> datetime:
    """When a message that has to wait is checked again, unless something wakes it before."""
    return now + (FREQUENCY_CAP_RETRY if wait_reason == "frequency_cap" else STALE_STOCK_RETRY)
