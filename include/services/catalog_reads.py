"""The catalog as a shop's own systems read it: pages of ids, then what is known of those."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row

from include.db.queries import run_query
from include.services.catalog_writes import JobKind

MOST_VARIANTS_LISTED = 10_000


@dataclass(frozen=True)
class Listing:
    """Which page of what: `direction` 0 by id, 1 oldest first, -1 newest first; `after` is where the last one ended."""

    kind: Literal["items", "variants"]
    direction: int = 0
    after_at: datetime = datetime(1, 1, 1, tzinfo=UTC)
    after_id: str = ""
    ids: tuple[str, ...] | None = None
    product_id: str | None = None
    sku: str | None = None
    title: str | None = None
    is_published: bool | None = None


def find_page(connection: Connection, shop_id: str, listing: Listing, most: int) -> Sequence[Row[Any]]:
    """Ids of a page, each with when it was first seen."""
    asked: dict[str, Any] = {
        "shop_id": shop_id,
        "ids": None if listing.ids is None else list(listing.ids),
        "title": listing.title,
        "is_published": listing.is_published,
        "after_id": listing.after_id,
        "most": most,
    }
    if listing.kind == "variants":
        asked |= {"product_id": listing.product_id, "sku": listing.sku}
    if not listing.direction:
        return run_query(connection, f"catalog_api.page_of_{listing.kind}", **asked).all()
    asked |= {"direction": listing.direction, "after_at": listing.after_at}
    return run_query(connection, f"catalog_api.page_of_{listing.kind}_by_age", **asked).all()


def read_variants(connection: Connection, shop_id: str, variant_ids: Sequence[str]) -> dict[str, Row[Any]]:
    """Variants by id; deleted ones are left out."""
    rows = run_query(connection, "catalog_api.read_variants", shop_id=shop_id, variant_ids=list(variant_ids))
    return {row.variant_id: row for row in rows}


def read_items(connection: Connection, shop_id: str, product_ids: Sequence[str]) -> dict[str, Row[Any]]:
    """Products by id; deleted ones are left out."""
    rows = run_query(connection, "catalog_api.read_items", shop_id=shop_id, product_ids=list(product_ids))
    return {row.product_id: row for row in rows}


def list_variants_of_items(
    connection: Connection, shop_id: str, product_ids: Sequence[str]
) -> dict[str, list[str]]:
    """The ids of the variants of each product."""
    rows = run_query(
        connection,
        "catalog_api.list_variants_of_items",
        shop_id=shop_id,
        product_ids=list(product_ids),
        most=MOST_VARIANTS_LISTED,
    )
    found: dict[str, list[str]] = {product_id: [] for product_id in product_ids}
    for row in rows:
        found[row.product_id].append(row.variant_id)
    return found


def find_job(connection: Connection, shop_id: str, kind: JobKind, job_id: int) -> Row[Any] | None:
    """One bulk job."""
    return run_query(
        connection, "catalog_api.find_job", shop_id=shop_id, kind=kind, job_id=job_id
    ).one_or_none()


def list_jobs(
    connection: Connection, shop_id: str, kind: JobKind, before_id: int, most: int
) -> Sequence[Row[Any]]:
    """Bulk jobs of one kind, the newest first."""
    return run_query(
        connection, "catalog_api.list_jobs", shop_id=shop_id, kind=kind, before_id=before_id, most=most
    ).all()


def forget_jobs(connection: Connection, now: datetime) -> int:
    """Jobs are kept for a week."""
    return run_query(connection, "catalog_api.forget_jobs", now=now).rowcount
