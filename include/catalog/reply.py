"""One reply of a shop's platform, read piece by piece within limits."""

import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

import requests
import urllib3

from include.errors import ConfigurationError, TemporaryError

BLOCK = 256 * 1024


@dataclass(frozen=True)
class Limits:
    """How long to wait, how often to try again, how much to take, and from whom; `section` of shops.yaml says so."""

    connect_seconds: float = 10
    read_seconds: float = 60
    tries: int = 4
    longest_pause: float = 30
    total_seconds: float = 1800
    most_bytes: int = 1_000_000_000
    allow_private: bool = False
    section: str = "feed"


class OutOfTime(TemporaryError):
    """The whole took longer than it may; another try at once would not end sooner."""


class Reply:
    """A reply that is not yet read; `shown_url` is its address without login and query."""

    def __init__(self, response: requests.Response, limits: Limits, ends_at: float) -> None:
        self._response = response
        self._limits = limits
        self._ends_at = ends_at
        self.shown_url = shown_url(response.url)
        self.headers: Mapping[str, str] = response.headers
        self.is_unchanged = response.status_code == HTTPStatus.NOT_MODIFIED

    def blocks(self) -> Iterator[bytes]:
        """The body as it came, still packed.

        Raises TemporaryError where it breaks off or takes too long, ConfigurationError where it is too large.
        """
        received = 0
        self._check_size(int(length) if (length := self.headers.get("Content-Length", "")).isdecimal() else 0)
        try:
            while block := self._response.raw.read1(BLOCK, decode_content=False):
                received += len(block)
                self._check_size(received)
                self._check_time(received)
                yield block
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise TemporaryError(
                f"{self.shown_url} broke off after {received:,} bytes ({type(error).__name__})."
            ) from None

    def unpacked_blocks(self) -> Iterator[bytes]:
        """The body, unpacked where it came packed with gzip; what it unpacks to is limited like itself."""
        if self.headers.get("Content-Encoding", "").strip().lower() not in ("gzip", "x-gzip"):
            yield from self.blocks()
            return
        unpack = zlib.decompressobj(16 + zlib.MAX_WBITS)
        size = 0
        try:
            for block in self.blocks():
                rest = block
                while rest and not unpack.eof:
                    unpacked = unpack.decompress(rest, BLOCK)
                    rest = unpack.unconsumed_tail
                    size += len(unpacked)
                    self._check_size(size)
                    yield unpacked
        except zlib.error:
            raise TemporaryError(f"{self.shown_url} sent a damaged gzip stream.") from None
        if not unpack.eof:
            raise TemporaryError(f"{self.shown_url} broke off within a gzip stream.")

    def _check_size(self, size: int) -> None:
        if size > self._limits.most_bytes:
            raise ConfigurationError(
                f"{self.shown_url} has {size:,} bytes or more; at most {self._limits.most_bytes:,} are taken. "
                f"Pack it with gzip, or raise {self._limits.section}.max_megabytes in shops.yaml."
            )

    def _check_time(self, received: int) -> None:
        if time.monotonic() > self._ends_at:
            raise OutOfTime(
                f"{self.shown_url} sent only {received:,} bytes within {self._limits.total_seconds / 60:g} minutes. "
                f"Raise {self._limits.section}.max_minutes in shops.yaml if that is its usual speed."
            )


def shown_url(url: str) -> str:
    """An address that may stand in a log: without login, query and fragment."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "the address"
    host = parts.hostname or ""
    query = "?…" if parts.query else ""
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}{parts.path}{query}"
