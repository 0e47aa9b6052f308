"""Lines of orders (SEMANTICS 9.4)."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class OrderLine:
    """What somebody bought of one variant; `email_key` is None where nobody is known, `amount` is of the whole line."""

    order_id: str
    line_number: int
    variant_id: str
    email_key: str | None
    quantity: Decimal
    amount: Decimal
    currency: str
    ordered_at: datetime
    returned_quantity: Decimal = NOTHING
    returned_amount: Decimal = NOTHING
