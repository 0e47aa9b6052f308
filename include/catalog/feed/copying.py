"""Feeds on their way into the archive: from a server, an object store, or a file."""

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from include.catalog.archive import Archive, ArchiveWriter, Manifest, StorePath
from include.catalog.http import HttpClient, Reply
from include.errors import ConfigurationError, FeedMissing, NotFound, RestockError, TemporaryError

BLOCK = 256 * 1024
ENCODINGS = ("", "identity", "gzip", "x-gzip")
# A feed written twice within one second has one Last-Modified: only an older one tells versions apart.
LEAST_AGE = timedelta(minutes=1)


QUOTED_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e]*"')


class ObjectPath(StorePath, Protocol):
    """A path in an object store: fsspec's file system and the path in it are in reach."""

    @property
    def fs(self) -> Any: ...
    @property
    def path(self) -> str: ...


class FeedSource(Protocol):
    """One place that a feed is copied from."""

    def copy_to(self, archive: Archive, now: datetime) -> None:
        """Make what is there at `now` the archive; raises ConfigurationError or TemporaryError."""


class FileSource:
    """A feed that lies in a file of this machine."""

    def __init__(self, path: Path, most_bytes: int) -> None:
        self._path = path
        self._most_bytes = most_bytes

    def copy_to(self, archive: Archive, now: datetime) -> None:
        """Copy the file's bytes; its time of change is noted as `last_modified`."""
        with self._open() as stream, archive.start(now, str(self._path)) as writer:
            changed = datetime.fromtimestamp(os.fstat(stream.fileno()).st_mtime, UTC)
            _copy(stream, writer, str(self._path), self._most_bytes)
            writer.finish(last_modified=changed)

    def _open(self) -> BinaryIO:
        try:
            return self._path.open("rb")
        except (FileNotFoundError, NotADirectoryError):
            raise FeedMissing(f"{self._path} does not exist. Check feed.url in shops.yaml.") from None
        except IsADirectoryError:
            raise ConfigurationError(f"{self._path} is a folder, where a feed is one file.") from None
        except PermissionError:
            raise ConfigurationError(f"{self._path} may not be read by this user.") from None


class StoreSource:
    """A feed that lies in an object store; one that is the same as before is taken from the archive."""

    def __init__(self, url: str, open_path: Callable[[], ObjectPath], most_bytes: int) -> None:
        self._url = url
        self._open_path = open_path
        self._most_bytes = most_bytes
        self._address = _digest(url)

    def copy_to(self, archive: Archive, now: datetime) -> None:
        """Copy the object's bytes, or the last archive's where the store shows the same ETag."""
        with self._explained():
            path = self._open_path()
            etag, changed = _version(path)
        newest = _newest_of(archive, self._address)
        with archive.start(now, self._url) as writer:
            if newest is None or etag is None or newest.manifest.etag != etag or not _copied(writer, newest):
                with self._explained(), path.open("rb") as stream:
                    _copy(stream, writer, self._url, self._most_bytes)
            writer.finish(last_modified=changed, etag=etag, address=self._address)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except RestockError:
            raise
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise FeedMissing(f"{self._url} does not exist. Check feed.url in shops.yaml.") from None
        except PermissionError:
            raise ConfigurationError(
                f"{self._url} may not be read with the credentials of the shop's conn_id."
            ) from None
        except (ImportError, ValueError):
            scheme = self._url.partition("://")[0]
            raise ConfigurationError(
                f"{self._url}: no library for {scheme}:// is installed, or its Connection does not fit. Install "
                "the Airflow provider of that store."
            ) from None
        except Exception as error:  # each store's library has errors of its own, whose texts may hold secrets
            raise TemporaryError(f"{self._url} can't be read ({type(error).__name__}).") from None


class HttpSource:
    """A feed that a server offers."""

    def __init__(self, url: str, client: HttpClient) -> None:
        self._url = url
        self._client = client
        self._address = _digest(url)

    def copy_to(self, archive: Archive, now: datetime) -> None:
        """Copy the body's bytes as they come; a body that breaks off is asked for again.

        Where the server says that nothing has changed since the last archive, that one is copied.
        """
        newest = _newest_of(archive, self._address)
        unless = _validators(newest.manifest) if newest else {}
        is_done = self._client.fetch(self._url, lambda reply: self._take(reply, archive, newest, now), unless)
        if not is_done:
            self._client.fetch(self._url, lambda reply: self._take(reply, archive, None, now))

    def _take(self, reply: Reply, archive: Archive, newest: Archive | None, now: datetime) -> bool:
        if reply.is_unchanged and newest is not None:
            return self._repeat(reply, archive, newest, now)
        self._receive(reply, archive, now)
        return True

    def _repeat(self, reply: Reply, archive: Archive, newest: Archive, now: datetime) -> bool:
        before = newest.manifest
        with archive.start(now, reply.shown_url) as writer:
            if not _copied(writer, newest):
                return False
            writer.finish(
                content_type=before.content_type,
                content_encoding=before.content_encoding,
                last_modified=before.last_modified,
                etag=reply.headers.get("ETag") or before.etag,
                address=self._address,
            )
        return True

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
                address=self._address,
            )


def _copy(stream: BinaryIO, writer: ArchiveWriter, shown: str, most_bytes: int) -> None:
    count = 0
    with writer.open_part() as part:
        while block := stream.read(BLOCK):
            count += len(block)
            if count > most_bytes:
                raise ConfigurationError(
                    f"{shown} has more than {most_bytes:,} bytes. Pack it with gzip, or raise feed.max_megabytes "
                    "in shops.yaml."
                )
            part.write(block)


def _copied(writer: ArchiveWriter, newest: Archive) -> bool:
    try:
        writer.copy_parts(newest)
    except NotFound:
        return False
    return True


def _newest_of(archive: Archive, address: str) -> Archive | None:
    newest = archive.find_newest()
    return newest if newest is not None and newest.manifest.address == address else None


def _validators(manifest: Manifest) -> dict[str, str]:
    if manifest.etag and QUOTED_TAG.fullmatch(manifest.etag):
        return {"If-None-Match": manifest.etag}
    changed = manifest.last_modified
    if changed is not None and manifest.observed_at - changed >= LEAST_AGE:
        return {"If-Modified-Since": format_datetime(changed, usegmt=True)}
    return {}


def _version(path: ObjectPath) -> tuple[str | None, datetime | None]:
    """The object's ETag and time of change, as far as its store tells them."""
    known = path.stat()
    found = path.fs.info(path.path)
    etag = found.get("ETag") or found.get("etag")
    changed = None
    with suppress(AttributeError, KeyError, TypeError, ValueError, NotImplementedError):
        changed = datetime.fromtimestamp(known.st_mtime, UTC)
    return (str(etag) if etag else None), changed


def _digest(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()[:16]


def _moment(text: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text) if text else None
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment else None
