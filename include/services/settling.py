"""Released requests of which nothing was sent: back to their old place, or skipped (SEMANTICS 3.9)."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from include.db.copy import copy_array
from include.db.queries import run_query
from include.domain.wake import RELEASE
from include.services.due import wake
from include.services.product_requests import follow_returned

FORGOTTEN_AFTER = timedelta(minutes=15)


def settle_messages(connection: Connection, keys: Sequence[tuple[str, int]], now: datetime) -> None:
    """Settle the requests of messages, (shop_id, message_id), that ended unsent."""
    if keys:
        _settle(connection, keys, [], now)


def settle_requests(
    connection: Connection, shop_ids: Sequence[str], subscription_ids: Sequence[int], now: datetime
) -> None:
    """Settle requests whose people passed a step without a message."""
    if subscription_ids:
        _settle(connection, [], list(zip(shop_ids, subscription_ids, strict=True)), now)


def settle_forgotten(connection: Connection, now: datetime) -> int:
    """Settle what two lanes that ended its messages at the same moment left to each other; how many looked at."""
    before = now - FORGOTTEN_AFTER
    requests = [
        (row.shop_id, row.subscription_id)
        for row in run_query(connection, "settle.list_forgotten", before=before)
    ]
    if requests:
        _settle(connection, [], requests, now)
    return len(requests)


def _settle(
    connection: Connection,
    messages: Sequence[tuple[str, int]],
    requests: Sequence[tuple[str, int]],
    now: datetime,
) -> None:
    returned = run_query(
        connection,
        "settle.settle_requests",
        shop_ids=copy_array([shop_id for shop_id, _ in messages]),
        message_ids=copy_array([str(message_id) for _, message_id in messages]),
        request_shop_ids=copy_array([shop_id for shop_id, _ in requests]),
        subscription_ids=copy_array([str(subscription_id) for _, subscription_id in requests]),
        now=now,
    ).all()
    if returned:
        follow_returned(connection, returned, now)
        wake(connection, RELEASE)
