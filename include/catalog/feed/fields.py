"""Which name of a feed is taken for which catalog field.

A name under `feed.fields` in shops.yaml always wins. Otherwise the first name of this list that the feed has
is taken, so two feeds with the same names are always read alike: Klaviyo's custom catalog names first, plain
ones after them. Upper and lower case, spaces and hyphens make no difference.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, get_args

from include.domain.feed_fields import CatalogField
from include.errors import SnapshotRefused

NAMES: Mapping[CatalogField, tuple[str, ...]] = {
    "variant_id": ("$id", "variant_id", "id", "sku"),
    "quantity": ("$inventory_quantity", "inventory_quantity", "quantity", "qty", "stock"),
    "location_id": ("$location_id", "location_id", "location"),
    "product_id": ("$product_id", "product_id", "item_group_id", "parent_id"),
    "title": ("$title", "title", "name"),
    "url": ("$link", "link", "url"),
    "image_url": ("$image_link", "image_link", "image_url", "image"),
    "price": ("$price", "price"),
    "compare_at_price": ("$compare_at_price", "compare_at_price"),
    "collections": ("$categories", "categories", "collections"),
    "is_published": ("$published", "published", "is_published"),
    "is_tracked": ("is_tracked", "tracked"),
    "continue_selling": ("continue_selling", "inventory_policy", "$inventory_policy"),
}
FIELDS: tuple[CatalogField, ...] = get_args(CatalogField)
REQUIRED: tuple[CatalogField, ...] = ("variant_id", "quantity")
# A feed that leaves these out of some rows would be misread, not merely poorer: they must be seen at once.
NEVER_SPARSE: tuple[CatalogField, ...] = (*REQUIRED, "location_id")
MOST_SHOWN = 30
PATH = "/"
DEEPEST = 4

FieldNames = Mapping[CatalogField, str]


def choose_names(
    seen: Sequence[str], settled: Mapping[CatalogField, str], source: str, *, is_header: bool = False
) -> FieldNames:
    """The feed's name for each catalog field that it has.

    `seen` are the feed's names in their order, from its header or its first rows; `settled` is `feed.fields`.
    Raises SnapshotRefused that names what was seen and what is allowed.
    """
    names: dict[CatalogField, str] = {}
    for field in FIELDS:
        name = settled.get(field) or _first_known(field, seen)
        if name is not None:
            names[field] = name
    _check_settled(seen, settled, source, FIELDS if is_header else NEVER_SPARSE)
    missing = [field for field in REQUIRED if field not in names]
    if missing:
        deeper = (
            "" if is_header else " Where variants lie deeper in the document, feed.item is the way to them."
        )
        raise SnapshotRefused(_missing_text(missing, seen, source) + deeper)
    return names


def seen_names(sample: Sequence[Any], settled: Mapping[CatalogField, str]) -> list[str]:
    """The names in some decoded rows, in their order; with their paths where `feed.fields` names any path."""
    seen: dict[str, None] = {}
    for row in sample:
        if isinstance(row, dict):
            seen.update(dict.fromkeys(row))
    if any(PATH in name and name not in seen for name in settled.values()):
        for row in sample:
            seen.update(dict.fromkeys(_paths(row, DEEPEST)))
    return list(seen)


def value_at(found: Mapping[str, Any], name: str) -> Any:
    """What stands at a name, or at a path such as stock/main; of a list, the values of all its members."""
    if name in found or PATH not in name:
        return found.get(name)
    values: list[Any] = [found]
    is_list = False
    for step in name.split(PATH):
        values = [one.get(step) for one in values if isinstance(one, dict)]
        if any(isinstance(one, list) for one in values):
            is_list = True
            values = [part for one in values for part in (one if isinstance(one, list) else [one])]
    kept = [one for one in values if one is not None]
    return kept if is_list else next(iter(kept), None)


def _paths(row: Any, depth: int) -> Iterator[str]:
    for part in row if isinstance(row, list) else [row]:
        for name, value in part.items() if isinstance(part, dict) else ():
            yield name
            if depth and isinstance(value, dict | list):
                yield from (f"{name}{PATH}{below}" for below in _paths(value, depth - 1))


def plain_name(name: str) -> str:
    """`name` as it is compared: ` Inventory-Quantity` is `inventory_quantity`."""
    return name.strip().lower().replace(" ", "_").replace("-", "_")


def _first_known(field: CatalogField, seen: Sequence[str]) -> str | None:
    plain_to_seen: dict[str, str] = {}
    for name in seen:
        plain_to_seen.setdefault(plain_name(name), name)
    return next((plain_to_seen[name] for name in NAMES[field] if name in plain_to_seen), None)


def _check_settled(
    seen: Sequence[str], settled: Mapping[CatalogField, str], source: str, fields: Iterable[CatalogField]
) -> None:
    for field in fields:
        name = settled.get(field)
        if name is None or name in seen:
            continue
        close = get_close_matches(name, seen, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise SnapshotRefused(
            f"{source}: feed.fields says that {field} is called {name!r}, but the feed has no such field. "
            f"Seen: {_listed(seen)}.{hint}"
        )


def _missing_text(missing: Sequence[CatalogField], seen: Sequence[str], source: str) -> str:
    wanted = "; ".join(f"{field} (any of {', '.join(NAMES[field])})" for field in missing)
    example = ", ".join(f"{field}: …" for field in missing)
    return (
        f"{source}: the feed has no field for {wanted}. Seen: {_listed(seen)}. "
        f"Rename a field there, or say what it is called in shops.yaml under feed.fields: {{{example}}}."
    )


def _listed(seen: Sequence[str]) -> str:
    shown = [repr(name[:60]) for name in seen[:MOST_SHOWN]]
    more = f" and {len(seen) - MOST_SHOWN} more" if len(seen) > MOST_SHOWN else ""
    return (", ".join(shown) or "no fields at all") + more
