"""Shopify's mandatory privacy webhooks: `POST /privacy/shopify/<shop>`, signed by the app or the shop's webhooks."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from include.catalog.shopify.webhooks import PRIVACY_TOPICS, SIGNATURE, STORE, TOPIC, is_signed
from include.domain.request import fold_email
from include.errors import NotFound, RowRejected
from include.intake.access import access_of
from include.intake.answers import ApiError, empty
from include.intake.body import decode, read_bytes
from include.intake.door import Door, door_of
from include.intake.routing import at
from include.intake.webhooks.shopify import WebhookKeys
from include.services.contacts import check_phone
from include.services.privacy import Identifiers, erase_person, erase_shop, note_export_request
from include.services.shops import find_shop_of_store

SOURCE = "shopify"


class _Customer(msgspec.Struct):
    id: int | None = None
    email: str | None = None
    phone: str | None = None


class _Body(msgspec.Struct):
    customer: _Customer = msgspec.field(default_factory=_Customer)
    shop_domain: str | None = None


async def take(request: Request) -> Response:
    """200 once it is done or noted; 401 for what Shopify did not sign."""
    await access_of(request).check_address(request)
    raw = await read_bytes(request)
    door = door_of(request)
    keys: WebhookKeys = request.app.state.webhook_keys
    key = await keys.of(request.path_params["shop_id"])
    secrets = (door.settings.shopify_secret, key and key.secret)
    signature = request.headers.get(SIGNATURE, "")
    if not any(is_signed(secret, raw, signature) for secret in secrets if secret):
        raise ApiError.of(401, "Shopify did not sign this.")
    topic = request.headers.get(TOPIC, "")
    if topic not in PRIVACY_TOPICS:
        raise ApiError.of(400, f"The topic is none of {', '.join(PRIVACY_TOPICS)}.")
    body = decode(raw, _Body)
    store = request.headers.get(STORE) or body.shop_domain or ""
    await door.run(_obey, door, request.path_params["shop_id"], store, topic, body)
    return empty(200)


def _obey(door: Door, shop_id: str, store: str, topic: str, body: _Body) -> None:
    with door.engine.connect() as connection:
        shop_id = find_shop_of_store(connection, shop_id, store)
    who, now = _identifiers(body.customer), door.clock()
    if topic == "customers/data_request":
        note_export_request(door.engine, shop_id, who, SOURCE, now)
        return
    if topic == "shop/redact":
        erase_shop(door.engine, shop_id, SOURCE, now)
        return
    try:
        erase_person(door.engine, shop_id, who, SOURCE, now)
    except NotFound:
        return  # Nobody to forget: Shopify would ask again for ever.


def _identifiers(customer: _Customer) -> Identifiers:
    try:
        phone = check_phone(customer.phone) if customer.phone else None
    except RowRejected:
        phone = None
    return Identifiers(
        fold_email(customer.email) if customer.email else None,
        phone,
        None if customer.id is None else str(customer.id),
    )


ROUTES = [at("/privacy/shopify/{shop_id}", POST=take)]
