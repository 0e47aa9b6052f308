"""A Shopify shop of 250,000 variants at three locations: our client against the bare transfer, and its memory."""

import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import requests

from benchmarks.apart import peak_megabytes, run_apart
from benchmarks.framework import register
from benchmarks.place import (
    NOW,
    SETTINGS_TEXT,
    copied_database,
    folder,
    open_server,
    statement,
)
from include.catalog.archive import Archive
from include.catalog.base import CatalogRow, ShopConnection
from include.catalog.registry import build_connector
from include.catalog.shopify.settings import ShopifySettings
from include.db.engine import connect
from include.domain.shop import Shop
from include.domain.window import Window

VARIANTS = 250_000
LOCATIONS = 3
FIRST_ID = 9_007_199_254_740_993
LEVEL = (
    '{{"id":"gid:\\/\\/shopify\\/InventoryLevel\\/{place}?inventory_item_id={item}","updatedAt":"2026-03-01T08:00:00Z",'
    '"location":{{"id":"gid:\\/\\/shopify\\/Location\\/{place}"}},"quantities":[{{"name":"available","quantity":{units},'
    '"updatedAt":null}}],"__parentId":"gid:\\/\\/shopify\\/ProductVariant\\/{variant}"}}\n'
)


@dataclass(frozen=True)
class Place:
    """A server on 127.0.0.1 with one finished bulk operation, and a database that knows nothing."""

    url: str
    database: str
    archive: Path


def an_empty_shop(engine: Any) -> None:
    """Migrated and no more."""


@contextmanager
def _prepare() -> Iterator[Place]:
    with (
        open_server() as server,
        tempfile.TemporaryDirectory(dir=folder()) as archive,
        copied_database(server, an_empty_shop, "bench_shopify") as database,
        tempfile.NamedTemporaryFile(dir=folder(), suffix=".jsonl") as result,
    ):
        with Path(result.name).open("w") as lines:
            lines.writelines(_lines())
        yield from _serving(result.name, database, Path(archive))


def _serving(result: str, database: str, archive: Path) -> Iterator[Place]:
    parent, child = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(child, result), daemon=True)
    process.start()
    try:
        yield Place(parent.recv(), database, archive)
    finally:
        process.terminate()
        process.join()


def _lines() -> Iterator[str]:
    for number in range(VARIANTS):
        variant, item = FIRST_ID + number, FIRST_ID + VARIANTS + number
        yield json.dumps(_variant(variant, item, number), separators=(",", ":")).replace("/", "\\/") + "\n"
        for place in range(LOCATIONS):
            yield LEVEL.format(place=101 + place, item=item, units=(number + place) % 7, variant=variant)


def _variant(variant: int, item: int, number: int) -> dict[str, Any]:
    product = {
        "id": f"gid://shopify/Product/{FIRST_ID + number // 5}",
        "title": f"Lamp no. {number // 5} made of brass",
        "status": "ACTIVE",
        "publishedAt": "2026-01-01T00:00:00Z",
        "onlineStoreUrl": f"https://shop.example/products/lamp-{number // 5}",
        "productType": "Lamps",
        "tags": ["brass", "new"],
        "featuredMedia": {"preview": {"image": {"url": f"https://cdn.example/{number // 5}.jpg"}}},
    }
    return {
        "id": f"gid://shopify/ProductVariant/{variant}",
        "title": f"Size {number % 5}",
        "price": "19.90",
        "compareAtPrice": None,
        "inventoryPolicy": "DENY",
        "product": product,
        "inventoryItem": {"id": f"gid://shopify/InventoryItem/{item}", "tracked": True},
    }


def _serve(pipe: Any, result: str) -> None:
    size = Path(result).stat().st_size

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            operation = {
                "id": "gid://shopify/BulkOperation/1",
                "status": "COMPLETED",
                "createdAt": NOW.isoformat(),
                "query": "# restock bench first\n",
                "objectCount": str(VARIANTS * (1 + LOCATIONS)),
                "fileSize": str(size),
                "url": f"http://127.0.0.1:{self.server.server_address[1]}/result",  # type: ignore[str-bytes-safe]
            }
            body = json.dumps({"data": {"bulkOperations": {"nodes": [operation]}}}).encode()
            self._begin(len(body))
            self.wfile.write(body)

        def do_GET(self) -> None:
            self._begin(size)
            with Path(result).open("rb") as lines:
                sent = 0
                while sent < size:
                    sent += os.sendfile(self.connection.fileno(), lines.fileno(), sent, size - sent)

        def _begin(self, length: int) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.flush()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    pipe.send(f"http://127.0.0.1:{server.server_address[1]}")
    server.serve_forever()


def _connector(url: str) -> tuple[Shop, Any]:
    shop = Shop(
        id="bench",
        platform="shopify",
        conn_id="shop_bench",
        schedule="15 minutes",
        currency="EUR",
        time_zone="UTC",
        options=ShopifySettings(allow_private=True),
    )
    return shop, build_connector(shop, ShopConnection("shop_bench", url, password="token"))


def _ours(place: Place) -> tuple[float, dict[str, float]]:
    return run_apart(pull_and_read, place)


def pull_and_read(place: Place) -> tuple[float, dict[str, float]]:
    """Fetch the result into the archive and make rows of it; then load them too, for the memory that it takes."""
    from include.services.catalog import load_snapshot, pull_window

    shop, connector = _connector(place.url)
    window = Window("first")
    began = time.perf_counter()
    archive = Archive(place.archive, shop.id, window)
    connector.pull(window, archive, NOW)
    pulled = time.perf_counter()
    rows = sum(isinstance(row, CatalogRow) for chunk in connector.read(archive) for row in chunk)
    read = time.perf_counter()
    assert rows == VARIANTS * LOCATIONS, rows
    without = peak_megabytes()
    engine = connect(place.database)
    given: tuple[Any, ...] = (engine, shop, connector, place.archive, window)
    pull_window(*given, NOW)
    loaded = load_snapshot(*given, NOW)
    seconds = time.perf_counter() - read
    assert loaded["rows"] == rows, loaded
    _forget(engine, archive)
    return read - began, {
        "pull_s": pulled - began,
        "read_s": read - pulled,
        "load_s": seconds,
        "peak_mb": peak_megabytes(),
        "peak_without_load_mb": without,
    }


def _forget(engine: Any, archive: Archive) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(statement("load.forget_snapshot"))
    engine.dispose()
    archive.delete()


def _floor(place: Place) -> float:
    return run_apart(transfer_and_decode, place.url)


def transfer_and_decode(url: str) -> float:
    """The result line by line as plain dictionaries, kept nowhere."""
    decoder = msgspec.json.Decoder()
    began = time.perf_counter()
    with requests.Session() as session:
        session.trust_env = False
        count, rest = 0, b""
        for block in session.get(f"{url}/result", stream=True, timeout=60).iter_content(256 * 1024):
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                decoder.decode(line)
            count += len(lines)
    assert count == VARIANTS * (1 + LOCATIONS), count
    return time.perf_counter() - began


register(
    "shopify",
    _ours,
    _floor,
    target_ratio=4.0,
    unit="s",
    about=(
        f"{VARIANTS:,} variants at {LOCATIONS} locations, as a bulk operation of a server shaped like Shopify's gives "
        "them: `pull`, which fetches the result into the archive (packed, with a digest), and `read`, which makes "
        f"{VARIANTS * LOCATIONS:,} checked rows. The floor fetches the same bytes with `requests` and decodes "
        "each line with msgspec into a dictionary, which it forgets. `peak_mb` is the whole memory of our process, "
        f"which afterwards also loads the rows into Postgres ({SETTINGS_TEXT})."
    ),
    prepare=_prepare,
    limits={"peak_mb": 150},
)
