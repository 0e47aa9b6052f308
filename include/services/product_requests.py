"""Requests for any variant of a product: in which variant's queue they stand (SEMANTICS 1.6)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from include.db.queries import run_query
from include.domain.wake import RELEASE
from include.services.due import wake


def has_product_requests(connection: Connection, shop_id: str) -> bool:
    """Whether anybody asked this shop for any variant of a product; where nobody did, nothing else is looked at."""
    return bool(run_query(connection, "product_request.is_any_open", shop_id=shop_id).scalar_one())


def follow_openings(connection: Connection, shop_id: str, snapshot_id: int, now: datetime) -> None:
    """The touched variants were judged: requests join what opened and leave what closed."""
    if has_product_requests(connection, shop_id):
        touched = run_query(
            connection, "product_request.list_touched_products", shop_id=shop_id, snapshot_id=snapshot_id
        )
        place(connection, shop_id, touched.scalars().all(), now)


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
    for shop_id in sorted({row.shop_id for row in returned}):
        variant_ids = [row.variant_id for row in returned if row.shop_id == shop_id]
        place_beside(connection, shop_id, variant_ids, now)


def place_beside(connection: Connection, shop_id: str, variant_ids: Sequence[str], now: datetime) -> None:
    """Something changed about who waits for these variants: place the requests for any variant beside them."""
    if has_product_requests(connection, shop_id):
        products = run_query(
            connection,
            "product_request.list_products_of_variants",
            shop_id=shop_id,
            variant_ids=list(variant_ids),
        )
        place(connection, shop_id, products.scalars().all(), now)


def place(connection: Connection, shop_id: str, product_ids: Sequence[str], now: datetime) -> None:
    """Let the requests for some products stand where they belong now."""
    if not product_ids:
        return
    placed = run_query(
        connection, "product_request.place", shop_id=shop_id, product_ids=list(product_ids), now=now
    ).one()
    if placed.joined_count:
        wake(connection, RELEASE)
