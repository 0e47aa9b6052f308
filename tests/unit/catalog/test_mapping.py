"""Feeds whose fields lie elsewhere, or have to be changed a little."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from include.catalog.archive import Archive
from include.catalog.base import CatalogRow, RejectedRow
from include.catalog.registry import build_connector
from include.catalog.shops import read_shops_file
from include.domain.feed_fields import FieldRule
from include.domain.window import Window
from include.errors import SnapshotRefused
from tests.builders import START, a_shop

NESTED = [
    {
        "article": {"no": "LAMP", "names": {"en": "Brass lamp"}},
        "stock": {"main": 4},
        "cents": 1990,
        "handle": "brass-lamp",
        "groups": [{"name": "Lights"}, {"name": "Brass"}],
        "state": "live",
    },
    {"article": {"no": "VASE"}, "stock": {}, "cents": "free", "handle": "vase", "state": "hidden"},
    {"article": {"no": "SOFA"}, "stock": {"main": 0}, "handle": "sofa", "state": "Live"},
]
FIELDS = {
    "variant_id": "article/no",
    "title": "article/names/en",
    "quantity": {"from": "stock/main", "otherwise": "0"},
    "price": {"from": "cents", "times": "0.01"},
    "url": {"from": "handle", "prefix": "https://shop.example/p/", "suffix": "?from=mail"},
    "collections": "groups/name",
    "is_published": {"from": "state", "any_of": ["live"]},
}


def read(folder: Path, text: str, name: str, fields=FIELDS, **feed) -> list[CatalogRow | RejectedRow]:
    (folder / name).write_text(text)
    shop = a_shop(feed={"url": f"file://{folder / name}", "fields": fields, **feed})
    connector, window = build_connector(shop), Window.manual(name)
    archive = Archive(folder / "archive", "demo", window)
    connector.pull(window, archive, START)
    return [row for chunk in connector.read(archive) for row in chunk]


@pytest.mark.parametrize("form", ["jsonl", "array", "wrapped", "long array"])
def test_nested_json_is_read_by_paths_in_every_form(tmp_path, form):
    texts = {
        "jsonl": "".join(json.dumps(row) + "\n" for row in NESTED),
        "array": json.dumps(NESTED),
        "wrapped": json.dumps({"meta": 1, "items": NESTED}),
        "long array": json.dumps(NESTED * 300),
    }
    lamp, vase, sofa = read(tmp_path, texts[form], "feed.json")[:3]
    assert (lamp.variant_id, lamp.title, lamp.quantity, lamp.price) == ("LAMP", "Brass lamp", "4", "19.90")
    assert lamp.url == "https://shop.example/p/brass-lamp?from=mail"
    assert lamp.collections == ("Lights", "Brass") and lamp.is_published
    assert isinstance(vase, RejectedRow) and "'free'" in vase.reason
    assert (sofa.quantity, sofa.price, sofa.is_published, sofa.collections) == ("0", None, True, ())


def test_rules_serve_csv(tmp_path):
    fields = {
        "variant_id": {"from": "sku", "prefix": "A-"},
        "quantity": {"from": "boxes", "times": "12"},
        "collections": {"from": "tags", "split": ";"},
        "is_published": {"from": "state", "any_of": ["live", "soon"]},
    }
    text = "sku,boxes,tags,state\n1,2,red; round,live\n2,0,,gone\n"
    first, second = read(tmp_path, text, "feed.csv", fields)
    assert (first.variant_id, first.quantity, first.collections) == ("A-1", "24", ("red", "round"))
    assert (first.is_published, second.is_published, second.quantity) == (True, False, "0")


@pytest.mark.parametrize(
    ("written", "price"),
    [("1,990", "19.90"), ("1.990,00 EUR", "19.9000"), ("€ 1990", "19.90"), ("50,5", "0.505"), (" ", None)],
)
def test_a_price_is_multiplied_however_it_is_written(tmp_path, written, price):
    fields = {"variant_id": "sku", "quantity": "qty", "price": {"from": "cents", "times": "0.01"}}
    (row,) = read(tmp_path, f'sku,qty,cents\nLAMP,1,"{written}"\n', "feed.csv", fields)
    assert isinstance(row, CatalogRow) and row.price == price


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("feed.csv", "sku;qty;tags\nLAMP;  ;\t\n"),
        ("feed.jsonl", '{"sku": "LAMP", "qty": " ", "tags": []}\n'),
        ("feed.xml", "<all><v><sku>LAMP</sku><qty> </qty><tags> </tags></v></all>"),
    ],
)
def test_what_holds_blanks_only_is_empty_to_a_rule(tmp_path, name, text):
    fields = {
        "variant_id": "sku",
        "quantity": {"from": "qty", "otherwise": "0"},
        "collections": {"from": "tags", "otherwise": "Others"},
    }
    (row,) = read(tmp_path, text, name, fields)
    assert isinstance(row, CatalogRow) and (row.quantity, row.collections) == ("0", ("Others",))


def test_rules_serve_xml_with_paths(tmp_path):
    fields = {
        "variant_id": "id",
        "quantity": "stock/main",
        "price": {"from": "price@net", "times": "1.19"},
        "title": {"from": "name", "otherwise": "Nameless"},
    }
    text = '<all><v><id>1</id><stock><main>3</main></stock><price net="100"/><name/></v></all>'
    (row,) = read(tmp_path, text, "feed.xml", fields)
    assert (row.variant_id, row.quantity, row.price, row.title) == ("1", "3", "119.00", "Nameless")


def test_a_path_that_no_row_has_is_told_with_those_that_there_are(tmp_path):
    text = "".join(json.dumps(row) + "\n" for row in NESTED)
    with pytest.raises(SnapshotRefused, match=r"called 'stock/mian'.*Did you mean 'stock/main'"):
        read(tmp_path, text, "feed.jsonl", {**FIELDS, "quantity": "stock/mian"})


def test_a_name_with_a_slash_is_no_path_where_the_feed_has_it(tmp_path):
    rows = read(tmp_path, '{"id": "LAMP", "on/hand": 3}\n', "feed.jsonl", {"quantity": "on/hand"})
    assert [row.quantity for row in rows] == ["3"]


def test_rules_that_name_only_are_as_fast_as_names():
    assert FieldRule.model_validate("sku").is_plain
    assert not FieldRule.model_validate({"from": "sku", "times": "1"}).is_plain


def test_mistakes_in_rules_are_told_with_their_lines(tmp_path):
    shops = tmp_path / "shops.yaml"
    shops.write_text("""\
shops:
  - id: demo
    platform: feed
    schedule: 1 hour
    currency: EUR
    time_zone: UTC
    feed:
      url: feed.json
      fields:
        price:
          from: cents
          time: 0.01
        quantity: {from: stock, times: much}
        titel: name
""")
    report = str(read_shops_file(shops).report)
    assert "line 12: shop 'demo': feed.fields.price.time is unknown. Allowed are from, otherwise" in report
    assert "Did you mean 'times'" in report
    assert "line 13" in report and "'much'" in report
    assert "line 14" in report and "Did you mean 'title'" in report


# --- variants that lie deeper in a JSON document

SHELVES = {
    "page": {"tags": ["x"]},
    "data": {
        "products": [
            {
                "id": 1,
                "title": "Lamp",
                "variants": [{"sku": "RED", "stock": 3}, {"sku": "BLUE", "stock": "many"}],
            },
            {"id": 2, "title": "Vase", "variants": []},
            {"id": 3, "title": "Sofa", "variants": [{"sku": "SOFA", "stock": 0, "title": "Grey sofa"}]},
        ]
    },
}
OUTER = {"product_id": "../id", "title": "../title"}


def test_variants_inside_of_products_are_rows_that_know_their_product(reader):
    reading = reader.read(json.dumps(SHELVES), item="data/products/variants", fields=OUTER)
    known = [
        (row.line_number, row.variant_id, row.product_id, row.title, row.quantity) for row in reading.rows
    ]
    assert known == [(1, "RED", "1", "Lamp", "3"), (3, "SOFA", "3", "Sofa", "0")]
    assert [(row.line_number, row.reason) for row in reading.rejected] == [
        (2, "field 'stock' is 'many', where a quantity is a number such as 12 or -0.5")
    ]


def test_a_list_in_an_envelope_is_read_and_so_is_one_below_a_bare_list(reader):
    envelope = json.dumps({"data": {"shop": {"list": [{"id": "A", "stock": 1}]}}})
    assert reader.read(envelope, item="data/shop/list").quantities == {"A": "1"}
    bare = json.dumps(SHELVES["data"]["products"])
    assert set(reader.read(bare, item="variants").quantities) == {"RED", "SOFA"}


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (
            "products/variants",
            "no list begins on that way. Seen: 'page', 'page/tags', 'data', 'data/products',",
        ),
        ("data/products/variant", "has none there. Seen: 'id', 'title', 'variants'"),
    ],
)
def test_a_way_that_leads_nowhere_says_what_was_seen(reader, item, reason):
    with pytest.raises(SnapshotRefused) as caught:
        reader.read(json.dumps(SHELVES), item=item)
    assert reason in str(caught.value)


def test_a_nested_document_that_is_cut_is_refused_whole(reader):
    with pytest.raises(SnapshotRefused, match="is cut off after 2 whole rows"):
        reader.read(json.dumps(SHELVES)[:-60], item="data/products/variants")


def test_without_the_way_the_refusal_names_it(reader):
    with pytest.raises(SnapshotRefused, match=r"Seen: 'page', 'data'.* feed.item is the way to them"):
        reader.read(json.dumps(SHELVES))
