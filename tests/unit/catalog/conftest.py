from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from include.catalog.archive import Archive
from include.catalog.base import CatalogRow, RejectedRow, ShopConnection
from include.catalog.feed.connector import FeedConnector
from include.catalog.http import HttpClient
from include.domain.shop import FeedSettings, Shop
from include.domain.window import Window
from tests.fixtures.shopify.server import FakeShopify, serve
from tests.fixtures.shopify.shop import NOW as SHOPIFY_NOW
from tests.fixtures.shopify.shop import PulledShop
from tests.fixtures.shopify.store import FakeStore
from tests.unit.catalog.feed_server import FeedServer, run_feed_server

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
WINDOW = Window.manual("test")
FEEDS = Path(__file__).resolve().parents[2] / "fixtures" / "feeds"


def make_shop(conn_id: str | None = None, **feed) -> Shop:
    feed = {"allow_private": True, **feed}
    return Shop(
        id="elegant_lamp",
        platform="feed",
        conn_id=conn_id,
        schedule="15 minutes",
        currency="EUR",
        time_zone="Europe/Berlin",
        feed=FeedSettings(**feed),
    )


class Reading:
    """The rows of a feed, good and rejected."""

    def __init__(self, chunks) -> None:
        self.all = [row for chunk in chunks for row in chunk]
        self.rows = [row for row in self.all if isinstance(row, CatalogRow)]
        self.rejected = [row for row in self.all if isinstance(row, RejectedRow)]
        self.quantities = {row.variant_id: row.quantity for row in self.rows}


class FeedReader:
    """Pulls and reads a feed through the real connector and a real archive folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0
        self.pauses: list[float] = []

    def archive(self, name: str = "test") -> Archive:
        return Archive(self.folder / "archive", "elegant_lamp", Window.manual(name))

    def connector(self, shop: Shop, connection: ShopConnection | None = None) -> FeedConnector:
        return FeedConnector(
            shop,
            connection,
            self.folder,
            lambda access, limits: HttpClient(access, limits, sleep=self.pauses.append),
        )

    def read(self, content: bytes | str, **feed) -> Reading:
        self.count += 1
        path = self.folder / f"feed-{self.count}"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return self.read_from(make_shop(url=str(path), **feed))

    def read_from(self, shop: Shop, connection: ShopConnection | None = None) -> Reading:
        self.count += 1
        archive = self.archive(f"pull-{self.count}")
        connector = self.connector(shop, connection)
        connector.pull(WINDOW, archive, NOW)
        return Reading(connector.read(archive))


@pytest.fixture
def reader(tmp_path: Path) -> FeedReader:
    return FeedReader(tmp_path)


@pytest.fixture
def feeds() -> Iterator[FeedServer]:
    with run_feed_server() as server:
        yield server


@pytest.fixture
def store() -> FakeStore:
    store = FakeStore(clock=lambda: SHOPIFY_NOW)
    store.add("Lamp", 3, 4)
    return store


@pytest.fixture
def shopify(store: FakeStore) -> Iterator[FakeShopify]:
    with serve(FakeShopify(store)) as running:
        yield running


@pytest.fixture
def shop(shopify: FakeShopify, tmp_path: Path) -> PulledShop:
    return PulledShop(shopify, tmp_path)
