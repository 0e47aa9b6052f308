"""What a platform tells by webhook, in our words."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Delivery:
    """One webhook, reduced to what is needed of it; `webhook_id` is the platform's, the same when it is sent again.

    `said` may hold `levels` (item, location, available), `totals` (variant, available), `variants` (what is said of
    them; what is left out is as before), `deleted_product`, or nothing that is applied.
    """

    webhook_id: str
    topic: str
    occurred_at: datetime
    said: dict[str, Any] = field(default_factory=dict)
