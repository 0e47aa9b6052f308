import csv
import gzip
import io
import json
import string
from functools import partial
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import astuple

from include.catalog.base import CatalogRow, RejectedRow
from include.catalog.feed import csv_lines
from include.catalog.feed.connector import READERS
from include.catalog.feed.fields import FIELDS, NAMES
from include.catalog.feed.stream import FeedStream
from include.domain.feed_fields import FieldMapping
from include.errors import SnapshotRefused
from tests.unit.catalog.conftest import FEEDS, Reading

# The same bytes each time: they are part of a test's name.
pack = partial(gzip.compress, mtime=0)

LAMP = {"id": "ELEGANT-LAMP", "quantity": 20}


def lines(*rows) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def csv_of(*rows, delimiter=",", line_break="\r\n") -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator=line_break).writerows(rows)
    return text.getvalue()


def read_bytes(kind, content: bytes, **settled) -> Reading:
    return Reading(READERS[kind](FeedStream(io.BytesIO(content), "feed"), FieldMapping(settled)))


# --- the three formats


def test_klaviyos_names_need_no_mapping(reader):
    rows = reader.read((FEEDS / "klaviyo.json").read_bytes()).rows
    assert rows[0] == CatalogRow(
        1,
        "ELEGANT-LAMP-S",
        "",
        "20",
        product_id="ELEGANT-LAMP",
        title="Elegant lamp, small",
        url="https://shop.example/elegant-lamp?size=s",
        image_url="https://cdn.shop.example/elegant-lamp.jpg",
        price="19.9",
        collections=("Lamps", "New"),
    )
    assert rows[1].quantity == "-2"


def test_json_lines_with_locations_and_numbers_as_ids(reader):
    rows = reader.read((FEEDS / "locations.jsonl").read_bytes()).rows
    assert [(row.variant_id, row.location_id, row.quantity, row.is_published) for row in rows] == [
        ("33001893429341", "main", "12", True),
        ("33001893429341", "pos", "0.5", True),
        ("33001893429342", "main", "0", False),
    ]
    assert [(row.line_number, row.product_id, row.price) for row in rows] == [
        (1, "77", "19.90"),
        (2, "77", "19.90"),
        (3, "77", "29.90"),
    ]


def test_csv_with_semicolons_quotes_and_line_breaks_in_cells(reader):
    small, large = reader.read((FEEDS / "semicolons.csv").read_bytes()).rows
    assert small == CatalogRow(
        2,
        "ELEGANT-LAMP-S",
        "",
        "20",
        product_id="ELEGANT-LAMP",
        title="Elegant lamp; small",
        price="19.90",
        compare_at_price="25",
        collections=("Lamps", "New"),
    )
    assert (large.line_number, large.title) == (3, 'Elegant "large" lamp\r\nwith a shade')
    assert (large.quantity, large.continue_selling) == ("-2", True)


@pytest.mark.parametrize("wrapper", ["items", "products", "data"])
@pytest.mark.parametrize("indent", [None, 2])
def test_an_array_may_lie_inside_an_object(reader, wrapper, indent):
    content = json.dumps({"meta": {"items": [1]}, wrapper: [LAMP, LAMP], "next": None}, indent=indent)
    assert len(reader.read(content).rows) == 2


@pytest.mark.parametrize(
    "content",
    [lines(LAMP), json.dumps([LAMP]), json.dumps({"items": [LAMP]}), "id,quantity\nELEGANT-LAMP,20\n"],
)
def test_a_shop_with_one_variant_works(reader, content):
    assert reader.read(content).quantities == {"ELEGANT-LAMP": "20"}


def test_an_array_may_have_one_object_a_line(reader):
    rows = ",\n".join(json.dumps(LAMP) for _ in range(10))
    assert len(reader.read(f"[{rows}]").rows) == 10
    assert len(reader.read(f'{{"items":[{rows}],"count":10}}').rows) == 10


def test_a_bad_first_line_does_not_hide_that_the_others_are_lines(reader):
    reading = reader.read('{"id": oops\n' + lines(LAMP, LAMP))
    assert (len(reading.rows), reading.rejected[0].line_number) == (2, 1)


def test_json_lines_with_a_list_called_data_are_still_lines(reader):
    content = lines(LAMP | {"data": [1]}, LAMP | {"data": [2]})
    assert len(reader.read(content).rows) == 2


@pytest.mark.parametrize(
    "content",
    [lines(LAMP), json.dumps([LAMP]), "id,quantity\nELEGANT-LAMP,20\n", "id\tquantity\nELEGANT-LAMP\t20\n"],
)
def test_gzip_and_a_byte_order_mark_make_no_difference(reader, content):
    body = b"\xef\xbb\xbf" + content.encode()
    assert reader.read(body).quantities == {"ELEGANT-LAMP": "20"}
    assert reader.read(gzip.compress(body)).quantities == {"ELEGANT-LAMP": "20"}


@pytest.mark.parametrize("kind", ["json", "jsonl", "csv"])
def test_a_settled_format_is_not_guessed(reader, kind):
    contents = {"json": json.dumps([LAMP]), "jsonl": lines(LAMP), "csv": "id,quantity\nELEGANT-LAMP,20\n"}
    assert reader.read(contents[kind], format=kind).quantities == {"ELEGANT-LAMP": "20"}


def test_blank_lines_and_windows_line_breaks_do_not_shift_line_numbers(reader):
    content = '\n{"id":1,"quantity":1}\r\n\r\n{"id":2,"quantity":2}'
    assert [(row.line_number, row.variant_id) for row in reader.read(content).rows] == [(2, "1"), (4, "2")]
    content = "\r\nid,quantity\r\n1,1\r\n\r\n2,2"
    assert [(row.line_number, row.variant_id) for row in reader.read(content).rows] == [(3, "1"), (5, "2")]


def test_order_is_kept_over_many_chunks(reader):
    wanted = [str(number) for number in range(12_345)]
    rows = [{"id": number, "quantity": 1, "title": "Elegant lamp " * 5} for number in wanted]
    table = [("id", "quantity", "title"), *((row["id"], 1, row["title"]) for row in rows)]
    for content in (lines(*rows), json.dumps(rows), csv_of(*table)):
        reading = reader.read(content)
        assert [row.variant_id for row in reading.rows] == wanted
        first = reading.rows[0].line_number
        assert [row.line_number - first for row in reading.rows] == list(range(12_345))


# --- names


def test_a_field_is_taken_by_the_first_known_name(reader):
    both = {"sku": "S", "id": "I", "$id": "K", "variant_id": "V", "qty": 1, "inventory_quantity": 2}
    assert reader.read(lines(both)).quantities == {"K": "2"}
    assert reader.read("sku,variant_id,stock,qty\nS,V,1,2\n").quantities == {"V": "2"}


def test_header_names_may_differ_in_case_blanks_and_hyphens(reader):
    assert reader.read("Variant ID , Inventory-Quantity\nA,3\n").quantities == {"A": "3"}


def test_a_settled_name_wins(reader):
    fields = {"variant_id": "article", "quantity": "on_hand"}
    assert reader.read(
        lines({"id": "I", "article": "A", "quantity": 1, "on_hand": 2}), fields=fields
    ).quantities == {"A": "2"}


def test_one_name_may_serve_two_fields(reader):
    (row,) = reader.read(
        lines({"sku": "A", "qty": 2}), fields={"variant_id": "sku", "product_id": "sku"}
    ).rows
    assert (row.variant_id, row.product_id, row.quantity) == ("A", "A", "2")


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv"])
def test_a_missing_field_refuses_the_feed_and_says_what_was_seen_and_is_allowed(reader, kind):
    rows = [{"ean": "1", "menge": 2}]
    contents = {"jsonl": lines(*rows), "json": json.dumps(rows), "csv": "ean,menge\n1,2\n"}
    with pytest.raises(SnapshotRefused) as caught:
        reader.read(contents[kind])
    told = str(caught.value)
    assert "no field for variant_id (any of $id, variant_id, id, sku)" in told
    assert "quantity (any of $inventory_quantity, inventory_quantity, quantity, qty, stock)" in told
    assert "Seen: 'ean', 'menge'." in told
    assert "feed.fields: {variant_id: …, quantity: …}" in told


def test_a_settled_name_that_the_feed_does_not_have_refuses_it(reader):
    with pytest.raises(
        SnapshotRefused, match=r"location_id is called 'wharehouse'.*Did you mean 'warehouse'"
    ):
        reader.read(lines(LAMP | {"warehouse": "main"}), fields={"location_id": "wharehouse"})
    with pytest.raises(SnapshotRefused, match="title is called 'titel'"):
        reader.read("id,quantity\nA,1\n", fields={"title": "titel"})


def test_a_field_that_only_later_rows_have_is_not_lost_within_the_first_block(reader):
    rows = reader.read(lines(LAMP, LAMP, LAMP | {"title": "Elegant lamp"})).rows
    assert [row.title for row in rows] == [None, None, "Elegant lamp"]


def test_every_catalog_field_has_known_names():
    no_feed_says = {"line_number", "inventory_item_id", "reported_at"}
    assert set(NAMES) == set(FIELDS) == {*CatalogRow.__struct_fields__} - no_feed_says


# --- single rows


@pytest.mark.parametrize(
    ("quantity", "text"),
    [
        (20, "20"),
        (-3, "-3"),
        (0.5, "0.5"),
        ("12", "12"),
        (" 7 ", "7"),
        ("+4", "4"),
        ("007", "7"),
        ("1.50", "1.50"),
        (5.0, "5.0"),
        ("1e3", "1000"),
        (1e-7, "0.000000"),
        ("0.99999999", "0.999999"),
        (10**12, "1000000000000"),
    ],
)
def test_a_quantity_is_kept_as_decimal_text(reader, quantity, text):
    assert reader.read(lines({"id": "A", "quantity": quantity})).quantities == {"A": text}


@pytest.mark.parametrize(
    ("quantity", "reason"),
    [
        (None, "field 'quantity' is empty"),
        ("", "field 'quantity' is empty"),
        ("many", "field 'quantity' is 'many', where a quantity is a number such as 12 or -0.5"),
        ("1,5", "is '1,5', where"),
        ("NaN", "is 'NaN', where"),
        ("inf", "is 'inf', where"),
        ("٣", "where a quantity is a number"),
        ("1_000", "where a quantity is a number"),
        (True, "is true, where"),
        ([1], "is a list, where"),
        ({"main": 1}, "is an object, where"),
        (10**12 + 1, "is 1000000000001; at most 1,000,000,000,000 is believed"),
        ("1e300", "at most 1,000,000,000,000 is believed"),
        (-1e13, "at most 1,000,000,000,000 is believed"),
        ("9" * 50, "where a quantity is a number"),
    ],
)
def test_a_quantity_that_is_none_goes_to_the_rejects(reader, quantity, reason):
    reading = reader.read(lines(LAMP, {"id": "A", "quantity": quantity}, LAMP))
    (rejected,) = reading.rejected
    assert rejected.line_number == 2
    assert reason in rejected.reason
    assert '"id": "A"' in rejected.excerpt
    assert [row.line_number for row in reading.rows] == [1, 3]


@pytest.mark.parametrize("kind", ["json", "csv"])
def test_the_other_formats_reject_alike(reader, kind):
    contents = {
        "json": json.dumps([LAMP, {"id": "A", "quantity": "many"}, {"id": "", "quantity": 1}, 7]),
        "csv": "id,quantity\nELEGANT-LAMP,20\nA,many\n,1\nB\n",
    }
    reading = reader.read(contents[kind])
    assert reading.quantities == {"ELEGANT-LAMP": "20"}
    first = 2 if kind == "json" else 3
    assert [row.line_number for row in reading.rejected] == [first, first + 1, first + 2]
    assert "is 'many', where a quantity is a number" in reading.rejected[0].reason
    assert "is empty: a row needs the variant's id" in reading.rejected[1].reason
    assert all(row.excerpt for row in reading.rejected)


@pytest.mark.parametrize("value", [None, "", "  ", True, 1.5, [], {}, "x" * 256, 10**300])
def test_a_row_without_a_usable_id_goes_to_the_rejects(reader, value):
    (rejected,) = reader.read(lines(LAMP, {"id": value, "quantity": 1})).rejected
    assert rejected.line_number == 2
    assert "field 'id'" in rejected.reason


def test_ids_lose_the_blanks_around_them_and_nothing_else(reader):
    row = {"id": " a B ", "quantity": 1, "location_id": " main ", "product_id": " P "}
    (found,) = reader.read(lines(row)).rows
    assert (found.variant_id, found.location_id, found.product_id) == ("a B", "main", "P")
    assert reader.read("id,quantity\n a B ,1\n").quantities == {"a B": "1"}


def test_ids_beyond_53_bits_stay_exact(reader):
    wanted = {"9007199254740993": "1", "123456789012345678901234567890": "1"}
    rows = [{"id": int(key), "quantity": 1} for key in wanted]
    assert reader.read(lines(*rows)).quantities == wanted
    assert reader.read(json.dumps(rows)).quantities == wanted


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b'{"id": "A", "quantity": 1', "not valid JSON"),
        (b"[1, 2]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'{"id": "A\xff", "quantity": 1}', "not valid UTF-8"),
        (b'{"id": "A", "quantity": NaN}', "not valid JSON"),
        (b'{"id": "A\\ud800", "quantity": 1}', "half of a surrogate pair"),
        (b'{"id": "A\\u0000", "quantity": 1}', "contains a NUL"),
        (b'{"id": "A", "quantity": 1, "x": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", "nested too deeply"),
        (b'{"id": "A", "quantity": ' + b"9" * 5000 + b"}", ""),
        (
            b'{"id": "A", "quantity": 1, "title": {"en": "Lamp"}}',
            "field 'title' is an object, where text is needed",
        ),
        (b'{"id": "A", "quantity": 1, "published": "perhaps"}', "where true or false is needed"),
        (b'{"id": "A", "quantity": 1, "categories": [[]]}', "where a list of names is needed"),
    ],
)
def test_one_bad_line_costs_one_row(reader, bad, reason):
    good = json.dumps(LAMP | {"title": "t", "published": True, "categories": []}).encode()
    reading = reader.read(b"\n".join([good, bad, good, b""]))
    assert [row.line_number for row in reading.rows] == [1, 3]
    (rejected,) = reading.rejected
    assert rejected.line_number == 2
    assert reason in rejected.reason
    assert len(rejected.excerpt) <= 200
    assert rejected.excerpt.isprintable()


def test_a_line_too_long_to_hold_costs_one_row(reader):
    huge = json.dumps(LAMP | {"title": "x" * 3_000_000})
    reading = reader.read("\n".join([json.dumps(LAMP), huge, json.dumps(LAMP), huge]))
    assert [row.line_number for row in reading.rows] == [1, 3]
    assert [row.line_number for row in reading.rejected] == [2, 4]
    assert reading.rejected[0].reason == "the line is longer than 1,048,576 bytes"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"A,1,2,3", "4 cells where the header has 3"),
        (b"A,1", "2 cells where the header has 3"),
        (b'"A"B,1,', "not valid CSV"),
        (b"A\xff,1,", "not valid UTF-8"),
        (b"A\0,1,", "contains a NUL"),
    ],
)
def test_one_bad_csv_line_costs_one_row(reader, bad, reason):
    reading = reader.read(b"id,quantity,title\nB,1,x\n" + bad + b"\nC,2,\xc3\xa9\n")
    assert reading.quantities == {"B": "1", "C": "2"}
    (rejected,) = reading.rejected
    assert rejected.line_number == 3
    assert reason in rejected.reason


@pytest.mark.parametrize(
    ("value", "names"),
    [
        (["Lamps", "New"], ("Lamps", "New")),
        ("Lamps|New, old", ("Lamps", "New, old")),
        ("Lamps, New", ("Lamps", "New")),
        ('["Lamps", "New"]', ("Lamps", "New")),
        ("[Lamps]", ("[Lamps]",)),
        (["Lamps", 7], ("Lamps", "7")),
        (None, ()),
        ("", ()),
    ],
)
def test_collections_are_a_list_or_separated_text(reader, value, names):
    assert reader.read(lines(LAMP | {"categories": value})).rows[0].collections == names


def test_klaviyos_inventory_policy_says_nothing_about_overselling(reader):
    rows = [LAMP | {"$inventory_policy": policy} for policy in (0, 1, 2, "continue", "deny", None)]
    sold_on = [row.continue_selling for row in reader.read(lines(*rows)).rows]
    assert sold_on == [False, False, False, True, False, False]
    assert reader.read(lines(LAMP | {"continue_selling": 1})).rows[0].continue_selling


def test_untracked_stock_needs_no_quantity(reader):
    row = {"id": "A", "quantity": None, "tracked": False}
    (found,) = reader.read(lines(LAMP | {"tracked": True}, row)).rows[1:]
    assert (found.quantity, found.is_tracked) == ("0", False)


# --- whole feeds that can't be believed


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "the feed is empty"),
        (b" \n\n ", "the feed is empty"),
        (b"<!DOCTYPE html><html><head><title>Maintenance</title>", "an HTML page titled 'Maintenance'"),
        (b"\n<HTML><body>Log in</body>", "an HTML page: perhaps a login"),
        (b'<?xml version="1.0"?><items/>', "the feed has no rows"),
        (b"PK\x03\x04....", "a ZIP or Excel file"),
        ('[{"id":1}]'.encode("utf-16-le"), "a binary file, or UTF-16 text without its mark"),
        (pack(pack(pack(pack(b"x")))), "gzip inside gzip inside gzip"),
        (b"[]", "the feed has no rows"),
        (b"id,quantity\n", "the feed has no rows"),
        (b'{"error": "quota"}', "no field for variant_id"),
        (b"Internal error, try later", "no field for variant_id"),
        (pack(lines(LAMP).encode() * 50)[:-12], "the gzip file is cut off"),
        (pack(lines(LAMP).encode()) + b"more", "the gzip file is followed by other content"),
    ],
)
def test_what_is_no_feed_is_refused_whole(reader, content, problem):
    with pytest.raises(SnapshotRefused, match=problem) as caught:
        reader.read(content)
    assert "feed-1: " in str(caught.value)


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.9, 0.99999])
def test_a_feed_that_is_cut_off_is_refused_whole(reader, cut):
    rows = [LAMP | {"title": f"Elegant lamp {number}"} for number in range(9000)]
    array = json.dumps(rows)
    with pytest.raises(SnapshotRefused, match=r"the JSON array is cut off after [0-9,]+ whole rows"):
        reader.read(array[: int(len(array) * cut)])
    text = lines(*rows)
    with pytest.raises(SnapshotRefused, match=r"cut off in the middle of line [0-9,]+\."):
        reader.read(text[: text.index("quantity", int(len(text) * cut) - 60) + 3])
    table = csv_of(("id", "title", "quantity"), *((row["id"], row["title"], 20) for row in rows))
    with pytest.raises(SnapshotRefused, match=r"cut off in the middle of line [0-9,]+\."):
        reader.read(table[: table.index("lamp", int(len(table) * cut) - 40) + 2])
    with pytest.raises(SnapshotRefused, match=r"cut off in the middle of line [0-9,]+\."):
        reader.read('id,title,quantity\nA,"x",1\nB,"elegant\nla')


def test_an_array_with_a_mistake_inside_is_refused_whole(reader):
    with pytest.raises(SnapshotRefused, match=r"the JSON array is not valid \(.*\) after 1 whole rows"):
        reader.read('[{"id": 1, "quantity": 1}, {"id": 2 "quantity": 2}]')


@pytest.mark.parametrize("opening", ["[", '{"a": '])
@pytest.mark.parametrize("before", ["", "x" * 300_000])
def test_a_nesting_bomb_is_refused_whole(reader, opening, before):
    bomb = opening * 200_000
    with pytest.raises(
        SnapshotRefused, match=r"nested deeper than 100 levels|no array was found|no field for"
    ):
        reader.read(
            f'[{json.dumps(LAMP)}, {{"id": 1, "quantity": 1, "title": "{before}", "x": {bomb}', format="json"
        )
    with pytest.raises(SnapshotRefused):
        reader.read(bomb)


def test_an_object_without_rows_is_refused_when_json_is_settled(reader):
    with pytest.raises(SnapshotRefused, match="no array was found"):
        reader.read('{"error": "quota"}', format="json")


# --- the short ways and the long way give the same rows

ALL_NAMES = {NAMES[field][0]: "x" for field in FIELDS} | {"$inventory_quantity": 1, "$categories": []}
ALL_NAMES |= {"$published": True, "is_tracked": True, "continue_selling": True}


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**13), 10**13),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(
        ["", " ", "0", "007", "12", "-3", "1.5", "true", "continue", "Shoes|Sale", "\0", "é", "٣"]
    ),
    st.lists(st.text(max_size=3), max_size=3),
    st.just({}),
)
WORDS = st.one_of(st.none(), st.text(alphabet="ab é", max_size=3))
IDS = st.one_of(WORDS, st.integers(0, 10**20))
PRICES = st.one_of(WORDS, st.integers(0, 9), st.floats(0, 9))
TRUTHS = st.one_of(st.booleans(), st.none())
PLAIN = {
    "location_id": IDS,
    "product_id": IDS,
    "price": PRICES,
    "compare_at_price": PRICES,
    "collections": st.one_of(st.none(), st.lists(st.text(alphabet="ab", max_size=3), max_size=2)),
    "is_published": TRUTHS,
    "is_tracked": TRUTHS,
    "continue_selling": TRUTHS,
}
PLAIN_ROW = st.fixed_dictionaries(
    {
        "$id": st.one_of(st.sampled_from(["a", " a ", "é"]), st.integers(0, 10**20)),
        "$inventory_quantity": st.one_of(st.integers(-9, 99), st.sampled_from(["12", -0.5, 10**12])),
    },
    optional={NAMES[field][0]: PLAIN.get(field, WORDS) for field in FIELDS[2:]},
)
ANY_ROW = st.fixed_dictionaries({}, optional=dict.fromkeys(ALL_NAMES, VALUES))
JSON_ROWS = st.one_of(st.lists(PLAIN_ROW, max_size=4), st.lists(ANY_ROW, max_size=3))
PATIENT = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
ANY_CELL = st.one_of(
    st.text(alphabet=string.printable + "\0é٣", max_size=6),
    st.sampled_from(["", " ", "0", "007", "12", "-3", "1.5", "true", "no", "continue", "Shoes|Sale"]),
)
ANY_CELLS = st.lists(ANY_CELL, min_size=len(FIELDS), max_size=len(FIELDS))
PLAIN_CELLS = st.tuples(
    st.sampled_from(["a", " a ", "é", "33001893429341"]),
    st.sampled_from(["0", "12", "007", "-3", " 4 ", "0.5", "999999999999", "1000000000000"]),
    *[st.text(alphabet="ab é", max_size=3)] * 7,
    st.sampled_from(["", "Shoes|Sale", "Shoes, Sale", '["Shoes"]']),
    *[st.sampled_from(["", "true", "No", " yes ", "0"])] * 2,
    st.sampled_from(["", "true", "continue", "deny", "1"]),
)


def without_excerpt(row):
    return astuple(row)[:2] if isinstance(row, RejectedRow) else astuple(row)


def comparable(reading: Reading, shift: int = 0):
    return [
        (type(row).__name__ == "RejectedRow", row.line_number + shift, *astuple(row)[1:][:13])
        for row in reading.all
        if "closer look" not in str(astuple(row))
    ]


@PATIENT
@given(JSON_ROWS)
def test_json_lines_decoded_at_once_and_line_by_line_are_the_same(rows):
    content = lines(ALL_NAMES, *rows).encode()
    trouble = b'"closer look"\n'
    assert comparable(read_bytes("jsonl", content)) == comparable(read_bytes("jsonl", content + trouble))


@PATIENT
@given(JSON_ROWS)
def test_json_lines_and_a_json_array_are_the_same(rows):
    as_lines = read_bytes("jsonl", lines(ALL_NAMES, *rows).encode())
    for wrapped in (
        [ALL_NAMES, *rows],
        {"items": [ALL_NAMES, *rows]},
        {"x": {"data": []}, "data": [ALL_NAMES, *rows]},
    ):
        as_array = read_bytes("json", json.dumps(wrapped).encode())
        assert list(map(without_excerpt, as_lines.all)) == list(map(without_excerpt, as_array.all))


@PATIENT
@given(
    st.lists(st.one_of(PLAIN_CELLS, PLAIN_CELLS, ANY_CELLS), min_size=1, max_size=6),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.integers(1, 300),
)
def test_csv_read_the_short_way_and_the_long_way_is_the_same(rows, line_break, block_size):
    header = [NAMES[field][0] for field in FIELDS]
    content = csv_of(header, *rows, line_break=line_break).encode()
    closer_look = ["closer look\0", *([""] * (len(FIELDS) - 1))]
    suspect = content + csv_of(closer_look, line_break=line_break).encode()
    with mock.patch.object(csv_lines, "BLOCK", block_size):
        short_way = read_bytes("csv", content)
    assert comparable(short_way) == comparable(read_bytes("csv", suspect))


UNQUOTED = [[str(number), str(number % 7)] for number in range(1000)]


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("oddity", ["", "odd,1,2", "odd", "odd,many", '"od\nd",3', 'odd,"3"'])
def test_an_odd_line_far_behind_costs_no_other_line(monkeypatch, oddity, line_break):
    monkeypatch.setattr(csv_lines, "BLOCK", 1000)
    before, after = csv_of(*UNQUOTED, line_break=line_break), csv_of(*UNQUOTED, line_break=line_break)
    content = csv_of(["id", "quantity"], line_break=line_break) + before + oddity + line_break + after
    found = read_bytes("csv", content.encode())
    others = [row for row in found.rows if row.variant_id.isdigit()]
    assert [[row.variant_id, row.quantity] for row in others] == UNQUOTED * 2
    last = found.rows[-1].line_number
    assert (found.rows[999].line_number, last) == (1001, 2002 + ("\n" in oddity))


def test_a_cell_longer_than_csv_takes_costs_its_line_whether_quoted_or_not():
    long = "x" * (csv.field_size_limit() + 1)
    for cell in (long, f'"{long}"'):
        before = "1,1,\n" * 100_000
        found = read_bytes("csv", f"id,quantity,title\n{before}2,2,{cell}\n3,3,\n".encode())
        assert [row.line_number for row in found.rejected] == [100_002]
        assert len(found.rows) == 100_001
