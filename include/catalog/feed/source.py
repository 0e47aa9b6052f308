"""Where a shop's feed is fetched: an address over HTTP, or a file."""

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import unquote

from include.catalog.archive import Archive
from include.catalog.base import ShopConnection
from include.catalog.http import Access, HttpClient, Reply
from include.domain.shop import FeedSettings, Shop
from include.errors import ConfigurationError

BLOCK = 256 * 1024
ENCODINGS = ("", "identity", "gzip", "x-gzip")


class FeedSource(Protocol):
    """One place that a feed is copied from."""

    def copy_to(self, archive: Archive, now: datetime) -> None:
        """Make what is there at `now` the archive; raises ConfigurationError or TemporaryError."""


def find_source(
    shop: Shop,
    connection: ShopConnection | None,
    home: Path,
    open_client: Callable[[Access], HttpClient] = HttpClient,
) -> FeedSource:
    """The source that the shop's settings name; relative paths begin at `home`."""
    settings = settings_of(shop)
    if shop.conn_id is not None and connection is None:
        raise ConfigurationError(
            f"shop {shop.id!r}: there is no Airflow Connection {shop.conn_id!r}. Create it under "
            "Admin, Connections, with the feed's host, or take conn_id out of shops.yaml."
        )
    if settings.url is not None and not settings.url.startswith(("http://", "https://")):
        return FileSource(_path_of(settings.url, home))
    url = settings.url or _url_of(shop, connection) + (settings.path or "")
    return HttpSource(url, open_client(_access(shop, connection)))


def settings_of(shop: Shop) -> FeedSettings:
    """The shop's section `feed`; raises ConfigurationError where it has none."""
    if shop.feed is None:
        raise ConfigurationError(f"shop {shop.id!r}: it has no section feed in shops.yaml.")
    return shop.feed


class FileSource:
    """A feed that lies in a file of this machine."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def copy_to(self, archive: Archive, now: datetime) -> None:
        """Copy the file's bytes; its time of change is noted as `last_modified`."""
        with self._open() as stream, archive.start(now, str(self._path)) as writer:
            changed = datetime.fromtimestamp(os.fstat(stream.fileno()).st_mtime, UTC)
            with writer.open_part() as part:
                while block := stream.read(BLOCK):
                    part.write(block)
            writer.finish(last_modified=changed)

    def _open(self) -> BinaryIO:
        try:
            return self._path.open("rb")
        except (FileNotFoundError, NotADirectoryError):
            raise ConfigurationError(f"{self._path} does not exist. Check feed.url in shops.yaml.") from None
        except IsADirectoryError:
            raise ConfigurationError(f"{self._path} is a folder, where a feed is one file.") from None
        except PermissionError:
            raise ConfigurationError(f"{self._path} may not be read by this user.") from None


class HttpSource:
    """A feed that a server offers."""

    def __init__(self, url: str, client: HttpClient) -> None:
        self._url = url
        self._client = client

    def copy_to(self, archive: Archive, now: datetime) -> None:
        """Copy the body's bytes as they come; a body that breaks off is asked for again."""
        self._client.fetch(self._url, lambda reply: self._receive(reply, archive, now))

    def _receive(self, reply: Reply, archive: Archive, now: datetime) -> None:
        encoding = reply.headers.get("Content-Encoding", "").strip().lower()
        if encoding not in ENCODINGS:
            raise ConfigurationError(
                f"{reply.shown_url}: Content-Encoding {encoding!r} is not read, only gzip."
            )
        with archive.start(now, reply.shown_url) as writer:
            with writer.open_part() as part:
                for block in reply.blocks():
                    part.write(block)
            writer.finish(
                content_type=reply.headers.get("Content-Type"),
                content_encoding=encoding or None,
                last_modified=_moment(reply.headers.get("Last-Modified")),
                etag=reply.headers.get("ETag"),
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
    place = f"Airflow Connection {connection.conn_id!r}"
    return Access(place, connection.login, connection.password, headers)


def _path_of(url: str, home: Path) -> Path:
    return home / (unquote(url.removeprefix("file://")) if url.startswith("file://") else url)


def _moment(text: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text) if text else None
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment else None
