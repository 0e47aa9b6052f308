"""Items, variants and bulk jobs as answers show them."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from sqlalchemy import Row
from starlette.requests import Request

from include.intake.klaviyo.identifiers import CatalogId
from include.intake.klaviyo.pages import only, url_of

ITEM_FIELDS = (
    *(
        "external_id",
        "title",
        "description",
        "price",
        "url",
        "image_full_url",
        "image_thumbnail_url",
        "images",
    ),
    *("custom_metadata", "published", "created", "updated"),
)
VARIANT_FIELDS = (
    *("external_id", "title", "description", "sku", "inventory_policy", "inventory_quantity", "price", "url"),
    *(
        "image_full_url",
        "image_thumbnail_url",
        "images",
        "custom_metadata",
        "published",
        "created",
        "updated",
    ),
)
JOB_FIELDS = (
    *("status", "created_at", "total_count", "completed_count", "failed_count", "completed_at", "errors"),
    "expires_at",
)
# The contract asks for these also where fewer fields were asked for.
JOB_ALWAYS = frozenset(("status", "created_at", "total_count"))
JOBS_ARE_KEPT = timedelta(days=7)

Fields = frozenset[str] | None


def show_variant(request: Request, row: Row[Any], fields: Fields) -> dict[str, Any]:
    """A variant of `catalog_api.read_variants`."""
    variant_id = str(CatalogId(row.integration, row.variant_id))
    told = row.attributes
    attributes = {
        "external_id": row.variant_id,
        "title": row.title,
        "description": told.get("description"),
        "sku": row.sku,
        "inventory_policy": told.get("inventory_policy"),
        "inventory_quantity": None if row.available is None else float(row.available),
        "price": None if row.price is None else float(row.price),
        "url": row.url,
        "image_full_url": row.image_url,
        "image_thumbnail_url": told.get("image_thumbnail_url"),
        "images": told.get("images") or [],
        "custom_metadata": told.get("custom_metadata") or {},
        "published": row.is_published,
        **_times(row),
    }
    shown: dict[str, Any] = {
        "type": "catalog-variant",
        "id": variant_id,
        "attributes": only(attributes, fields),
        "links": {"self": url_of(request, f"/api/catalog-variants/{quote(variant_id, safe='$:')}")},
    }
    if row.product_id is not None:
        item = {"type": "catalog-item", "id": str(CatalogId(row.item_integration, row.product_id))}
        shown["relationships"] = {"item": {"data": item}}
    return shown


def show_item(
    request: Request, row: Row[Any], fields: Fields, variants: list[str] | None = None
) -> dict[str, Any]:
    """A product of `catalog_api.read_items`; with `variants` their ids are shown."""
    item_id = str(CatalogId(row.integration, row.product_id))
    told = row.attributes
    attributes = {
        "external_id": row.product_id,
        **{name: told.get(name) for name in ITEM_FIELDS[1:7]},
        "images": told.get("images") or [],
        "custom_metadata": told.get("custom_metadata") or {},
        "published": told.get("published") is not False,
        **_times(row),
    }
    shown: dict[str, Any] = {
        "type": "catalog-item",
        "id": item_id,
        "attributes": only(attributes, fields),
        "links": {"self": url_of(request, f"/api/catalog-items/{quote(item_id, safe='$:')}")},
    }
    if variants is not None:
        references = [{"type": "catalog-variant", "id": variant_id} for variant_id in variants]
        shown["relationships"] = {"variants": {"data": references}}
    return shown


def show_job(request: Request, row: Row[Any], fields: Fields) -> dict[str, Any]:
    """A bulk job; it was done when it was taken."""
    subject, action = row.kind.split("-")
    kind = f"catalog-{subject}-bulk-{action}-job"
    attributes = {
        "status": "complete",
        "created_at": as_time(row.created_at),
        "total_count": row.total_count,
        "completed_count": row.total_count - row.failed_count,
        "failed_count": row.failed_count,
        "completed_at": as_time(row.created_at),
        "expires_at": as_time(row.created_at + JOBS_ARE_KEPT),
        "errors": [_show_error(row.job_id, number, error) for number, error in enumerate(row.errors)],
    }
    return {
        "type": kind,
        "id": str(row.job_id),
        "attributes": only(attributes, None if fields is None else fields | JOB_ALWAYS),
        "links": {"self": url_of(request, f"/api/{kind}s/{row.job_id}")},
    }


def as_time(moment: datetime) -> str:
    """ISO 8601 with the zone."""
    return moment.isoformat()


def _times(row: Row[Any]) -> dict[str, str]:
    return {"created": as_time(row.created_at), "updated": as_time(row.changed_at)}


def _show_error(job_id: int, number: int, error: dict[str, str]) -> dict[str, Any]:
    return {
        "id": f"{job_id}-{number}",
        "code": error["code"],
        "title": "Conflict." if error["code"] == "duplicate_resource" else "Not found.",
        "detail": error["detail"],
        "source": {"pointer": error["pointer"]},
    }
