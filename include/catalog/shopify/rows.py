"""From Shopify's replies to rows of a catalog: one per variant and location."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Literal

import msgspec

from include.catalog.base import CatalogRow, Chunk, RejectedRow, excerpt_of
from include.catalog.shopify.replies import (
    Item,
    Level,
    LevelsData,
    LevelWithVariants,
    Named,
    Product,
    ProductsData,
    ProductWithVariants,
    Quantity,
    SweepLine,
    Variant,
    VariantsData,
)
from include.errors import RowRejected, SnapshotRefused

ROWS_AT_ONCE = 2000
LONGEST_LINE = 16_000_000
LARGEST_QUANTITY = 10**12
ONLY_VARIANT = "Default Title"
SHOWN_STATUSES = ("ACTIVE", "UNLISTED")
GIDS = "gid://shopify/"

_LINE = msgspec.json.Decoder(SweepLine)


class _Page(msgspec.Struct):
    data: msgspec.Raw


def plain_id(gid: str) -> str:
    """The number at the end of a global id, as text: it may exceed 2^53."""
    number = gid.rpartition("/")[2].partition("?")[0]
    if not gid.startswith(GIDS) or not number.isascii() or not number.isdigit():
        raise RowRejected(f"{gid[:80]!r} is not an id such as {GIDS}ProductVariant/1")
    return number


_location_id = lru_cache(maxsize=1024)(plain_id)


class RowMapper:
    """Makes rows; `published_on` is shopify.published_on."""

    def __init__(self, published_on: str) -> None:
        self._needs_store = published_on == "online_store"

    def facts(
        self,
        number: int,
        variant: Variant,
        item: Item,
        product: Product,
        collections: Sequence[str] | None,
    ) -> CatalogRow:
        """What is said of a variant, as a row that says nothing of its stock."""
        variant_id = plain_id(variant.id)
        groups = None if collections is None else _groups(product, collections)
        is_shown = product.status in SHOWN_STATUSES
        return CatalogRow(
            number,
            variant_id,
            "",
            None,
            plain_id(product.id),
            _clean(_title(product, variant)),
            _url(product.online_store_url, variant_id),
            _image(product),
            _price(variant.price),
            _price(variant.compare_at_price),
            groups,
            is_shown and (product.published_at is not None or not self._needs_store),
            item.tracked,
            variant.inventory_policy == "CONTINUE",
            plain_id(item.id),
        )

    def at_level(self, row: CatalogRow, level: Level, number: int) -> CatalogRow:
        """The row of the variant at one location."""
        return _stocked(row, level.location, level.quantities, level.updated_at, number)


def read_pages(bodies: Iterable[bytes], mapper: RowMapper) -> Iterator[Chunk]:
    """The rows of an increment's pages: levels first, then what is said of products."""
    number = 0
    for body in bodies:
        data = msgspec.json.decode(body, type=_Page).data
        chunk: Chunk = []
        for row in _rows_of_page(bytes(data), mapper):
            number += 1
            row.line_number = number
            chunk.append(row)
        yield chunk


def _rows_of_page(data: bytes, mapper: RowMapper) -> Iterator[CatalogRow | RejectedRow]:
    kinds = msgspec.json.decode(data, type=dict[str, msgspec.Raw]).keys()
    if "location" in kinds:
        location = msgspec.json.decode(data, type=LevelsData).location
        for level in location.inventory_levels.nodes if location else ():
            yield from _level_rows(level, mapper)
    elif "products" in kinds:
        for product in msgspec.json.decode(data, type=ProductsData).products.nodes:
            yield from _product_rows(product, mapper)
    else:
        further = msgspec.json.decode(data, type=VariantsData).product
        yield from _product_rows(further, mapper) if further else ()


def _level_rows(level: LevelWithVariants, mapper: RowMapper) -> Iterator[CatalogRow | RejectedRow]:
    for variant in level.item.variants.nodes:
        try:
            facts = mapper.facts(0, variant, level.item, variant.product, None)
            yield mapper.at_level(facts, level, 0)
        except RowRejected as refusal:
            yield RejectedRow(0, str(refusal), excerpt_of(variant.id))


def _product_rows(product: ProductWithVariants, mapper: RowMapper) -> Iterator[CatalogRow | RejectedRow]:
    collections = product.collections.titles if product.collections else None
    for variant in product.variants.nodes:
        try:
            if variant.inventory_item is None:
                raise RowRejected(f"{variant.id} has no inventory item")
            yield mapper.facts(0, variant, variant.inventory_item, product, collections)
        except RowRejected as refusal:
            yield RejectedRow(0, str(refusal), excerpt_of(variant.id))


class _Group:
    """A variant's line and those that followed it."""

    __slots__ = ("collections", "ids", "levels", "line", "number")

    def __init__(self, line: SweepLine, number: int) -> None:
        self.line = line
        self.number = number
        self.levels: list[tuple[int, SweepLine]] = []
        self.collections: list[str] = []
        item, product = line.inventory_item, line.product
        self.ids = {line.id, item.id if item else "", product.id if product else ""}

    def rows(self, mapper: RowMapper) -> Iterator[CatalogRow | RejectedRow]:
        line = self.line
        try:
            facts = mapper.facts(self.number, *_checked(line), self.collections)
        except RowRejected as refusal:
            yield RejectedRow(self.number, str(refusal), excerpt_of(line.id))
            return
        if not self.levels:
            facts.quantity = "0"
            yield facts
        for number, level in self.levels:
            try:
                yield _stocked(facts, level.location, level.quantities, level.updated_at, number)
            except RowRejected as refusal:
                yield RejectedRow(number, str(refusal), excerpt_of(level.id))


class SweepReader:
    """The rows of a bulk result, streaming: only one variant's lines are held."""

    def __init__(self, blocks: Iterable[bytes], mapper: RowMapper, source: str) -> None:
        self._blocks = blocks
        self._mapper = mapper
        self._source = source
        self._group: _Group | None = None
        self._number = 0

    def read(self) -> Iterator[Chunk]:
        """Chunks of a few thousand rows."""
        chunk: Chunk = []
        for block in self._whole_lines():
            for line in _decoded(block):
                self._number += 1
                self._take(line, chunk)
            if len(chunk) >= ROWS_AT_ONCE:
                yield chunk
                chunk = []
        self._close_group(chunk)
        yield chunk

    def _take(self, line: SweepLine | RejectedRow, chunk: Chunk) -> None:
        group = self._group
        if isinstance(line, RejectedRow):
            line.line_number = self._number
            chunk.append(line)
        elif line.parent_id is None:
            self._close_group(chunk)
            self._group = _Group(line, self._number)
        elif group is None or line.parent_id not in group.ids:
            why = f"its parent {line.parent_id[:80]} is not the variant before it"
            chunk.append(RejectedRow(self._number, why, excerpt_of(line.id)))
        elif line.quantities is not None:
            group.levels.append((self._number, line))
        elif line.title is not None:
            group.collections.append(line.title)

    def _close_group(self, chunk: Chunk) -> None:
        if self._group is not None:
            chunk += self._group.rows(self._mapper)
        self._group = None

    def _whole_lines(self) -> Iterator[bytes]:
        rest = b""
        for block in self._blocks:
            end = block.rfind(b"\n") + 1
            if not end:
                rest += block
                if len(rest) > LONGEST_LINE:
                    raise SnapshotRefused(f"{self._source}: a line has more than {LONGEST_LINE:,} bytes.")
                continue
            yield rest + block[:end]
            rest = block[end:]
        if rest:
            yield rest


def _decoded(block: bytes) -> Iterable[SweepLine | RejectedRow]:
    try:
        return _LINE.decode_lines(block)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return [_decoded_line(line) for line in block.split(b"\n") if line.strip()]


def _decoded_line(packed: bytes) -> SweepLine | RejectedRow:
    try:
        return _LINE.decode(packed)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return RejectedRow(0, f"the line can't be read: {error}", excerpt_of(packed))


def _checked(line: SweepLine) -> tuple[Variant, Item, Product]:
    told = {"price": line.price, "inventoryPolicy": line.inventory_policy, "title": line.title}
    told |= {"product": line.product, "inventoryItem": line.inventory_item}  # type: ignore[dict-item]
    if missing := [name for name, value in told.items() if value is None]:
        raise RowRejected(f"the variant has no {', '.join(missing)}")
    assert line.product and line.inventory_item
    policy: Literal["CONTINUE", "DENY"] = "CONTINUE" if line.inventory_policy == "CONTINUE" else "DENY"
    variant = Variant(line.id, str(line.title), str(line.price), policy, line.compare_at_price)
    return variant, line.inventory_item, line.product


def _stocked(
    row: CatalogRow, location: Named | None, quantities: list[Quantity] | None, at: str | None, number: int
) -> CatalogRow:
    available = next((one.quantity for one in quantities or () if one.name == "available"), None)
    if location is None or available is None:
        raise RowRejected("the level has no location, or no quantity named available")
    check_quantity(available)
    _check_moment(at)
    # Written out, since it runs once per level of the whole shop.
    return CatalogRow(
        number,
        row.variant_id,
        _location_id(location.id),
        str(available),
        row.product_id,
        row.title,
        row.url,
        row.image_url,
        row.price,
        row.compare_at_price,
        row.collections,
        row.is_published,
        row.is_tracked,
        row.continue_selling,
        row.inventory_item_id,
        at,
    )


def check_quantity(quantity: int) -> None:
    """Raise RowRejected for more, or less, than any shop has."""
    if abs(quantity) > LARGEST_QUANTITY:
        raise RowRejected(
            f"a quantity of {str(quantity)[:40]} is absurd; at most {LARGEST_QUANTITY:,} is believed"
        )


def _check_moment(at: str | None) -> None:
    if at is None:
        return
    try:
        is_moment = at[7:8] == "-" and at[10:11] == "T" and "," not in at and bool(datetime.fromisoformat(at))
    except ValueError:
        is_moment = False
    if not is_moment:
        raise RowRejected(f"updatedAt is {at[:40]!r}, where a time is written as 2026-01-31T12:00:00Z")


def _title(product: Product, variant: Variant) -> str:
    return product.title if variant.title == ONLY_VARIANT else f"{product.title} - {variant.title}"


def _groups(product: Product, collections: Sequence[str]) -> tuple[str, ...]:
    named = [*collections, *product.tags, product.product_type]
    return tuple(dict.fromkeys(_clean(name) for name in named if name.strip()))


def _url(url: str | None, variant_id: str) -> str | None:
    if not url:
        return None
    return _clean(f"{url}{'&' if '?' in url else '?'}variant={variant_id}")


def _image(product: Product) -> str | None:
    preview = product.featured_media.preview if product.featured_media else None
    return _clean(preview.image.url) if preview and preview.image else None


def _clean(text: str) -> str:
    if "\0" in text:
        raise RowRejected("a text contains a NUL character")
    return text


def _price(price: str | None) -> str | None:
    if price is None:
        return None
    whole, _, part = price.partition(".")
    if len(price) > 40 or not whole.isascii() or not whole.isdigit() or (part and not part.isdigit()):
        raise RowRejected(f"the price {price[:40]!r} is not a number such as 12.00")
    return price
