"""Bodies of catalog writes, and what they mean."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from include.intake.answers import ApiError
from include.intake.body import check_json
from include.intake.klaviyo.identifiers import INTEGRATIONS, read_catalog_id
from include.services.catalog_writes import CatalogWrite

MOST_ROWS = 100
LONGEST_TEXT = 50_000
LARGEST_NUMBER = 1e12
LARGEST_METADATA = 100_000

Text = str | None | UnsetType
Number = int | float | None | UnsetType


class CatalogAttributes(msgspec.Struct):
    """What may be said of an item or a variant."""

    external_id: Text = UNSET
    integration_type: Text = UNSET
    catalog_type: Text = UNSET
    title: Text = UNSET
    description: Text = UNSET
    sku: Text = UNSET
    inventory_policy: Literal[0, 1, 2] | UnsetType | None = UNSET
    inventory_quantity: Number = UNSET
    price: Number = UNSET
    url: Text = UNSET
    image_full_url: Text = UNSET
    image_thumbnail_url: Text = UNSET
    images: list[str] | UnsetType | None = UNSET
    custom_metadata: dict[str, Any] | UnsetType | None = UNSET
    published: bool | UnsetType | None = UNSET


class _ItemReference(msgspec.Struct):
    type: Literal["catalog-item"]
    id: str


class _ItemRelationship(msgspec.Struct):
    data: _ItemReference


class _Relationships(msgspec.Struct):
    item: _ItemRelationship | None = None


class CatalogResource(msgspec.Struct):
    """An item or a variant in a request."""

    type: Literal["catalog-item", "catalog-variant"]
    id: str | None = None
    attributes: CatalogAttributes = msgspec.field(default_factory=CatalogAttributes)
    relationships: _Relationships = msgspec.field(default_factory=_Relationships)


class CatalogBody(msgspec.Struct):
    """`{"data": resource}`."""

    data: CatalogResource


NEEDED = {
    "item": ("external_id", "title", "description", "url"),
    "variant": ("external_id", "title", "description", "sku", "inventory_quantity", "price", "url"),
}
_SHARED = ("title", "description", "price", "url", "image_full_url", "image_thumbnail_url", "images")
STORED = {
    "item": (*_SHARED, "custom_metadata", "published"),
    "variant": (*_SHARED, "custom_metadata", "published", "sku", "inventory_policy", "inventory_quantity"),
}


def read_creation(resource: CatalogResource, kind: str, pointer: str) -> CatalogWrite:
    """A new item or variant."""
    _check_type(resource, kind, pointer)
    where = f"{pointer}/attributes"
    for name in NEEDED[kind]:
        if getattr(resource.attributes, name) in (UNSET, None):
            raise ApiError.of(400, f"'{name}' is a required field.", pointer=f"{where}/{name}")
    given = resource.attributes
    integration = _or(given.integration_type, "$custom")
    if integration not in INTEGRATIONS:
        raise ApiError.of(400, f"Allowed are {', '.join(INTEGRATIONS)}.", pointer=f"{where}/integration_type")
    if _or(given.catalog_type, "$default") != "$default":
        raise ApiError.of(400, "Allowed is $default.", pointer=f"{where}/catalog_type")
    external_id = read_catalog_id(str(given.external_id), f"{where}/external_id").external_id
    attributes = {"published": True, **_stored(given, kind, where)}
    return CatalogWrite(external_id, integration, attributes, _read_item(resource, kind, pointer))


def read_change(
    resource: CatalogResource, kind: str, pointer: str, path_id: str | None = None
) -> CatalogWrite:
    """Members that were given of a known item or variant."""
    _check_type(resource, kind, pointer)
    catalog_id = read_catalog_id(_id_of(resource, pointer), f"{pointer}/id")
    if path_id is not None and catalog_id != read_catalog_id(path_id, parameter="id"):
        raise ApiError.of(400, "The id differs from the one in the path.", pointer=f"{pointer}/id")
    stored = _stored(resource.attributes, kind, f"{pointer}/attributes")
    return CatalogWrite(catalog_id.external_id, catalog_id.integration, stored)


def read_removal(resource: CatalogResource, kind: str, pointer: str) -> CatalogWrite:
    """An item or variant that goes."""
    _check_type(resource, kind, pointer)
    catalog_id = read_catalog_id(_id_of(resource, pointer), f"{pointer}/id")
    return CatalogWrite(catalog_id.external_id, catalog_id.integration, {})


READERS = {"create": read_creation, "update": read_change, "delete": read_removal}


def read_rows(
    resources: Sequence[CatalogResource], kind: str, action: str, pointer: str
) -> tuple[list[CatalogWrite], list[str]]:
    """The rows of a bulk job, each with its pointer."""
    if not 1 <= len(resources) <= MOST_ROWS:
        raise ApiError.of(400, f"Allowed are 1 to {MOST_ROWS} rows.", pointer=pointer)
    pointers = [f"{pointer}/{number}" for number in range(len(resources))]
    read = READERS[action]
    return [
        read(resource, kind, where) for resource, where in zip(resources, pointers, strict=True)
    ], pointers


def _check_type(resource: CatalogResource, kind: str, pointer: str) -> None:
    if resource.type != f"catalog-{kind}":
        raise ApiError.of(400, f"Allowed is catalog-{kind}.", pointer=f"{pointer}/type")


def _id_of(resource: CatalogResource, pointer: str) -> str:
    if resource.id is None:
        raise ApiError.of(400, "'id' is a required field.", pointer=f"{pointer}/id")
    return resource.id


def _read_item(resource: CatalogResource, kind: str, pointer: str) -> str | None:
    if kind == "item":
        return None
    if resource.relationships.item is None:
        raise ApiError.of(400, "'item' is a required field.", pointer=f"{pointer}/relationships/item")
    where = f"{pointer}/relationships/item/data/id"
    return read_catalog_id(resource.relationships.item.data.id, where).external_id


def _stored(given: CatalogAttributes, kind: str, where: str) -> dict[str, Any]:
    stored = {name: getattr(given, name) for name in STORED[kind] if getattr(given, name) is not UNSET}
    if stored.get("published", True) is None:
        # Clients that write every member send null for what they do not mean to say.
        del stored["published"]
    for name, value in stored.items():
        _check_value(name, value, f"{where}/{name}")
    return stored


def _check_value(name: str, value: object, pointer: str) -> None:
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        raise ApiError.of(400, f"This is longer than {LONGEST_TEXT} characters.", pointer=pointer)
    if isinstance(value, int | float) and abs(value) > LARGEST_NUMBER:
        raise ApiError.of(400, f"Allowed is a number up to {LARGEST_NUMBER:.0f}.", pointer=pointer)
    if isinstance(value, list) and (len(value) > 100 or any(len(text) > 2_000 for text in value)):
        raise ApiError.of(400, "Allowed are up to 100 links of up to 2000 characters.", pointer=pointer)
    if isinstance(value, Mapping):
        check_json(value, pointer, LARGEST_METADATA)


def _or(value: Any, otherwise: str) -> str:
    return otherwise if value in (UNSET, None) else str(value)
