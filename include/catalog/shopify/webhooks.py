"""Shopify's webhooks: whether they are Shopify's, and what of them is needed."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from include.catalog.shopify.rows import SHOWN_STATUSES, check_quantity
from include.domain.webhook import Delivery
from include.errors import RowRejected

SIGNATURE = "x-shopify-hmac-sha256"
TOPIC = "x-shopify-topic"
STORE = "x-shopify-shop-domain"
WEBHOOK_ID = "x-shopify-webhook-id"
TRIGGERED_AT = "x-shopify-triggered-at"
LONGEST_ID = 100
PRIVACY_TOPICS = ("customers/redact", "customers/data_request", "shop/redact")

Body = TypeVar("Body")


class _Level(msgspec.Struct):
    inventory_item_id: int
    location_id: int
    available: int | None
    updated_at: datetime | None = None


class _Variant(msgspec.Struct):
    id: int
    title: str | None = None
    price: str | float | None = None
    compare_at_price: str | float | None = None
    inventory_policy: str | None = None
    inventory_item_id: int | None = None
    inventory_quantity: int | None = None
    updated_at: datetime | None = None


class _Image(msgspec.Struct):
    src: str | None = None


class _Product(msgspec.Struct):
    id: int
    title: str | None = None
    status: str | None = None
    published_at: datetime | None = None
    image: _Image | None = None
    variants: list[_Variant] = []
    updated_at: datetime | None = None


class _Deleted(msgspec.Struct):
    id: int


class _Finished(msgspec.Struct):
    admin_graphql_api_id: str
    status: str | None = None


def is_signed(secret: str, body: bytes, signature: str) -> bool:
    """Whether `signature` is the one of the raw body; it takes the same time whatever is wrong."""
    expected = base64.b64encode(hmac.digest(secret.encode(), body, hashlib.sha256))
    return hmac.compare_digest(expected, signature.encode("utf-8", "replace"))


def read_delivery(headers: Mapping[str, str], body: bytes, now: datetime) -> Delivery:
    """What a signed webhook says; raises RowRejected where it can't be read. Unknown topics say nothing."""
    topic, webhook_id = headers.get(TOPIC, ""), headers.get(WEBHOOK_ID, "")
    if not topic or not 0 < len(webhook_id) <= LONGEST_ID or not webhook_id.isprintable():
        raise RowRejected(f"a webhook needs the headers {TOPIC} and {WEBHOOK_ID}")
    if topic in PRIVACY_TOPICS:
        raise RowRejected(f"{topic} belongs to /privacy/shopify/<shop>; here nobody would obey it")
    read = _READERS.get(topic)
    try:
        said, updated_at = read(body) if read else ({}, None)
    except msgspec.DecodeError as error:
        raise RowRejected(f"the body of {topic} can't be read: {error}") from None
    occurred_at = _moment(headers.get(TRIGGERED_AT)) or updated_at or now
    return Delivery(webhook_id, topic, min(occurred_at, now), said)


Said = tuple[dict[str, Any], datetime | None]


def _level(body: bytes) -> Said:
    level = _decode(body, _Level)
    if level.available is None:
        return {}, level.updated_at
    check_quantity(level.available)
    told = {
        "item": str(level.inventory_item_id),
        "location": str(level.location_id),
        "available": level.available,
    }
    return {"levels": [told]}, level.updated_at


def _total(body: bytes) -> Said:
    variant = _decode(body, _Variant)
    if variant.inventory_quantity is None:
        return {}, variant.updated_at
    check_quantity(variant.inventory_quantity)
    return (
        {"totals": [{"variant": str(variant.id), "available": variant.inventory_quantity}]},
        variant.updated_at,
    )


def _product(body: bytes) -> Said:
    product = _decode(body, _Product)
    status = None if product.status is None else product.status.upper()
    image = _kept(product.image.src) if product.image else None
    variants = [
        {
            "variant": str(variant.id),
            "product": str(product.id),
            "title": _title(product.title, variant.title),
            "image_url": image,
            "price": _price(variant.price),
            "compare_at_price": _price(variant.compare_at_price),
            "is_active": None if status is None else status in SHOWN_STATUSES,
            "is_on_store": product.published_at is not None,
            "continue_selling": None
            if variant.inventory_policy is None
            else variant.inventory_policy == "continue",
        }
        for variant in product.variants
    ]
    return {"variants": variants}, product.updated_at


def _deleted(body: bytes) -> Said:
    return {"deleted_product": str(_decode(body, _Deleted).id)}, None


def _finished(body: bytes) -> Said:
    return {"operation": _kept(_decode(body, _Finished).admin_graphql_api_id[:LONGEST_ID])}, None


_READERS: Mapping[str, Callable[[bytes], Said]] = {
    "inventory_levels/update": _level,
    "variants/in_stock": _total,
    "variants/out_of_stock": _total,
    "products/update": _product,
    "products/delete": _deleted,
    "bulk_operations/finish": _finished,
}


def _decode(body: bytes, shape: type[Body]) -> Body:
    return msgspec.json.decode(body, type=shape)


def _title(product: str | None, variant: str | None) -> str | None:
    if product is None:
        return None
    return _kept(product if variant in (None, "Default Title") else f"{product} - {variant}")


def _kept(text: str | None) -> str | None:
    """A text that Postgres can keep; one with a NUL says nothing."""
    return None if text is None or "\0" in text else text


def _price(price: str | float | None) -> str | None:
    text = str(price) if price is not None else ""
    whole, _, part = text.partition(".")
    is_price = len(text) <= 40 and text.isascii() and whole.isdigit() and (not part or part.isdigit())
    return text if is_price else None


def _moment(text: str | None) -> datetime | None:
    try:
        moment = msgspec.convert(text, datetime) if text else None
    except msgspec.ValidationError:
        return None
    return moment.astimezone(UTC) if moment and moment.tzinfo else None
