"""Which alert an order line credits (SEMANTICS 9.4).

The specification of the SQL function `credited_line`; a property test holds the two together.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple


class Alert(NamedTuple):
    """A message that told somebody that a variant is back."""

    message_id: int
    profile_id: int
    variant_id: str
    sent_at: datetime


def find_credited(
    profile_id: int | None,
    variant_id: str,
    ordered_at: datetime,
    alerts: Iterable[Alert],
    attribution_days: float,
) -> Alert | None:
    """The last alert about the variant sent to the buyer before the order, if that is not too long ago."""
    before = [
        alert
        for alert in alerts
        if (alert.profile_id, alert.variant_id) == (profile_id, variant_id) and alert.sent_at < ordered_at
    ]
    last = max(before, key=lambda alert: (alert.sent_at, alert.message_id), default=None)
    if last is None or ordered_at - last.sent_at > timedelta(days=attribution_days):
        return None
    return last
