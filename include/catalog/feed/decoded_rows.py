"""JSON decoded straight into rows: the short way for feeds whose values are of the usual kinds."""

from collections.abc import Mapping
from typing import Any

import msgspec

from include.catalog.base import CatalogRow
from include.catalog.feed.fields import FIELDS, FieldNames
from include.catalog.feed.rows import (
    LARGEST_QUANTITY,
    LONGEST_ID,
    LONGEST_PRICE,
    UNSETTLED,
    RowReader,
    settle_price,
)
from include.domain.feed_fields import CatalogField

NUL = b"\\u0000"
UNREADABLE = (msgspec.DecodeError, ValueError, RecursionError)

Number = int | float | str | None
Identifier = str | int | None
TYPES: Mapping[CatalogField, tuple[Any, Any]] = {
    "variant_id": (Identifier, None),
    "location_id": (Identifier, ""),
    "quantity": (Number, None),
    "product_id": (Identifier, None),
    "title": (str | None, None),
    "url": (str | None, None),
    "image_url": (str | None, None),
    "price": (Number, None),
    "compare_at_price": (Number, None),
    "collections": (tuple[str, ...] | None, ()),
    "is_published": (bool | None, True),
    "is_tracked": (bool | None, True),
    "continue_selling": (bool | None, False),
}

NEVER_SAID: tuple[Any, Any] = (None, None)


def row_type(names: FieldNames) -> type[CatalogRow] | None:
    """A row whose members have the feed's names; None where the feed's names don't allow one."""
    order: list[Any] = [field for field in CatalogRow.__struct_fields__ if field != "line_number"]
    renamed = {field: names.get(field, f"(no {field})") for field in order} | {"line_number": "(line)"}
    columns = [("line_number", int, 0), *((field, *TYPES.get(field, NEVER_SAID)) for field in order)]
    try:
        return msgspec.defstruct("FeedRow", columns, bases=(CatalogRow,), rename=renamed, gc=False)  # type: ignore[return-value]
    except ValueError:
        return None  # one name for two fields, or a name that msgspec can't take


def settle_rows(rows: list[Any], reader: RowReader, line_number: int) -> None:
    """Bring decoded rows into their final form, in place; raises RowRejected at the first bad one."""
    if not _are_plain(rows):
        _settle_one_by_one(rows, reader, line_number)
        return
    for number, row in enumerate(rows, start=line_number):
        row.line_number = number
        row.quantity = str(row.quantity)


def _are_plain(rows: list[Any]) -> bool:
    """Whether the rows are as RowReader would make them but for their quantities, told by whole columns at once."""
    quantities = [row.quantity for row in rows]
    return (
        set(map(type, quantities)) == {int}
        and min(quantities) >= -LARGEST_QUANTITY
        and max(quantities) <= LARGEST_QUANTITY
        and _are_settled([row.variant_id for row in rows])
        and _are_settled([row.location_id for row in rows if row.location_id != ""])
        and _are_settled([row.product_id for row in rows if row.product_id is not None])
        and "" not in [row.title for row in rows]
        and "" not in [row.url for row in rows]
        and "" not in [row.image_url for row in rows]
        and all(map(_is_settled_price, {row.price for row in rows}))
        and all(map(_is_settled_price, {row.compare_at_price for row in rows}))
        and None not in [row.collections for row in rows]
        and None not in [row.is_published for row in rows]
        and None not in [row.is_tracked for row in rows]
        and None not in [row.continue_selling for row in rows]
    )


def _are_settled(identifiers: list[Any]) -> bool:
    return set(map(type, identifiers)) <= {str} and (
        list(map(str.strip, identifiers)) == identifiers
        and all(identifiers)
        and max(map(len, identifiers), default=0) <= LONGEST_ID
    )


def _is_settled_price(value: Any) -> bool:
    return value is None or (
        type(value) is str and 0 < len(value) <= LONGEST_PRICE and settle_price(value) == value
    )


def _settle_one_by_one(rows: list[Any], reader: RowReader, line_number: int) -> None:
    # The same results as RowReader.build, written out because this runs once per row of many feeds.
    for index, row in enumerate(rows):
        row.line_number = line_number + index
        quantity, variant_id = row.quantity, row.variant_id
        location_id, product_id = row.location_id, row.product_id
        if type(variant_id) is int:
            variant_id = str(variant_id)
        if type(location_id) is not str:
            location_id = "" if location_id is None else str(location_id)
        if type(product_id) is not str:
            product_id = "" if product_id is None else str(product_id)
        price, former = row.price, row.compare_at_price
        if price is not None:
            price = (
                settle_price(price) if type(price) is str and len(price) <= LONGEST_PRICE else _price(price)
            )
        if former is not None:
            former = _price(former)
        if (
            type(quantity) is not int
            or not -LARGEST_QUANTITY <= quantity <= LARGEST_QUANTITY
            or variant_id is None
            or not 0 < len(variant_id := variant_id.strip()) <= LONGEST_ID
            or len(location_id := location_id.strip()) > LONGEST_ID
            or len(product_id := product_id.strip()) > LONGEST_ID
            or price == UNSETTLED
            or former == UNSETTLED
        ):
            values = {field: getattr(row, field) for field in FIELDS}
            rows[index] = reader.build(values, row.line_number)
            continue
        # Members are written only where something changes: a write costs more than a look.
        if row.variant_id is not variant_id:
            row.variant_id = variant_id
        if row.location_id is not location_id:
            row.location_id = location_id
        product_id = product_id or None
        if row.product_id is not product_id:
            row.product_id = product_id
        row.quantity = str(quantity)
        if row.title == "":
            row.title = None
        if row.url == "":
            row.url = None
        if row.image_url == "":
            row.image_url = None
        if row.price is not price:
            row.price = price
        if row.compare_at_price is not former:
            row.compare_at_price = former
        if row.collections is None:
            row.collections = ()
        if row.is_published is None:
            row.is_published = True
        if row.is_tracked is None:
            row.is_tracked = True
        if row.continue_selling is None:
            row.continue_selling = False


def _price(value: str | int | float) -> str | None:
    text = str(value) if type(value) is not int or abs(value) <= LARGEST_QUANTITY else UNSETTLED
    return settle_price(text) if 0 < len(text) <= LONGEST_PRICE else UNSETTLED
