"""Requests to be told: taking them, ending them (SEMANTICS 3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from itsdangerous import BadSignature, URLSafeSerializer
from sqlalchemy import Connection, Engine

from include.db.queries import run_query
from include.domain.request import InStockRequest, Request
from include.domain.wake import RELEASE
from include.errors import NotFound
from include.services.due import wake

UNSUBSCRIBE_SALT = "unsubscribe"


@dataclass(frozen=True)
class Taken:
    """What became of a set of requests: new ones, ones merged into an open request, ones known before."""

    new: int
    merged: int
    known: int


def take_requests(
    connection: Connection,
    shop_id: str,
    requests: Sequence[Request],
    source: str,
    in_stock: InStockRequest,
    now: datetime,
) -> Taken:
    """Store requests as one set; `in_stock` says what holds for variants that are open now (SEMANTICS 3.5)."""
    if not requests:
        return Taken(0, 0, 0)
    run_query(
        connection,
        "request.upsert_profiles",
        shop_id=shop_id,
        now=now,
        emails=[request.email for request in requests],
        email_keys=[request.email_key for request in requests],
        first_names=[request.first_name for request in requests],
        last_names=[request.last_name for request in requests],
        locales=[request.locale for request in requests],
    )
    row = run_query(
        connection,
        "request.insert_requests",
        shop_id=shop_id,
        now=now,
        source=source,
        needs_restock=in_stock == "next_restock",
        email_keys=[request.email_key for request in requests],
        variant_ids=[request.variant_id for request in requests],
        channels=[",".join(request.channels) for request in requests],
        wanted_quantities=[request.wanted_quantity for request in requests],
        locales=[request.locale for request in requests],
        subscribed_at=[request.subscribed_at for request in requests],
    ).one()
    if row.woken_count:
        wake(connection, RELEASE)
    return Taken(row.new_count, row.merged_count, len(requests) - row.new_count - row.merged_count)


def cancel_request(engine: Engine, shop_id: str, subscription_id: int, now: datetime) -> bool:
    """End one open request; False when it was not open."""
    with engine.begin() as connection:
        ended = run_query(
            connection, "request.cancel_request", shop_id=shop_id, subscription_id=subscription_id, now=now
        )
        return ended.one_or_none() is not None


def sign_unsubscribe(link_secret: str, shop_id: str, profile_id: int) -> str:
    """The token that stands in a message's unsubscribe link: no address, bound to its purpose."""
    return str(URLSafeSerializer(link_secret, salt=UNSUBSCRIBE_SALT).dumps([shop_id, profile_id]))


def unsubscribe(engine: Engine, token: str, now: datetime) -> bool:
    """Honour an unsubscribe token; False when the address was suppressed before.

    Raises NotFound for a token that was not signed here.
    """
    with engine.begin() as connection:
        secret = run_query(connection, "outbox.find_delivery").one().link_secret
        try:
            shop_id, profile_id = URLSafeSerializer(secret, salt=UNSUBSCRIBE_SALT).loads(token)
        except BadSignature:
            raise NotFound(
                "The unsubscribe token is not one of this database. Copy it whole from the message."
            ) from None
        suppressed = run_query(
            connection, "request.suppress_profile", shop_id=shop_id, profile_id=profile_id, now=now
        )
        return suppressed.one_or_none() is not None
