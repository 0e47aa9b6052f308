"""The platform `shopify`: the whole shop by bulk operation, and what changed by pages in between."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from include.ahead import ahead
from include.catalog.archive import Archive
from include.catalog.base import Chunk, ShopConnection
from include.catalog.gunzip import Readable
from include.catalog.http import Access, HttpClient, Limits
from include.catalog.shopify.bulk import BulkSweep, find_operation
from include.catalog.shopify.client import ShopifyClient
from include.catalog.shopify.increments import Increment
from include.catalog.shopify.rows import RowMapper, SweepReader, read_pages
from include.catalog.shopify.settings import ShopifySettings
from include.domain.shop import Shop
from include.domain.window import Window
from include.errors import ConfigurationError

BLOCK = 256 * 1024
BLOCKS_AHEAD = 4
TOKEN = "X-Shopify-Access-Token"  # noqa: S105


class ShopifyConnector:
    """A Shopify shop (a Connector). Only `pull` and `is_ready` need the connection."""

    knows_the_past = False

    def __init__(
        self,
        shop: Shop,
        connection: ShopConnection | None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._shop = shop
        self._connection = connection
        self._sleep = sleep
        self._adopted: set[str] = set()

    @property
    def full_every(self) -> timedelta:
        """Increments say nothing of what was deleted, and can miss things: the whole is read again and again."""
        return self._settings.full_interval

    @property
    def webhook_secret(self) -> str | None:
        """The app's client secret, in the Connection's extra."""
        secret = self._connection.extra.get("webhook_secret") if self._connection else None
        return str(secret) if secret else None

    @property
    def store_domain(self) -> str | None:
        """The Connection's host, where it is the name by which Shopify knows the store: example.myshopify.com."""
        base_url = self._connection.base_url if self._connection else None
        host = urlsplit(base_url).hostname if base_url else None
        return host if host and host.endswith(".myshopify.com") else None

    @property
    def _settings(self) -> ShopifySettings:
        options = self._shop.options
        return options if isinstance(options, ShopifySettings) else ShopifySettings()

    def pull(self, window: Window, archive: Archive, now: datetime, since: datetime | None = None) -> None:
        """Archive the whole shop, or what changed `since`; see Connector.pull."""
        http, url = self._open()
        with http.kept_open(url):
            client = ShopifyClient(http, url, self._shop.id, self._sleep)
            if since is None:
                result = Access(
                    "the bulk operation's result", subject="result", shown="whether the address expired"
                )
                files = HttpClient(result, self._limits, self._sleep)
                BulkSweep(client, files, self._shop.id, window, self._adopted).fetch(archive, url)
                return
            with archive.start(now, url) as writer:
                Increment(client, self._settings.page_size, since).write(writer)
                writer.finish(kind="partial", content_type="application/json")

    def is_ready(self, awaited: str) -> bool:
        """Whether a bulk operation has come to its end."""
        http, url = self._open()
        operation = find_operation(ShopifyClient(http, url, self._shop.id, self._sleep), awaited)
        return operation is None or not operation.is_waiting

    def read(self, archive: Archive) -> Iterator[Chunk]:
        """The rows of a sweep, or of the pages of an increment; see Connector.read."""
        manifest = archive.manifest
        mapper = RowMapper(self._settings.published_on)
        if manifest.kind == "partial":
            yield from read_pages(_bodies(archive), mapper)
            return
        for part in manifest.parts:
            # Unpacked in a thread of its own: zlib leaves the processor's other core free.
            with archive.open_part(part) as stream, closing(ahead(_blocks(stream), BLOCKS_AHEAD)) as blocks:
                yield from SweepReader(blocks, mapper, manifest.source).read()

    @property
    def _limits(self) -> Limits:
        settings = self._settings
        return Limits(
            total_seconds=60 * settings.max_minutes,
            most_bytes=settings.max_megabytes * 1_000_000,
            allow_private=settings.allow_private,
            section="shopify",
        )

    def _open(self) -> tuple[HttpClient, str]:
        connection = self._require_connection()
        token = {TOKEN: str(connection.password)}
        access = Access(connection.place, headers=token, subject="shop", shown="the Admin API access token")
        url = f"{connection.base_url}/admin/api/{self._settings.api_version}/graphql.json"
        return HttpClient(access, self._limits, self._sleep), url

    def _require_connection(self) -> ShopConnection:
        connection = self._connection
        if connection is not None and connection.base_url and connection.password:
            return connection
        raise ConfigurationError(
            f"shop {self._shop.id!r}: it needs an Airflow Connection of type Shopify, named by conn_id "
            f"(now {self._shop.conn_id!r}), with the shop's domain as host, as in example.myshopify.com, and the "
            "app's Admin API access token as password."
        )


def _bodies(archive: Archive) -> Iterator[bytes]:
    for part in archive.manifest.parts:
        with archive.open_part(part) as stream:
            yield b"".join(_blocks(stream))


def _blocks(stream: Readable) -> Iterator[bytes]:
    return iter(partial(stream.read, BLOCK), b"")


def build(
    shop: Shop, connection: ShopConnection | None, home: Path, open_store: Any = None
) -> ShopifyConnector:
    """The connector of a shop with platform `shopify`."""
    return ShopifyConnector(shop, connection)
