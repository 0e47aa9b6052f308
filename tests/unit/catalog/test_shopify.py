from __future__ import annotations

from datetime import timedelta

import graphql
import pytest

from include.catalog.base import CatalogRow
from include.catalog.shopify.documents import document, document_names
from include.catalog.shopify.settings import API_VERSIONS
from tests.fixtures.shopify.server import FakeShopify, serve
from tests.fixtures.shopify.shop import NOW, PulledShop
from tests.fixtures.shopify.store import FakeStore, official_schema


@pytest.mark.parametrize("version", API_VERSIONS)
@pytest.mark.parametrize("name", document_names())
def test_every_document_is_valid_in_every_version(name, version):
    problems = graphql.validate(official_schema(version), graphql.parse(document(name)))
    assert [problem.message for problem in problems] == []


@pytest.fixture(params=API_VERSIONS)
def version(request):
    return request.param


@pytest.fixture
def store():
    return FakeStore(clock=lambda: NOW)


def stock(rows):
    return {(row.variant_id, row.location_id): row.quantity for row in rows}


def test_a_sweep_reads_every_variant_at_every_location(version, store, tmp_path):
    lamp, shade = store.add("Brass lamp", 3, -1), store.add("Shade", 0, 7, variant='Red / 12" / slash')
    with serve(FakeShopify(store, version=version)) as running:
        rows = PulledShop(running, tmp_path).sweep()
    here, there = (str(place.id) for place in store.locations)
    assert stock(rows) == {
        (str(lamp.id), here): "3",
        (str(lamp.id), there): "-1",
        (str(shade.id), here): "0",
        (str(shade.id), there): "7",
    }
    assert int(lamp.id) > 2**53
    assert [row.title for row in rows] == ["Brass lamp"] * 2 + ['Shade - Red / 12" / slash'] * 2


def test_a_row_says_what_messages_and_rules_need(shop, store):
    product = store.add("Lamp", 3, policy="CONTINUE", compare_at_price="25.00", tracked=False).product
    store.touch(product, tags=["brass"], collections=["Lights / new"])
    (row,) = shop.sweep()
    variant = product.variants[0]
    assert row == CatalogRow(
        row.line_number,
        str(variant.id),
        str(store.locations[0].id),
        "3",
        str(product.id),
        "Lamp",
        f"https://shop.example/products/{product.id}?variant={variant.id}",
        f"https://cdn.example/{product.id}.jpg",
        "19.90",
        "25.00",
        ("Lights / new", "brass", "Lamps"),
        True,
        False,
        True,
        str(variant.item_id),
        "2026-03-01T08:00:00Z",
    )


@pytest.mark.parametrize(
    ("changes", "on_store", "anywhere"),
    [
        ({}, True, True),
        ({"status": "DRAFT"}, False, False),
        ({"status": "ARCHIVED"}, False, False),
        ({"published_at": None}, False, True),
    ],
)
def test_published_is_what_the_shop_says_it_is(shopify, store, tmp_path, changes, on_store, anywhere):
    store.touch(store.add("Lamp", 1).product, **changes)
    assert PulledShop(shopify, tmp_path / "a").sweep()[0].is_published == on_store
    assert PulledShop(shopify, tmp_path / "b", published_on="any").sweep()[0].is_published == anywhere


def test_an_increment_reads_what_changed_at_each_location(version, store, tmp_path):
    lamp, shade, bulb = store.add("Lamp", 0, 0), store.add("Shade", 1, 1), store.add("Bulb", 2, 2)
    later = NOW + timedelta(hours=1)
    store.clock = lambda: later
    store.set_stock(lamp, 5, 0)
    store.touch(bulb.product, title="Warm bulb", collections=["Light"])
    with serve(FakeShopify(store, version=version)) as running:
        rows = PulledShop(running, tmp_path, page_size=1).changes(later - timedelta(minutes=2))
    here = str(store.locations[0].id)
    assert stock(rows) == {(str(lamp.id), here): "5", (str(bulb.id), ""): None}
    level, facts = rows
    assert (level.collections, level.inventory_item_id) == (None, str(lamp.item_id))
    assert (facts.title, facts.collections) == ("Warm bulb", ("Light", "Lamps"))
    assert shade.title not in {row.title for row in rows}


def test_collections_that_one_page_can_not_hold_are_left_as_the_sweep_knew_them(version, store, tmp_path):
    lamp = store.add("Lamp", 1)
    titles = [f"Group {number}" for number in range(26)]
    with serve(FakeShopify(store, version=version)) as running:
        store.touch(lamp.product, collections=titles[:25])
        (exact,) = PulledShop(running, tmp_path / "a").changes(NOW - timedelta(days=9000))[1:]
        store.touch(lamp.product, collections=titles)
        (beyond,) = PulledShop(running, tmp_path / "b").changes(NOW - timedelta(days=9000))[1:]
    assert exact.collections == (*titles[:25], "Lamps")
    assert beyond.collections is None
