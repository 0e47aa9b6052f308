"""The platform `feed`: one document that lists every variant with its stock."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path

from croniter import croniter

from include.catalog.archive import Archive
from include.catalog.base import Chunk, ShopConnection
from include.catalog.feed.csv_rows import read_csv
from include.catalog.feed.json_array import read_json_array
from include.catalog.feed.json_lines import read_json_lines
from include.catalog.feed.source import OpenClient, OpenStore, find_source, open_plain_store, settings_of
from include.catalog.feed.stream import FeedStream, open_feed, refuse_what_is_no_feed, tell_format
from include.catalog.feed.xml_rows import read_xml
from include.catalog.http import HttpClient
from include.domain.feed_fields import FieldMapping
from include.domain.shop import FeedSettings, Shop
from include.domain.window import GRID_ORIGIN, Window
from include.errors import SnapshotRefused

Reader = Callable[[FeedStream, FieldMapping], Iterator[Chunk]]
READERS: Mapping[str, Reader] = {
    "json": read_json_array,
    "jsonl": read_json_lines,
    "csv": read_csv,
    "xml": read_xml,
}


class FeedConnector:
    """A shop's custom catalog feed (a Connector). Only `pull` needs the connection."""

    def __init__(
        self,
        shop: Shop,
        connection: ShopConnection | None,
        home: Path,
        open_client: OpenClient = HttpClient,
        open_store: OpenStore = open_plain_store,
    ) -> None:
        self._shop = shop
        self._connection = connection
        self._home = home
        self._open_client = open_client
        self._open_store = open_store

    @property
    def knows_the_past(self) -> bool:
        """Whether the feed's address is one of its window."""
        return settings_of(self._shop).is_dated

    @property
    def full_every(self) -> None:
        """A feed always lists the whole shop."""
        return None

    @property
    def webhook_secret(self) -> None:
        """A feed sends none."""
        return None

    @property
    def store_domain(self) -> None:
        """A feed sends none."""
        return None

    def pull(self, window: Window, archive: Archive, now: datetime, since: datetime | None = None) -> None:
        """Archive the feed as it is at `now`, a dated one as it was when its window ended; see Connector.pull."""
        span = _span_of(window, self._shop, now) if self.knows_the_past else None
        source = find_source(
            self._shop, self._connection, self._home, self._open_client, self._open_store, span
        )
        observed_at = min(now, window.end) if span and window.end else now
        source.copy_to(archive, observed_at)

    def is_ready(self, awaited: str) -> bool:
        """A feed is there at once."""
        return True

    def read(self, archive: Archive) -> Iterator[Chunk]:
        """The feed's rows in their order; see Connector.read."""
        settings = settings_of(self._shop)
        is_settled = settings.format != "auto"
        with open_feed(archive, settings) as stream:
            refuse_what_is_no_feed(stream, archive.manifest.content_type, is_format_settled=is_settled)
            reader = _reader(settings.format if is_settled else tell_format(stream), settings)
            count = 0
            for chunk in reader(stream, FieldMapping.of(settings.fields)):
                count += len(chunk)
                yield chunk
            if not count:
                raise SnapshotRefused(f"{stream.source}: the feed has no rows.")


def _span_of(window: Window, shop: Shop, now: datetime) -> tuple[datetime, datetime]:
    """The window's own span; for a run by hand that of the last window that has ended."""
    if window.start is not None and window.end is not None:
        return window.start, window.end
    if shop.interval is not None:
        end = now - (now - GRID_ORIGIN) % shop.interval
        return end - shop.interval, end
    firings = croniter(shop.cron, now.astimezone(shop.zone))
    end = firings.get_prev(datetime)
    return firings.get_prev(datetime), end


def _reader(kind: str, settings: FeedSettings) -> Reader:
    if kind == "xml":
        return partial(read_xml, item=settings.item)
    if settings.item is not None and kind in ("json", "jsonl"):
        return partial(read_json_array, item=settings.item)
    return READERS[kind]


def build(
    shop: Shop, connection: ShopConnection | None, home: Path, open_store: OpenStore | None = None
) -> FeedConnector:
    """The connector of a shop with platform `feed`."""
    return FeedConnector(shop, connection, home, open_store=open_store or open_plain_store)
