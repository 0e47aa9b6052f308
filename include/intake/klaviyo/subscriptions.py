"""Back-in-stock subscriptions: from browsers, from servers, and from the form of older themes."""

from typing import Literal

import msgspec
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from include.domain.request import CHANNELS, Request
from include.intake.access import access_of
from include.intake.answers import ApiError, empty
from include.intake.body import read_form, read_json
from include.intake.door import door_of
from include.intake.klaviyo.identifiers import SEPARATOR, read_catalog_id
from include.intake.klaviyo.people import (
    Contact,
    ProfileAttributes,
    ProfileReference,
    ProfileResource,
    read_contact,
)
from include.intake.rates import REQUESTS
from include.intake.routing import at, client_at
from include.intake.writers import writers_of
from include.services.asking import Asked

LONGEST_TEXT = 2_000
MOST_WANTED = 999_999
_PROFILE = "/data/attributes/profile/data"

Channel = Literal["EMAIL", "SMS", "PUSH", "WHATSAPP"]


class _Attributes(msgspec.Struct):
    channels: list[Channel]
    profile: ProfileReference | None = None
    wanted_quantity: int | None = None
    locale: str | None = None
    text_shown: str | None = None


class _Variant(msgspec.Struct):
    type: Literal["catalog-variant"]
    id: str


class _VariantReference(msgspec.Struct):
    data: _Variant


class _Item(msgspec.Struct):
    type: Literal["catalog-item"]
    id: str


class _ItemReference(msgspec.Struct):
    data: _Item


class _Relationships(msgspec.Struct):
    variant: _VariantReference | None = None
    item: _ItemReference | None = None
    profile: ProfileReference | None = None


class _Resource(msgspec.Struct):
    type: Literal["back-in-stock-subscription"]
    attributes: _Attributes
    relationships: _Relationships


class Subscription(msgspec.Struct):
    """The body; beyond Klaviyo: wanted_quantity, locale, text_shown, and an item instead of a variant."""

    data: _Resource


async def take_from_browser(request: HttpRequest) -> Response:
    """`POST /client/back-in-stock-subscriptions?company_id=…`."""
    key = await access_of(request).company(request, REQUESTS)
    return await _take(request, key.shop_id, "client")


async def take_from_server(request: HttpRequest) -> Response:
    """`POST /api/back-in-stock-subscriptions`."""
    key = await access_of(request).private(request, REQUESTS)
    return await _take(request, key.shop_id, "api")


async def take_from_form(request: HttpRequest) -> Response:
    """`POST /api/v1/catalog/subscribe` with the fields a, email, variant, platform."""
    await access_of(request).check_address(request)
    fields = await read_form(request)
    key = await access_of(request).company_named(request, fields.get("a", ""), REQUESTS, "a")
    profile = ProfileResource("profile", attributes=ProfileAttributes(email=fields.get("email")))
    variant = fields.get("variant", "")
    platform = fields.get("platform", "").strip().lower().lstrip("$")
    if SEPARATOR not in variant and platform in ("shopify", "bigcommerce"):
        variant = f"${platform}:::$default:::{variant}"
    try:
        contact = read_contact(profile, "", is_server=False)
    except ApiError as error:
        detail = error.faults[0].detail if fields.get("email", "").strip() else "'email' is a required field."
        raise ApiError.of(400, detail, parameter="email") from None
    item_id = read_catalog_id(variant, parameter="variant").external_id
    asked = _asked(request, contact, ("EMAIL",), "form", variant_id=item_id)
    await writers_of(request).requests.add(key.shop_id, asked)
    return JSONResponse({"success": True})


async def _take(request: HttpRequest, shop_id: str, source: str) -> Response:
    body = await read_json(request, Subscription)
    await writers_of(request).requests.add(shop_id, read_subscription(request, body, source))
    return empty(202)


def read_subscription(request: HttpRequest, body: Subscription, source: str) -> Asked:
    """The checked request; raises ApiError with a pointer."""
    attributes, related = body.data.attributes, body.data.relationships
    profile = attributes.profile or related.profile
    if profile is None:
        raise ApiError.of(400, "'profile' is a required field.", pointer="/data/attributes/profile")
    if not attributes.channels:
        raise ApiError.of(400, f"Allowed are {', '.join(CHANNELS)}.", pointer="/data/attributes/channels")
    contact = read_contact(profile.data, _PROFILE, is_server=source == "api")
    quantity = 1 if attributes.wanted_quantity is None else attributes.wanted_quantity
    if not 1 <= quantity <= MOST_WANTED:
        raise ApiError.of(400, f"Allowed is 1 to {MOST_WANTED}.", pointer="/data/attributes/wanted_quantity")
    return _asked(
        request,
        contact,
        tuple(dict.fromkeys(attributes.channels)),
        source,
        wanted_quantity=quantity,
        locale=(attributes.locale or "")[:20] or contact.locale,
        text_shown=(attributes.text_shown or "")[:LONGEST_TEXT] or None,
        **_read_target(related),
    )


def _read_target(related: _Relationships) -> dict[str, str]:
    if related.variant is not None and related.item is not None:
        raise ApiError.of(400, "Allowed is a variant or an item, not both.", pointer="/data/relationships")
    if related.variant is not None:
        pointer = "/data/relationships/variant/data/id"
        return {"variant_id": read_catalog_id(related.variant.data.id, pointer).external_id}
    if related.item is not None:
        pointer = "/data/relationships/item/data/id"
        return {"product_id": read_catalog_id(related.item.data.id, pointer).external_id}
    raise ApiError.of(400, "'variant' is a required field.", pointer="/data/relationships/variant")


def _asked(
    request: HttpRequest,
    contact: Contact,
    channels: tuple[str, ...],
    source: str,
    variant_id: str | None = None,
    product_id: str | None = None,
    wanted_quantity: int = 1,
    locale: str | None = None,
    text_shown: str | None = None,
) -> Asked:
    taken = Request(
        email=contact.email,
        email_key=contact.email_key,
        variant_id=variant_id,
        subscribed_at=door_of(request).clock(),
        channels=channels,
        wanted_quantity=wanted_quantity,
        first_name=contact.first_name,
        last_name=contact.last_name,
        locale=locale,
        product_id=product_id,
        phone=contact.phone,
        external_id=contact.external_id if contact.profile_id is None else f"{contact.profile_id}",
    )
    return Asked(taken, source, text_shown, profile_id=contact.profile_id)


ROUTES = [
    client_at("/client/back-in-stock-subscriptions", take_from_browser),
    at("/api/back-in-stock-subscriptions", POST=take_from_server),
    client_at("/api/v1/catalog/subscribe", take_from_form),
]
