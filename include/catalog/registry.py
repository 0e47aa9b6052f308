"""Which connector reads which platform."""

from pathlib import Path

from include.catalog.base import Connector, ShopConnection
from include.domain.shop import Shop
from include.settings import PROJECT_HOME

__all__ = ["ShopConnection", "build_connector"]


def build_connector(
    shop: Shop, connection: ShopConnection | None = None, home: Path = PROJECT_HOME
) -> Connector:
    """The connector of the shop's platform. Nothing is asked for yet; reading needs no connection."""
    from include.catalog.feed.connector import FeedConnector

    return FeedConnector(shop, connection, home)
