"""The platform `feed`: one document that lists every variant with its stock."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path

from include.catalog.archive import Archive
from include.catalog.base import Chunk, ShopConnection
from include.catalog.feed.csv_rows import read_csv
from include.catalog.feed.json_array import read_json_array
from include.catalog.feed.json_lines import read_json_lines
from include.catalog.feed.source import OpenClient, OpenStore, find_source, open_plain_store, settings_of
from include.catalog.feed.stream import FeedStream, open_feed, refuse_what_is_no_feed, tell_format
from include.catalog.feed.xml_rows import read_xml
from include.catalog.http import HttpClient
from include.domain.shop import CatalogField, FeedSettings, Shop
from include.domain.window import Window
from include.errors import SnapshotRefused

Reader = Callable[[FeedStream, Mapping[CatalogField, str]], Iterator[Chunk]]
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

    def pull(self, window: Window, archive: Archive, now: datetime) -> None:
        """Archive the feed as it is at `now`; see Connector.pull."""
        source = find_source(self._shop, self._connection, self._home, self._open_client, self._open_store)
        source.copy_to(archive, now)

    def read(self, archive: Archive) -> Iterator[Chunk]:
        """The feed's rows in their order; see Connector.read."""
        settings = settings_of(self._shop)
        is_settled = settings.format != "auto"
        with open_feed(archive, settings) as stream:
            refuse_what_is_no_feed(stream, archive.manifest.content_type, is_format_settled=is_settled)
            reader = _reader(settings.format if is_settled else tell_format(stream), settings)
            count = 0
            for chunk in reader(stream, settings.fields):
                count += len(chunk)
                yield chunk
            if not count:
                raise SnapshotRefused(f"{stream.source}: the feed has no rows.")


def _reader(kind: str, settings: FeedSettings) -> Reader:
    return partial(read_xml, item=settings.item) if kind == "xml" else READERS[kind]
