"""The ASGI application: `uvicorn include.intake.app:app`, or `restock intake serve`.

Routes are lists named ROUTES of the modules below; a new part of the door adds its own list here.
"""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

from starlette.routing import BaseRoute, Router

from include.intake import health, privacy
from include.intake.access import Access
from include.intake.callbacks import routes as callbacks
from include.intake.door import Door, present
from include.intake.frontage import Frontage
from include.intake.klaviyo import catalog, catalog_jobs, events, profiles, subscriptions
from include.intake.links import pages
from include.intake.logs import write_json_lines
from include.intake.own import subscriptions as own
from include.intake.webhooks import shopify
from include.intake.writers import Writers
from include.settings import Settings, load_settings

ROUTES: list[BaseRoute] = [
    *subscriptions.ROUTES,
    *events.ROUTES,
    *profiles.ROUTES,
    *catalog.ROUTES,
    *catalog_jobs.ROUTES,
    *pages.ROUTES,
    *shopify.ROUTES,
    *callbacks.ROUTES,
    *privacy.ROUTES,
    *own.ROUTES,
    *health.ROUTES,
]


def build_app(
    settings: Settings | None = None, clock: Callable[[], datetime] = present, writes_logs: bool = False
) -> Frontage:
    """The door of one database; it connects when it starts, not when it is built."""

    @asynccontextmanager
    async def lifespan(app: Frontage) -> AsyncIterator[None]:
        if writes_logs:
            write_json_lines()
        door = Door.open(settings or load_settings())
        door.clock = clock
        app.state.door = door
        app.state.access = Access(door)
        app.state.writers = Writers(door)
        app.state.webhook_keys = shopify.WebhookKeys(door)
        try:
            yield
        finally:
            door.close()
            for handler in logging.root.handlers:
                handler.flush()

    return Frontage(Router(ROUTES, redirect_slashes=False, lifespan=lifespan))


app = build_app(writes_logs=True)
