"""The demo shop's feed as it goes over the wire: JSON Lines, a line per variant and location."""

import json
from collections.abc import Iterator

from include.local.demo.assortment import STORE, WAREHOUSE, Split, Variant, list_variants
from include.local.demo.walk import stage_at, stock_at

FAULTY_UNITS = 999
CONTENT_TYPES = {"maintenance_page": "text/html; charset=utf-8"}
MAINTENANCE_PAGE = (
    "<!doctype html><title>Back soon</title><h1>We are tidying up. Back in a few minutes!</h1>\n"
)


def write_feed(stage_number: int, shop_address: str) -> tuple[str, bytes]:
    """Content type and body of the feed in a stage; links lead to `shop_address`."""
    fault = stage_at(stage_number).fault
    content_type = CONTENT_TYPES.get(fault, "application/x-ndjson")
    if fault == "maintenance_page":
        return content_type, MAINTENANCE_PAGE.encode()
    stock = stock_at(stage_number)
    rows: list[str] = []
    for variant in list_variants():
        split = stock[variant.variant_id]
        if fault == "sold_out_reads_999" and split.units == 0:
            split = Split(FAULTY_UNITS, 0)
        rows += _rows(variant, split, shop_address)
    return content_type, "".join(rows).encode()


def _rows(variant: Variant, split: Split, shop_address: str) -> Iterator[str]:
    for location, units in ((WAREHOUSE, split.warehouse), (STORE, split.store)):
        row = {
            "$id": variant.variant_id,
            "$product_id": variant.product_id,
            "$title": variant.title,
            "$link": f"{shop_address}/products/{variant.variant_id}",
            "$image_link": f"{shop_address}/images/{variant.variant_id}.png",
            "$price": variant.price,
            "$compare_at_price": variant.compare_at_price,
            "$categories": variant.collections,
            "location_id": location,
            "$inventory_quantity": units,
        }
        yield json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n"
