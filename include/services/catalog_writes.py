"""What a shop's own systems write into the catalog; a quantity is a live observation of its stock (SEMANTICS 2.1)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from sqlalchemy import Connection, Row

from include.db.queries import run_query
from include.services.live_stock import LiveFacts, apply_totals

JobKind = Literal[
    "item-create", "item-update", "item-delete", "variant-create", "variant-update", "variant-delete"
]


@dataclass(frozen=True)
class CatalogWrite:
    """One row of a write: `attributes` as they were given, by Klaviyo's names."""

    external_id: str
    integration: str
    attributes: Mapping[str, Any]
    product_id: str | None = None


@dataclass(frozen=True)
class Refusal:
    """Why one row of a write was refused."""

    code: Literal["duplicate_resource", "not_found"]
    detail: str
    is_about_item: bool = False


Refusals = dict[int, Refusal]


def create_variants(
    connection: Connection, shop_id: str, rows: Sequence[CatalogWrite], now: datetime
) -> Refusals:
    """New variants with their stock; those that exist, or whose product does not, are refused by place."""
    run_query(connection, "snapshot.lock_shop", shop_id=shop_id)
    known = _find_variants(connection, shop_id, [row.external_id for row in rows])
    items = _find_items(connection, shop_id, [row.product_id for row in rows if row.product_id])
    refused: Refusals = {}
    for place, row in enumerate(rows):
        if row.external_id in known:
            refused[place] = Refusal("duplicate_resource", "A catalog variant with this id already exists.")
        elif row.product_id not in items:
            refused[place] = Refusal("not_found", "A catalog item with this id does not exist.", True)
        else:
            known.add(row.external_id)
    _write_variants(connection, shop_id, _others(rows, refused), now)
    return refused


def update_variants(
    connection: Connection, shop_id: str, rows: Sequence[CatalogWrite], now: datetime
) -> Refusals:
    """Members that were given, of variants that exist; the others are refused by place."""
    run_query(connection, "snapshot.lock_shop", shop_id=shop_id)
    known = _find_variants(connection, shop_id, [row.external_id for row in rows])
    refused = _refuse_unknown(rows, known, "variant")
    _write_variants(connection, shop_id, _others(rows, refused), now)
    return refused


def delete_variants(
    connection: Connection, shop_id: str, rows: Sequence[CatalogWrite], now: datetime
) -> Refusals:
    """Variants that are not announced any more (SEMANTICS 1.3)."""
    run_query(connection, "snapshot.lock_shop", shop_id=shop_id)
    known = _find_variants(connection, shop_id, [row.external_id for row in rows])
    refused = _refuse_unknown(rows, known, "variant")
    _unpublish(connection, shop_id, sorted({row.external_id for row in _others(rows, refused)}), now)
    return refused


def create_items(
    connection: Connection, shop_id: str, rows: Sequence[CatalogWrite], now: datetime
) -> Refusals:
    """New products; those that exist are refused by place."""
    known = _find_items(connection, shop_id, [row.external_id for row in rows])
    refused: Refusals = {}
    for place, row in enumerate(rows):
        if row.external_id in known:
            refused[place] = Refusal("duplicate_resource", "A catalog item with this id already exists.")
        known.add(row.external_id)
    _write_items(connection, shop_id, _others(rows, refused), now)
    return refused


def update_items(
    connection: Connection, shop_id: str, rows: Sequence[CatalogWrite], now: datetime
) -> Refusals:
    """Members that were given, of products that exist; the others are refused by place."""
    if any(row.attributes.get("published") is not None for row in rows):
        run_query(connection, "snapshot.lock_shop", shop_id=shop_id)
    known = _find_items(connection, shop_id, [row.external_id for row in rows])
    refused = _refuse_unknown(rows, known, "item")
    _publish_variants(connection, shop_id, _merged(_others(rows, refused)), now)
    _write_items(connection, shop_id, _others(rows, refused), now)
    return refused


def _publish_variants(
    connection: Connection, shop_id: str, items: Sequence[CatalogWrite], now: datetime
) -> None:
    """A product that is not published has no variants to announce (SEMANTICS 1.3)."""
    told = {
        row.external_id: bool(row.attributes["published"])
        for row in items
        if row.attributes.get("published") is not None
    }
    if not told:
        return
    run_query(connection, "catalog_api.restore_details", shop_id=shop_id, product_ids=list(told))
    variants = run_query(
        connection,
        "catalog_api.list_variants_to_publish",
        shop_id=shop_id,
        product_ids=list(told),
        are_published=list(told.values()),
    )
    facts = [LiveFacts(row.variant_id, is_published=row.is_published) for row in variants]
    apply_totals(connection, shop_id, {}, now, now, facts)


def delete_items(
    connection: Connection, shop_id: str, rows: Sequence[CatalogWrite], now: datetime
) -> Refusals:
    """Products with all their variants."""
    run_query(connection, "snapshot.lock_shop", shop_id=shop_id)
    known = _find_items(connection, shop_id, [row.external_id for row in rows])
    refused = _refuse_unknown(rows, known, "item")
    product_ids = sorted({row.external_id for row in _others(rows, refused)})
    variants = run_query(
        connection,
        "catalog_api.list_variants_of_items",
        shop_id=shop_id,
        product_ids=product_ids,
        most=None,
    )
    _unpublish(connection, shop_id, [row.variant_id for row in variants], now)
    run_query(connection, "catalog_api.delete_items", shop_id=shop_id, product_ids=product_ids, now=now)
    return refused


WRITES = {
    "item-create": create_items,
    "item-update": update_items,
    "item-delete": delete_items,
    "variant-create": create_variants,
    "variant-update": update_variants,
    "variant-delete": delete_variants,
}


def run_job(
    connection: Connection,
    shop_id: str,
    kind: JobKind,
    rows: Sequence[CatalogWrite],
    pointers: Sequence[str],
    now: datetime,
) -> Row[Any]:
    """Do a bulk job and keep what became of it; a refused row does not hold up the others."""
    refused = WRITES[kind](connection, shop_id, rows, now)
    errors = [
        {"code": refusal.code, "detail": refusal.detail, "pointer": pointers[place]}
        for place, refusal in sorted(refused.items())
    ]
    return run_query(
        connection,
        "catalog_api.insert_job",
        shop_id=shop_id,
        kind=kind,
        total_count=len(rows),
        failed_count=len(refused),
        errors=json.dumps(errors),
        target_ids=[row.external_id for row in _others(rows, refused)],
        now=now,
    ).one()


def _write_variants(
    connection: Connection, shop_id: str, rows: Sequence[CatalogWrite], now: datetime
) -> None:
    merged = _merged(rows)
    if not merged:
        return
    details = [
        {"variant_id": row.external_id, "integration": row.integration, "attributes": dict(row.attributes)}
        for row in merged
    ]
    run_query(connection, "catalog_api.write_details", shop_id=shop_id, details=json.dumps(details), now=now)
    totals = {
        row.external_id: Decimal(str(row.attributes["inventory_quantity"]))
        for row in merged
        if row.attributes.get("inventory_quantity") is not None
    }
    hidden = run_query(
        connection,
        "catalog_api.find_hidden_variants",
        shop_id=shop_id,
        variant_ids=[row.external_id for row in merged],
        product_ids=[row.product_id for row in merged],
    )
    hidden_ids = set(hidden.scalars())
    facts = [_facts(row, row.external_id in hidden_ids) for row in merged]
    apply_totals(connection, shop_id, totals, now, now, facts)


def _write_items(connection: Connection, shop_id: str, rows: Sequence[CatalogWrite], now: datetime) -> None:
    items = [
        {"product_id": row.external_id, "integration": row.integration, "attributes": dict(row.attributes)}
        for row in _merged(rows)
    ]
    run_query(connection, "catalog_api.write_items", shop_id=shop_id, items=json.dumps(items), now=now)


def _unpublish(connection: Connection, shop_id: str, variant_ids: Sequence[str], now: datetime) -> None:
    run_query(
        connection, "catalog_api.delete_variants", shop_id=shop_id, variant_ids=list(variant_ids), now=now
    )
    facts = [LiveFacts(variant_id, is_published=False) for variant_id in variant_ids]
    apply_totals(connection, shop_id, {}, now, now, facts)


def _facts(row: CatalogWrite, is_hidden: bool) -> LiveFacts:
    given = row.attributes
    price = given.get("price")
    return LiveFacts(
        row.external_id,
        product_id=row.product_id,
        title=given.get("title"),
        url=given.get("url"),
        image_url=given.get("image_full_url"),
        price=None if price is None else Decimal(str(price)),
        is_published=False if is_hidden else given.get("published"),
    )


def _merged(rows: Sequence[CatalogWrite]) -> list[CatalogWrite]:
    """One row per id: of what was said twice, the last holds."""
    merged: dict[str, CatalogWrite] = {}
    for row in rows:
        before = merged.get(row.external_id)
        attributes = {**before.attributes, **row.attributes} if before else row.attributes
        product_id = row.product_id or (before.product_id if before else None)
        merged[row.external_id] = CatalogWrite(row.external_id, row.integration, attributes, product_id)
    return list(merged.values())


def _others(rows: Sequence[CatalogWrite], refused: Refusals) -> list[CatalogWrite]:
    return [row for place, row in enumerate(rows) if place not in refused]


def _refuse_unknown(rows: Sequence[CatalogWrite], known: set[str], kind: str) -> Refusals:
    return {
        place: Refusal("not_found", f"A catalog {kind} with this id does not exist.")
        for place, row in enumerate(rows)
        if row.external_id not in known
    }


def _find_variants(connection: Connection, shop_id: str, variant_ids: Sequence[str]) -> set[str]:
    found = run_query(connection, "catalog_api.find_variants", shop_id=shop_id, variant_ids=list(variant_ids))
    return set(found.scalars())


def _find_items(connection: Connection, shop_id: str, product_ids: Sequence[str]) -> set[str]:
    found = run_query(connection, "catalog_api.find_items", shop_id=shop_id, product_ids=list(product_ids))
    return set(found.scalars())
