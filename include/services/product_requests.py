"""Requests for any variant of a product: in which variant's queue they stand (SEMANTICS 1.6)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row

from include.db.queries import run_query
from include.domain.wake import RELEASE
from include.services.due import wake


class Wish(NamedTuple):
    """What somebody asked for: a variant, or any of a product."""

    profile_id: int
    variant_id: str | None
    product_id: str | None


def has_product_requests(connection: Connection, shop_id: str) -> bool:
    """Whether anybody asked this shop for any variant of a product; where nobody did, nothing else is looked at."""
    return bool(run_query(connection, "product_request.is_any_open", shop_id=shop_id).scalar_one())


def follow_openings(connection: Connection, shop_id: str, product_ids: Sequence[str], now: datetime) -> None:
    """Variants of these products opened or closed: requests join what opened and leave what closed."""
    _place(connection, shop_id, product_ids, [], now)


def follow_variant(connection: Connection, shop_id: str, variant_id: str, now: datetime) -> None:
    """A variant opened: see follow_openings."""
    here = {"shop_id": shop_id, "variant_id": variant_id}
    products = run_query(connection, "product_request.find_product", **here).scalars().all()
    follow_openings(connection, shop_id, products, now)


def follow_history(connection: Connection, shop_id: str, snapshot_id: int, now: datetime) -> None:
    """The history of the touched variants was told again: requests stand where they now belong."""
    if has_product_requests(connection, shop_id):
        touched = run_query(
            connection, "product_request.list_touched_products", shop_id=shop_id, snapshot_id=snapshot_id
        )
        follow_openings(connection, shop_id, touched.scalars().all(), now)


def follow_release(connection: Connection, run_id: str, now: datetime) -> None:
    """A run released people: their other requests for the same product are covered."""
    shop_ids = run_query(connection, "product_request.list_shops").scalars().all()
    if shop_ids:
        run_query(connection, "product_request.cover", run_id=run_id, shop_ids=list(shop_ids), now=now)


def follow_returned(connection: Connection, returned: Sequence[Row[Any]], now: datetime) -> None:
    """Requests went back to their place: what they covered waits again, and who may join another variant does."""
    run_query(
        connection,
        "product_request.uncover",
        shop_ids=[row.shop_id for row in returned],
        subscription_ids=[row.subscription_id for row in returned],
        now=now,
    )
    place_others(connection, returned, now)


def place_others(connection: Connection, requests: Sequence[Row[Any]], now: datetime) -> None:
    """Requests began, ended or returned: what the same people have for any variant beside them finds its place."""
    for shop_id in sorted({row.shop_id for row in requests}):
        wishes = [
            Wish(row.profile_id, row.variant_id, row.product_id) for row in requests if row.shop_id == shop_id
        ]
        place_beside(connection, shop_id, wishes, now)


def place_beside(connection: Connection, shop_id: str, wishes: Sequence[Wish], now: datetime) -> None:
    """Something changed about what these people wish for: their requests for any variant find their place."""
    if wishes and has_product_requests(connection, shop_id):
        _place(connection, shop_id, [], wishes, now)


def _place(
    connection: Connection, shop_id: str, product_ids: Sequence[str], wishes: Sequence[Wish], now: datetime
) -> None:
    if not (product_ids or wishes):
        return
    placed = run_query(
        connection,
        "product_request.place",
        shop_id=shop_id,
        product_ids=list(product_ids),
        profile_ids=[wish.profile_id for wish in wishes],
        wished_variant_ids=[wish.variant_id for wish in wishes],
        wished_product_ids=[wish.product_id for wish in wishes],
        now=now,
    ).one()
    if placed.joined_count:
        wake(connection, RELEASE)
