"""Catalog items and variants: create, get, list, update, delete."""

from collections.abc import Sequence
from typing import Any, Literal

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from include.intake.access import access_of
from include.intake.answers import ApiError, as_json, empty
from include.intake.body import read_json
from include.intake.door import Door, door_of
from include.intake.klaviyo.catalog_bodies import CatalogBody, read_change, read_creation
from include.intake.klaviyo.catalog_resources import (
    ITEM_FIELDS,
    VARIANT_FIELDS,
    Fields,
    show_item,
    show_variant,
)
from include.intake.klaviyo.filters import read_filter
from include.intake.klaviyo.identifiers import CatalogId, read_catalog_id
from include.intake.klaviyo.pages import (
    page_links,
    read_direction,
    read_fields,
    read_include,
    read_moment,
    read_size,
    write_moment,
)
from include.intake.rates import CATALOG_READS, CATALOG_WRITES
from include.intake.routing import Endpoint, at
from include.services.catalog_reads import (
    Listing,
    find_page,
    list_variants_of_items,
    read_items,
    read_variants,
)
from include.services.catalog_writes import WRITES, CatalogWrite, JobKind, Refusal

Kind = Literal["item", "variant"]
MOST_BYTES = 1_000_000
PAGE = 100
OPERATORS: dict[Kind, dict[str, tuple[str, ...]]] = {
    "item": {"ids": ("any",), "category.id": ("equals",), "title": ("contains",), "published": ("equals",)},
    "variant": {
        "ids": ("any",),
        "item.id": ("equals",),
        "sku": ("equals",),
        "title": ("contains",),
        "published": ("equals",),
    },
}


def _create(kind: Kind) -> Endpoint:
    async def create(request: Request) -> Response:
        key = await access_of(request).private(request, CATALOG_WRITES)
        fields = _fields(request, kind)
        body = await read_json(request, CatalogBody, MOST_BYTES)
        row = read_creation(body.data, kind, "/data")
        door = door_of(request)
        await door.run(_write, door, key.shop_id, f"{kind}-create", row)  # type: ignore[arg-type]
        shown = await door.run(_show_one, request, kind, key.shop_id, row.external_id, fields)
        return as_json({"data": shown, "links": shown["links"]}, 201)

    return create


def _update(kind: Kind) -> Endpoint:
    async def update(request: Request) -> Response:
        key = await access_of(request).private(request, CATALOG_WRITES)
        fields = _fields(request, kind)
        body = await read_json(request, CatalogBody, MOST_BYTES)
        row = read_change(body.data, kind, "/data", request.path_params["id"])
        door = door_of(request)
        await door.run(_write, door, key.shop_id, f"{kind}-update", row)  # type: ignore[arg-type]
        shown = await door.run(_show_one, request, kind, key.shop_id, row.external_id, fields)
        return as_json({"data": shown, "links": shown["links"]})

    return update


def _delete(kind: Kind) -> Endpoint:
    async def delete(request: Request) -> Response:
        key = await access_of(request).private(request, CATALOG_WRITES)
        catalog_id = read_catalog_id(request.path_params["id"], parameter="id")
        row = CatalogWrite(catalog_id.external_id, catalog_id.integration, {})
        door = door_of(request)
        await door.run(_write, door, key.shop_id, f"{kind}-delete", row)  # type: ignore[arg-type]
        return empty(204)

    return delete


def _get(kind: Kind) -> Endpoint:
    async def get(request: Request) -> Response:
        key = await access_of(request).private(request, CATALOG_READS)
        fields = _fields(request, kind)
        included = read_include(request, ("variants",) if kind == "item" else ())
        catalog_id = read_catalog_id(request.path_params["id"], parameter="id")
        found = await door_of(request).run(
            _show, request, kind, key.shop_id, [catalog_id.external_id], fields, bool(included)
        )
        if not found["data"]:
            raise ApiError.of(404, f"A catalog {kind} with this id does not exist.", parameter="id")
        found["data"] = found["data"][0]
        return as_json(found | {"links": found["data"]["links"]})

    return get


def _list(kind: Kind) -> Endpoint:
    async def list_all(request: Request) -> Response:
        key = await access_of(request).private(request, CATALOG_READS)
        fields = _fields(request, kind)
        included = read_include(request, ("variants",) if kind == "item" else ())
        size = read_size(request, PAGE, PAGE)
        listing = _read_listing(request, kind)
        return as_json(
            await door_of(request).run(
                _show_page, request, kind, key.shop_id, listing, size, fields, bool(included)
            )
        )

    return list_all


def _fields(request: Request, kind: Kind) -> Fields:
    read_fields(request, "catalog-variant", VARIANT_FIELDS)
    return read_fields(request, f"catalog-{kind}", ITEM_FIELDS if kind == "item" else VARIANT_FIELDS)


def _read_listing(request: Request, kind: Kind) -> Listing:
    direction = read_direction(request, "created")
    after_at, last_id = read_moment(request, direction)
    given: dict[str, Any] = {}
    for term in read_filter(request.query_params.get("filter"), OPERATORS[kind]):
        texts = term.value if isinstance(term.value, list) else [term.value]
        if term.field == "ids":
            _narrow(
                given, "ids", tuple(read_catalog_id(text, parameter="filter").external_id for text in texts)
            )
        elif term.field == "item.id":
            _narrow(given, "product_id", read_catalog_id(texts[0], parameter="filter").external_id)
        elif term.field == "published":
            if texts[0].lower() not in ("true", "false"):
                raise ApiError.of(400, "published is true or false.", parameter="filter")
            _narrow(given, "is_published", texts[0].lower() == "true")
        elif term.field == "category.id":
            _narrow(given, "ids", ())
        else:
            _narrow(given, term.field, texts[0])
    return Listing(
        "items" if kind == "item" else "variants",
        direction=direction,
        after_at=after_at,
        after_id=last_id,
        **given,
    )


def _narrow(given: dict[str, Any], name: str, value: Any) -> None:
    """All terms of a filter hold at once, those of one field too."""
    if name == "ids":
        given["ids"] = tuple(each for each in value if each in given.get("ids", value))
    elif given.setdefault(name, value) != value:
        if name == "title":
            raise ApiError.of(400, "The filter names title twice; allowed is once.", parameter="filter")
        given["ids"] = ()


def _write(door: Door, shop_id: str, kind: JobKind, row: CatalogWrite) -> None:
    with door.engine.begin() as connection:
        refused = WRITES[kind](connection, shop_id, [row], door.clock())
        if refused:
            raise _as_error(refused[0], kind)


def _as_error(refusal: Refusal, kind: JobKind) -> ApiError:
    status = 409 if refusal.code == "duplicate_resource" else 404
    if kind.endswith("-delete"):
        return ApiError.of(status, refusal.detail, parameter="id", code=refusal.code)
    own = "/data/attributes/external_id" if kind.endswith("-create") else "/data/id"
    pointer = "/data/relationships/item/data/id" if refusal.is_about_item else own
    return ApiError.of(status, refusal.detail, pointer=pointer, code=refusal.code)


def _show_one(request: Request, kind: Kind, shop_id: str, external_id: str, fields: Fields) -> dict[str, Any]:
    found = _show(request, kind, shop_id, [external_id], fields, False)["data"]
    if not found:
        raise ApiError.of(404, f"A catalog {kind} with this id does not exist.")
    shown: dict[str, Any] = found[0]
    return shown


def _show(
    request: Request, kind: Kind, shop_id: str, ids: Sequence[str], fields: Fields, with_variants: bool
) -> dict[str, Any]:
    with door_of(request).engine.connect() as connection:
        return _show_ids(connection, request, kind, shop_id, ids, fields, with_variants)


def _show_page(
    request: Request,
    kind: Kind,
    shop_id: str,
    listing: Listing,
    size: int,
    fields: Fields,
    with_variants: bool,
) -> dict[str, Any]:
    with door_of(request).engine.connect() as connection:
        rows = find_page(connection, shop_id, listing, size + 1)
        page = rows[:size]
        ids = [row.id for row in page]
        shown = _show_ids(connection, request, kind, shop_id, ids, fields, with_variants)
    following = write_moment(page[-1].created_at, page[-1].id) if len(rows) > size else None
    return shown | {"links": page_links(request, following)}


def _show_ids(
    connection: Connection,
    request: Request,
    kind: Kind,
    shop_id: str,
    ids: Sequence[str],
    fields: Fields,
    with_variants: bool,
) -> dict[str, Any]:
    if kind == "variant":
        known = read_variants(connection, shop_id, ids)
        return {"data": [show_variant(request, known[each], fields) for each in ids if each in known]}
    items = read_items(connection, shop_id, ids)
    if not with_variants:
        return {"data": [show_item(request, items[each], fields) for each in ids if each in items]}
    return _show_with_variants(
        connection, request, shop_id, [items[each] for each in ids if each in items], fields
    )


def _show_with_variants(
    connection: Connection, request: Request, shop_id: str, items: Sequence[Any], fields: Fields
) -> dict[str, Any]:
    of_items = list_variants_of_items(connection, shop_id, [row.product_id for row in items])
    variant_ids = [variant_id for ids in of_items.values() for variant_id in ids]
    variants = read_variants(connection, shop_id, variant_ids)
    names = {each: str(CatalogId(row.integration, each)) for each, row in variants.items()}
    variant_fields = read_fields(request, "catalog-variant", VARIANT_FIELDS)
    return {
        "data": [
            show_item(request, row, fields, [names[each] for each in of_items[row.product_id]])
            for row in items
        ],
        "included": [show_variant(request, variants[each], variant_fields) for each in variant_ids],
    }


ROUTES = [
    at(
        "/api/catalog-variants/{id:path}",
        GET=_get("variant"),
        PATCH=_update("variant"),
        DELETE=_delete("variant"),
    ),
    at("/api/catalog-items/{id:path}", GET=_get("item"), PATCH=_update("item"), DELETE=_delete("item")),
    at("/api/catalog-variants", GET=_list("variant"), POST=_create("variant")),
    at("/api/catalog-items", GET=_list("item"), POST=_create("item")),
]
