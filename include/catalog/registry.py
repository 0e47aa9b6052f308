"""Which connector reads which platform: a folder of this package each, and a line here."""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from include.catalog.base import ConnectionForm, Connector, ShopConnection
from include.domain.shop import FEED, Shop
from include.errors import ConfigurationError
from include.settings import PROJECT_HOME

if TYPE_CHECKING:
    from include.catalog.feed.source import OpenStore

__all__ = ["PLATFORMS", "ShopConnection", "build_connector", "find_form", "find_settings"]

PLATFORMS: dict[str, str] = {
    FEED: "include.catalog.feed",
    "shopify": "include.catalog.shopify",
}
"""Each folder has `connector.py` with `build`, and `settings.py` with `SETTINGS` (its section of shops.yaml) and `FORM`
(its Connection)."""


def build_connector(
    shop: Shop,
    connection: ShopConnection | None = None,
    home: Path = PROJECT_HOME,
    open_store: "OpenStore | None" = None,
) -> Connector:
    """The connector of the shop's platform. Nothing is asked for yet; reading needs no connection.

    `open_store` makes a path of an object store's address and a conn_id, where one is needed.
    """
    if shop.platform not in PLATFORMS:
        known = ", ".join(PLATFORMS)
        raise ConfigurationError(
            f"shop {shop.id!r}: platform {shop.platform!r} is not known. Allowed are {known}."
        )
    module: Any = import_module(f"{PLATFORMS[shop.platform]}.connector")
    built: Connector = module.build(shop, connection, home, open_store)
    return built


def find_form(platform: str) -> ConnectionForm:
    """The form of a platform's Connection."""
    form: ConnectionForm = import_module(f"{PLATFORMS[platform]}.settings").FORM
    return form


def find_settings(platform: str) -> type[BaseModel] | None:
    """The section of shops.yaml under a platform's own name; None for `feed`, whose section the shop itself knows."""
    if platform == FEED or platform not in PLATFORMS:
        return None
    settings: type[BaseModel] = import_module(f"{PLATFORMS[platform]}.settings").SETTINGS
    return settings
