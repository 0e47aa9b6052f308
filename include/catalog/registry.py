"""Which connector reads which platform."""

from pathlib import Path
from typing import TYPE_CHECKING

from include.catalog.base import Connector, ShopConnection
from include.domain.shop import Shop
from include.settings import PROJECT_HOME

if TYPE_CHECKING:
    from include.catalog.feed.source import OpenStore

__all__ = ["ShopConnection", "build_connector"]


def build_connector(
    shop: Shop,
    connection: ShopConnection | None = None,
    home: Path = PROJECT_HOME,
    open_store: "OpenStore | None" = None,
) -> Connector:
    """The connector of the shop's platform. Nothing is asked for yet; reading needs no connection.

    `open_store` makes a path of an object store's address and a conn_id, where one is needed.
    """
    from include.catalog.feed.connector import FeedConnector
    from include.catalog.feed.source import open_plain_store

    return FeedConnector(shop, connection, home, open_store=open_store or open_plain_store)
