"""What every connector gives: rows of a catalog, read from an archive that it pulled before."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from include.catalog.archive import Archive
from include.domain.window import Window
from include.errors import ConfigurationError

LONGEST_EXCERPT = 200
WHOLE_EXTRA = "__extra__"
"""Where Airflow's addresses hold an extra that is more than texts."""


class CatalogRow(msgspec.Struct, gc=False):
    """One variant at one location, as a feed states it (SEMANTICS 1.1, 2.2).

    `line_number` is the line in JSON Lines and CSV, the position in JSON arrays and XML. `quantity` is a decimal
    number as text, possibly negative or fractional; `location_id` is '' where a shop has no locations. In a partial
    pull `quantity` and `collections` may be None: the row says nothing of them. `reported_at` is the platform's time
    of the quantity's last change, in ISO 8601, where it tells.
    """

    line_number: int
    variant_id: str
    location_id: str
    quantity: str | None
    product_id: str | None = None
    title: str | None = None
    url: str | None = None
    image_url: str | None = None
    price: str | None = None
    compare_at_price: str | None = None
    collections: tuple[str, ...] | None = ()
    is_published: bool = True
    is_tracked: bool = True
    continue_selling: bool = False
    inventory_item_id: str | None = None
    reported_at: str | None = None


class RejectedRow(msgspec.Struct, gc=False):
    """One row that could not be read, and why (SEMANTICS 2.3)."""

    line_number: int
    reason: str
    excerpt: str = ""


Chunk = list[CatalogRow | RejectedRow]


class Connector(Protocol):
    """One shop's platform: `pull` and `is_ready` are the only parts that talk to it.

    `knows_the_past` says whether it can tell what was in a past window, not only what is now (SEMANTICS 2.8).
    `full_every` is the time after which the whole shop is read again; None: every pull is full.
    """

    @property
    def knows_the_past(self) -> bool: ...

    @property
    def full_every(self) -> timedelta | None: ...

    @property
    def webhook_secret(self) -> str | None:
        """What the platform signs its webhooks with, where it sends any."""

    @property
    def store_domain(self) -> str | None:
        """How the platform's webhooks name the store, where it sends any."""

    def pull(self, window: Window, archive: Archive, now: datetime, since: datetime | None = None) -> None:
        """Store what the platform says at `now` as the archive of `window`: all of it, or what changed `since`.

        Raises NotReady where the platform needs time to prepare it (call again later), ConfigurationError where
        a person must act (FeedMissing where nothing is there), TemporaryError where trying again may help.
        """

    def is_ready(self, awaited: str) -> bool:
        """Whether what NotReady named is done, well or badly; the next `pull` says which."""

    def read(self, archive: Archive) -> Iterator[Chunk]:
        """The archive's rows in order, a few thousand at a time.

        Raises SnapshotRefused as soon as it is seen that the whole can't be believed, also after chunks.
        """


@dataclass(frozen=True)
class ConnectionField:
    """A field of a platform's Connection form that is kept in its extra; a secret one is typed unseen."""

    label: str
    is_secret: bool = False
    description: str = ""


@dataclass(frozen=True)
class ConnectionForm:
    """How Airflow's form for a platform's Connection looks: labels and examples of usual fields, and own fields."""

    title: str
    labels: Mapping[str, str]
    examples: Mapping[str, str] = field(default_factory=dict)
    hidden: tuple[str, ...] = ()
    fields: Mapping[str, ConnectionField] = field(default_factory=dict)


@dataclass(frozen=True)
class ShopConnection:
    """Where a shop's platform answers and the credentials for it; only the address is ever shown."""

    conn_id: str
    base_url: str | None = None
    login: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def place(self) -> str:
        """Where a person finds it."""
        return self.conn_id if self.conn_id.startswith("--") else f"Airflow Connection {self.conn_id!r}"

    @classmethod
    def from_parts(
        cls,
        conn_id: str,
        *,
        schema: str | None = None,
        host: str | None = None,
        port: int | None = None,
        login: str | None = None,
        password: str | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> "ShopConnection":
        """A connection from the parts that an Airflow Connection has; https where nothing says http."""
        return cls(conn_id, _base_url(schema, host, port), login or None, password or None, extra or {})

    @classmethod
    def from_text(cls, text: str, place: str) -> "ShopConnection":
        """A connection as Airflow reads it from the environment: JSON or an address; an error shows nothing of it."""
        return cls._from_json(text, place) if text.lstrip().startswith("{") else cls._from_uri(text, place)

    @classmethod
    def _from_json(cls, text: str, place: str) -> "ShopConnection":
        try:
            written = msgspec.json.decode(text, type=_Written, strict=False)
            extra = _unpacked(written.extra) if isinstance(written.extra, str) else written.extra
        except (msgspec.DecodeError, UnicodeEncodeError):
            raise ConfigurationError(
                f'{place} is no Connection such as {{"host": "…", "login": "…", "password": "…", "extra": {{}}}}.'
            ) from None
        return cls.from_parts(
            place,
            schema=written.schema,
            host=written.host,
            port=written.port,
            login=written.login,
            password=written.password,
            extra=extra,
        )

    @classmethod
    def _from_uri(cls, uri: str, place: str) -> "ShopConnection":
        try:
            parts = urlsplit(uri)
            port = parts.port
        except ValueError:
            parts, port = None, None
        extra = dict(parse_qsl(parts.query)) if parts else {}
        with suppress(msgspec.DecodeError):
            extra = _unpacked(extra.get(WHOLE_EXTRA, "")) or extra
        if parts is None or not parts.scheme or not parts.hostname:
            raise ConfigurationError(
                f"{place} is no address such as https://login:password@host/?webhook_secret=…; a token is its "
                "password, as in https://:TOKEN@example.myshopify.com."
            )
        return cls.from_parts(
            place,
            schema=next((word for word in (parts.scheme, parts.path[1:]) if word in ("http", "https")), None),
            host=parts.hostname,
            port=port,
            login=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            extra=extra,
        )


class _Written(msgspec.Struct):
    schema: str | None = None
    host: str | None = None
    port: int | None = None
    login: str | None = None
    password: str | None = None
    extra: dict[str, Any] | str | None = None


def _unpacked(extra: str) -> dict[str, Any]:
    return msgspec.json.decode(extra, type=dict[str, Any]) if extra.strip() else {}


def excerpt_of(text: str | bytes) -> str:
    """The beginning of a refused row, printable and short enough for a message."""
    if isinstance(text, bytes):
        text = text[: 4 * LONGEST_EXCERPT].decode("utf-8", "replace")
    shown = "".join(sign if sign.isprintable() else "\ufffd" for sign in text[:LONGEST_EXCERPT])
    return shown.strip()


def _base_url(schema: str | None, host: str | None, port: int | None) -> str | None:
    if not host:
        return None
    address = host if "://" in host else f"{schema or 'https'}://{host}"
    address = address.rstrip("/")
    return f"{address}:{port}" if port else address
