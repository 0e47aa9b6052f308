"""A pull that is killed at any request leaves nothing half, and the next one goes on or begins anew."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import timedelta

import pytest

from include.errors import ConfigurationError
from tests.fixtures.shopify.server import TOKEN, FakeShopify, serve
from tests.fixtures.shopify.shop import NOW, PulledShop
from tests.fixtures.shopify.store import FakeStore

PULL = """
import sys
from datetime import datetime
from pathlib import Path
from include.catalog.archive import Archive
from include.catalog.base import ShopConnection
from include.catalog.shopify.connector import ShopifyConnector
from include.catalog.shopify.settings import ShopifySettings
from include.domain.shop import Shop
from include.domain.window import Window
from include.errors import NotReady

url, token, folder, now, start, since = sys.argv[1:]
now, start = datetime.fromisoformat(now), datetime.fromisoformat(start)
shop = Shop(id="acme", platform="shopify", conn_id="shop_acme", schedule="15 minutes", currency="EUR",
            time_zone="UTC", options=ShopifySettings(allow_private=True, page_size=1))
connector = ShopifyConnector(shop, ShopConnection("shop_acme", url, password=token))
window = Window.scheduled(start, now)
archive = Archive(Path(folder), "acme", window)
while True:
    try:
        connector.pull(window, archive, now, datetime.fromisoformat(since) if since else None)
        break
    except NotReady as waiting:
        while not connector.is_ready(waiting.awaited):
            pass
"""


@pytest.fixture
def shopify():
    store = FakeStore(clock=lambda: NOW)
    store.add("Lamp", 3, 4)
    store.add("Vase", 1, 2)
    with serve(FakeShopify(store, polls=2)) as running:
        yield running


class Victim:
    """A process that pulls, and dies when the server answers its nth request, in the middle of the answer."""

    def __init__(self, shopify: FakeShopify, shop: PulledShop, since: str) -> None:
        self.shopify = shopify
        span = [shop.window.end.isoformat(), shop.window.start.isoformat()]
        self.command = [sys.executable, "-c", PULL, shopify.url, TOKEN, str(shop.folder), *span, since]

    def die_at(self, request: int) -> None:
        def kill(handler, body):
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            return False

        self.shopify.faults = [*[lambda handler, body: False] * (request - 1), kill]
        process = subprocess.Popen(self.command)
        assert process.wait(60) == -signal.SIGKILL


@pytest.mark.parametrize("request_number", [1, 2, 3, 5])
def test_a_sweep_killed_at_any_poll_is_found_again(shopify, tmp_path, request_number):
    shop = PulledShop(shopify, tmp_path, page_size=1)
    Victim(shopify, shop, "").die_at(request_number)
    assert not shop.archive.exists()
    assert len(shop.sweep()) == 4
    assert len(shopify.operations) == 1
    assert leftovers(shop) == []


@pytest.mark.parametrize("request_number", [1, 3, 6])
def test_an_increment_killed_at_any_page_begins_anew(shopify, tmp_path, request_number):
    shop = PulledShop(shopify, tmp_path, page_size=1)
    since = NOW - timedelta(hours=1)
    Victim(shopify, shop, since.isoformat()).die_at(request_number)
    assert not shop.archive.exists()
    assert len([row for row in shop.changes(since) if row.quantity is not None]) == 4
    assert leftovers(shop) == []


def leftovers(shop: PulledShop) -> list[str]:
    kept = {part.name for part in shop.archive.manifest.parts} | {"manifest.json"}
    (folder,) = (path for path in (shop.folder / "acme").iterdir() if path.is_dir())
    return sorted(path.name for path in folder.iterdir() if path.name not in kept)


def test_a_private_address_is_refused_unless_the_shop_allows_it(shopify, tmp_path):
    shop = PulledShop(shopify, tmp_path, allow_private=False)
    with pytest.raises(ConfigurationError, match=r"is a loopback address.*set shopify\.allow_private: true"):
        shop.pull(NOW)
    assert shopify.asked == []


def test_so_is_the_result_of_a_sweep_that_leads_to_one(shopify, tmp_path, monkeypatch):
    shop = PulledShop(shopify, tmp_path)
    with pytest.raises(Exception, match="Shopify prepares"):
        shop.pull()
    shopify.operations[0].status = "COMPLETED"
    connector = shop.connector
    public = type(connector)._limits.fget(connector)
    limits = iter([public, type(public)(allow_private=False, section="shopify")])
    monkeypatch.setattr(type(connector), "_limits", property(lambda _: next(limits)))
    with pytest.raises(Exception, match="a loopback address"):
        connector.pull(shop.window, shop.archive, NOW)
    assert shopify.downloads == 0
