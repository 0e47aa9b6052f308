"""Which place a shop's settings and its Connection name as the source of its feed."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

from include.catalog.addresses import check_host, resolve_name
from include.catalog.base import ShopConnection
from include.catalog.feed.copying import FeedSource, FileSource, HttpSource, ObjectPath, StoreSource
from include.catalog.http import Access, HttpClient, Limits
from include.domain.dated_address import address_of
from include.domain.shop import STORES, FeedSettings, Shop
from include.errors import ConfigurationError

SSH_PORT = 22
OpenClient = Callable[[Access, Limits], HttpClient]
OpenStore = Callable[[str, str | None], ObjectPath]


def open_plain_store(url: str, conn_id: str | None) -> ObjectPath:
    """A path in an object store with the credentials that its own library finds; `conn_id` means nothing here."""
    from upath import UPath

    return UPath(url)


def find_source(
    shop: Shop,
    connection: ShopConnection | None,
    home: Path,
    open_client: OpenClient = HttpClient,
    open_store: OpenStore = open_plain_store,
    window: tuple[datetime, datetime] | None = None,
) -> FeedSource:
    """The source that the shop's settings name, for a window where they are dated; relative paths begin at `home`."""
    settings = _dated(settings_of(shop), window)
    if shop.conn_id is not None and connection is None:
        raise ConfigurationError(
            f"shop {shop.id!r}: there is no Airflow Connection {shop.conn_id!r}. Create it under "
            "Admin, Connections, with the feed's host, or take conn_id out of shops.yaml."
        )
    scheme = (settings.url or "").partition("://")[0]
    if settings.url is not None and scheme in STORES:
        return StoreSource(settings.url, partial(_open_store, shop, settings, open_store), settings.max_bytes)
    if settings.url is not None and scheme not in ("http", "https"):
        return FileSource(_path_of(settings.url, home), settings.max_bytes)
    url = settings.url or _url_of(shop, connection) + (settings.path or "")
    return HttpSource(url, open_client(_access(shop, connection), _limits(settings)))


def settings_of(shop: Shop) -> FeedSettings:
    """The shop's section `feed`; raises ConfigurationError where it has none."""
    if shop.feed is None:
        raise ConfigurationError(f"shop {shop.id!r}: it has no section feed in shops.yaml.")
    return shop.feed


def _dated(settings: FeedSettings, window: tuple[datetime, datetime] | None) -> FeedSettings:
    if window is None or not settings.is_dated:
        return settings
    url = None if settings.url is None else address_of(settings.url, *window)
    path = None if settings.path is None else address_of(settings.path, *window)
    return settings.model_copy(update={"url": url, "path": path})


def _open_store(shop: Shop, settings: FeedSettings, open_store: OpenStore) -> ObjectPath:
    url = settings.url or ""
    parts = urlsplit(url)
    # The names of other stores are those of buckets, which their own libraries find.
    if parts.scheme == "sftp" and not settings.allow_private:
        check_host(parts.hostname or "", SSH_PORT, resolve_name)
    return open_store(url, shop.conn_id)


def _limits(settings: FeedSettings) -> Limits:
    return Limits(
        total_seconds=60 * settings.max_minutes,
        most_bytes=settings.max_bytes,
        allow_private=settings.allow_private,
    )


def _url_of(shop: Shop, connection: ShopConnection | None) -> str:
    if connection is None or connection.base_url is None:
        raise ConfigurationError(
            f"shop {shop.id!r}: Airflow Connection {shop.conn_id!r} has no host, and feed.path needs one. "
            "Fill in its host, as in http://127.0.0.1, and its port."
        )
    if not connection.base_url.startswith(("http://", "https://")):
        raise ConfigurationError(
            f"shop {shop.id!r}: the host of Airflow Connection {shop.conn_id!r} must begin with http:// or https://."
        )
    return connection.base_url


def _access(shop: Shop, connection: ShopConnection | None) -> Access:
    if connection is None:
        return Access(place="shops.yaml: the shop has no conn_id")
    headers = connection.extra.get("headers", {})
    if not isinstance(headers, Mapping) or not all(isinstance(value, str) for value in headers.values()):
        raise ConfigurationError(
            f"shop {shop.id!r}: in the extra of Airflow Connection {shop.conn_id!r}, headers must be an object "
            'of texts: {"headers": {"X-Api-Key": "…"}}.'
        )
    if name := connection.extra.get("header_name"):
        headers = {**headers, str(name): str(connection.extra.get("header_secret") or "")}
    return Access(connection.place, connection.login, connection.password, headers)


def _path_of(url: str, home: Path) -> Path:
    if not url.startswith("file://"):
        return home / url
    return home / unquote(url.removeprefix("file://").removeprefix("localhost"))
