"""What a waiting list is worth, and what to order for it (SEMANTICS 9.1).

The specification of `demand.build_present`; a test holds the two together.
"""

import math
from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")


def buying_percent(told_count: int, order_count: int) -> Decimal | None:
    """Orders that credit an alert per person told, 100 at most; None before one does: that nobody buys is not known."""
    if told_count == 0 or order_count == 0:
        return None
    return min(Decimal(100), (Decimal(100 * order_count) / told_count).quantize(CENT, ROUND_HALF_UP))


def lost_revenue(wanted_units: int, price: Decimal | None, percent: Decimal | None) -> Decimal | None:
    """What buying people would have paid for what they wait for."""
    if price is None or percent is None:
        return None
    return (wanted_units * price * percent / 100).quantize(CENT, ROUND_HALF_UP)


def reorder_units(wanted_units: int, units: int, percent: Decimal | None) -> int:
    """What buying people want beyond the stock; everybody's where it is not known who buys."""
    wanted = wanted_units * (100 if percent is None else percent) / Decimal(100)
    return max(0, math.ceil(wanted) - units)
