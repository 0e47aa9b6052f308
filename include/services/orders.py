"""What was bought, as attribution needs it (SEMANTICS 9.4)."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection

from include.db.queries import run_query
from include.domain.orders import OrderLine


def record_order_lines(
    connection: Connection, shop_id: str, lines: Sequence[OrderLine], now: datetime
) -> int:
    """Store lines of orders as they stand now; the lines that were new or differ. Of one line, the last counts."""
    if not lines:
        return 0
    distinct = {(line.order_id, line.line_number): line for line in lines}
    packed = msgspec.json.encode(list(distinct.values())).decode()
    return run_query(connection, "order.record_lines", shop_id=shop_id, lines=packed, now=now).rowcount
