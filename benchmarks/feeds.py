"""A made-up shop of a million variants, as the feed that it offers and as a database that knows it."""

import csv
import json
import os
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from benchmarks.place import NOW, folder
from include.catalog.feed.connector import FeedConnector
from include.domain.shop import Shop
from include.domain.window import Window
from include.services.catalog import detect_changes, load_snapshot, pull_window

VARIANT_COUNT = 1_000_000
INTERVAL = timedelta(minutes=15)
WORDS = ("Linen", "Cotton", "Wool", "Silk", "Denim", "Leather", "Cashmere", "Jersey")
KINDS = ("shirt", "dress", "jacket", "skirt", "scarf", "coat", "trousers")
SIZES = ("XS", "S", "M", "L")


def a_shop(feed: Path) -> Shop:
    """The shop, reading this feed."""
    return Shop.model_validate(
        {
            "id": "bench",
            "name": "Bench",
            "platform": "feed",
            "schedule": "15 minutes",
            "currency": "EUR",
            "time_zone": "Europe/Berlin",
            "feed": {"url": str(feed), "max_megabytes": 2000},
        }
    )


def feed_file(kind: str) -> Path:
    """The feed as `jsonl` or `csv`, written once and kept."""
    path = folder() / f"feed-{VARIANT_COUNT}.{kind}"
    if not path.exists():
        unfinished = path.with_suffix(".unfinished")
        with unfinished.open("w", encoding="utf-8", newline="") as stream:
            _write(stream, kind)
        os.utime(unfinished, (NOW.timestamp(), NOW.timestamp()))  # else the one that is written last is newer
        unfinished.rename(path)
    return path


def pulled(engine: Engine, feed: Path, archive: Path, number: int) -> tuple[Any, ...]:
    """What the services are called with for window `number`, which is archived now."""
    shop = a_shop(feed)
    connector = FeedConnector(shop, None, feed.parent)
    start = NOW + number * INTERVAL
    window = Window.scheduled(start, start + INTERVAL)
    pull_window(engine, shop, connector, archive, window, start + INTERVAL)
    return engine, shop, connector, archive, window


def known_catalog(engine: Engine) -> None:
    """Fill a database with the whole feed, loaded and detected."""
    with tempfile.TemporaryDirectory(dir=folder()) as archive:
        given = pulled(engine, feed_file("csv"), Path(archive), 0)
        loaded = load_snapshot(*given, NOW + INTERVAL)
        detect_changes(*given, loaded["snapshot_id"], NOW + INTERVAL)


def _write(stream: Any, kind: str) -> None:
    if kind == "jsonl":
        stream.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in _rows())
        return
    writer = csv.DictWriter(stream, next(_rows()), lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, "categories": "|".join(row["categories"])} for row in _rows())


def _rows() -> Iterator[dict[str, Any]]:
    for number in range(VARIANT_COUNT):
        product = number // len(SIZES)
        words, kind = WORDS[product % len(WORDS)], KINDS[product % len(KINDS)]
        handle = f"{words}-{kind}-{product}".lower()
        yield {
            "variant_id": str(44_550_000_000 + number),
            "product_id": str(8_120_000_000 + product),
            "title": f"{words} {kind} {product} / {SIZES[number % len(SIZES)]}",
            "link": f"https://shop.example/products/{handle}?variant={44_550_000_000 + number}",
            "image_link": f"https://cdn.shop.example/files/{handle}.jpg?v=1700000000",
            "price": f"{9 + product % 190}.90",
            "inventory_quantity": (number * 7919) % 61,
            "categories": [f"{words} things", kind],
        }
