"""Shopify's webhooks: believed when signed, kept in one row each, answered before anything is done about them."""

import time

from starlette.requests import Request
from starlette.responses import Response

from include.catalog.shopify.webhooks import SIGNATURE, STORE, is_signed, read_delivery
from include.intake.access import access_of
from include.intake.answers import ApiError, empty
from include.intake.body import read_bytes
from include.intake.door import Door, door_of
from include.intake.routing import at
from include.intake.writers import writers_of
from include.services.webhook_keys import WebhookKey, find_key

LONGEST_BODY = 5_000_000
CACHE_SECONDS = 5.0
MOST_CACHED = 10_000


class WebhookKeys:
    """The keys of shops' webhooks; each is looked up once in a few seconds at most."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._known: dict[str, tuple[WebhookKey | None, float]] = {}

    async def of(self, shop_id: str) -> WebhookKey | None:
        """The key of a shop, if it has one."""
        cached, now = self._known.get(shop_id), time.monotonic()
        if cached is not None and now < cached[1]:
            return cached[0]
        key = await self._door.run(find_key, self._door.engine, shop_id)
        if len(self._known) >= MOST_CACHED:
            self._known.clear()
        self._known[shop_id] = key, now + CACHE_SECONDS
        return key


async def take_webhook(request: Request) -> Response:
    """`POST /webhooks/shopify/{shop_id}`: 200 once it is kept, also where it was kept before."""
    shop_id = request.path_params["shop_id"]
    body = await read_bytes(request, LONGEST_BODY)
    keys: WebhookKeys = request.app.state.webhook_keys
    key = await keys.of(shop_id)
    if key is None or not is_signed(key.secret, body, request.headers.get(SIGNATURE, "")):
        await access_of(request).check_address(request)
        raise ApiError.of(401, "The webhook is not signed with this shop's secret.")
    if not key.is_of_store(request.headers.get(STORE, "")):
        raise ApiError.of(404, "The webhook is of another store than this shop's Connection names.")
    request.scope["shop"] = shop_id
    delivery = read_delivery(request.headers, body, door_of(request).clock())
    await writers_of(request).webhooks.add(shop_id, delivery)
    return empty(200)


ROUTES = [at("/webhooks/shopify/{shop_id}", POST=take_webhook)]
