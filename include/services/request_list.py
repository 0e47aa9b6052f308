"""Requests as a shop's own systems read them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row

from include.db.queries import run_query
from include.domain.request import fold_email


def list_requests(
    connection: Connection,
    shop_id: str,
    after_id: int,
    most: int,
    state: str | None = None,
    variant_id: str | None = None,
    product_id: str | None = None,
    email: str | None = None,
) -> Sequence[Row[Any]]:
    """Requests of a shop in the order of their ids."""
    return run_query(
        connection,
        "request.list_requests",
        shop_id=shop_id,
        after_id=after_id,
        subscription_id=None,
        state=state,
        variant_id=variant_id,
        product_id=product_id,
        email_key=fold_email(email) if email else None,
        most=most,
    ).all()


def find_request(connection: Connection, shop_id: str, subscription_id: int) -> Row[Any] | None:
    """One request of a shop."""
    return run_query(
        connection,
        "request.list_requests",
        shop_id=shop_id,
        after_id=0,
        subscription_id=subscription_id,
        state=None,
        variant_id=None,
        product_id=None,
        email_key=None,
        most=1,
    ).one_or_none()
