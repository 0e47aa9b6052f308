"""What a person sees who follows a link of the demo shop: small pages and made-up product pictures."""

import hashlib
import struct
import zlib
from functools import cache
from html import escape

from include.local.demo.assortment import Split, Variant, list_variants
from include.local.demo.walk import stage_at, stock_at

PICTURE_SIDE = 480
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} · Demo Shop</title>
<style>body{{font:17px/1.5 system-ui,sans-serif;max-width:34rem;margin:3rem auto;padding:0 1rem;color:#18191b}}
img{{max-width:100%;border-radius:8px}}a{{color:inherit}}</style>
<h1>{title}</h1>
{content}
"""


def front_page(stage_number: int) -> str:
    """What stage the shop is in, and where everything is."""
    stage, stock = stage_at(stage_number), stock_at(stage_number)
    sold_out = sum(split.units == 0 for split in stock.values())
    return PAGE.format(
        title="Demo Shop",
        content=(
            f"<p>Stage {stage_number}: <b>{escape(stage.title)}</b>. {escape(stage.story)}</p>"
            f"<p>{len(stock):,} variants, {sold_out:,} of them sold out. <code>restock demo step</code> makes the shop "
            "go on.</p>"
            '<p><a href="/feed.jsonl">feed.jsonl</a> · <a href="/waiting_list.csv">waiting_list.csv</a> · '
            '<a href="/stage">stage</a></p>'
        ),
    )


def product_page(variant_id: str, stage_number: int) -> str | None:
    """One variant with its stock; None where there is none of that id."""
    variant = _variants().get(variant_id)
    if variant is None:
        return None
    return PAGE.format(
        title=escape(variant.title),
        content=(
            f'<img src="/images/{variant.variant_id}.png" width="{PICTURE_SIDE}" alt="">'
            f"<p>€{variant.price} · {_availability(stock_at(stage_number)[variant_id])}</p>"
        ),
    )


def picture(variant_id: str) -> bytes | None:
    """A PNG in the variant's own colours."""
    if variant_id not in _variants():
        return None
    digest = hashlib.sha256(variant_id.encode()).digest()
    ground, figure = (
        bytes(160 + value % 80 for value in digest[:3]),
        bytes(60 + value % 120 for value in digest[3:6]),
    )
    edge = PICTURE_SIDE // 4
    band = ground * edge + figure * (PICTURE_SIDE - 2 * edge) + ground * edge
    rows = [
        band if edge <= row < PICTURE_SIDE - edge else ground * PICTURE_SIDE for row in range(PICTURE_SIDE)
    ]
    return _png(b"".join(b"\0" + row for row in rows))


@cache
def _variants() -> dict[str, Variant]:
    return {variant.variant_id: variant for variant in list_variants()}


def _availability(stock: Split) -> str:
    if stock.units == 0:
        return "sold out"
    return f"{stock.units} in stock: {stock.warehouse} in the warehouse, {stock.store} in the store"


def _png(pixels: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", PICTURE_SIDE, PICTURE_SIDE, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(pixels)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks
    )
