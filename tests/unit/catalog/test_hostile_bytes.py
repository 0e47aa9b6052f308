"""Feeds that are cut, damaged, or built to do harm: each is refused or handled row by row, with its reason."""

import gzip
import json
import tracemalloc
import zlib

import pytest

from include.errors import SnapshotRefused
from tests.unit.catalog.conftest import Reading
from tests.unit.catalog.test_reading import LAMP, csv_of, lines, read_bytes

CHAIR = LAMP | {"id": "PLAIN-CHAIR"}


def refusal_of(reader, content, **feed) -> str:
    with pytest.raises(SnapshotRefused) as caught:
        reader.read(content, **feed)
    return str(caught.value)


def reasons(reading: Reading) -> list[tuple[int, str]]:
    return [(row.line_number, row.reason) for row in reading.rejected]


# --- a JSON array read item by item is judged as its lines would be

BAD_ITEMS = {
    "lone surrogate": (rb'{"id": "A\ud800", "quantity": 1}', "holds half of a surrogate pair"),
    "lone low surrogate": (rb'{"id": "A\uDC00", "quantity": 1}', "holds half of a surrogate pair"),
    "escaped NUL": (rb'{"id": "A\u0000", "quantity": 1}', "field 'id' contains a NUL character"),
    "bare NUL": (b'{"id": "A\0", "quantity": 1}', "is not valid JSON: invalid character"),
    "bare line break": (b'{"id": "A\tB", "quantity": 1}', "is not valid JSON: invalid character"),
    "not UTF-8": (b'{"id": "A\xff", "quantity": 1}', "is not valid UTF-8 text; another encoding is told by"),
    "half a character": (b'{"id": "A\xc3", "quantity": 1}', "is not valid UTF-8 text"),
    "absurd number": (b'{"id": "A", "quantity": 1e999}', "Number out of range"),
    "no object": (b'"A"', "is not a JSON object"),
}
POSITIONS = pytest.mark.parametrize("position", ["first", "middle", "last"])
BAD = pytest.mark.parametrize(("item", "reason"), list(BAD_ITEMS.values()), ids=list(BAD_ITEMS))


@BAD
@POSITIONS
@pytest.mark.parametrize("ending", [b"]", b" ]\n", b'], "facets": [{"a": 1}], "count": 3}'])
def test_a_bad_item_of_an_array_is_refused_and_no_other(reader, item, reason, position, ending):
    good = [json.dumps(LAMP | {"id": f"LAMP-{number}"}).encode() for number in range(5000)]
    place = {"first": 0, "middle": 2500, "last": 5000}[position]
    items = [*good[:place], item, *good[place:]]
    opening = b'{"items": [' if ending.endswith(b"}") else b"["
    reading = reader.read(opening + b", ".join(items) + ending)
    assert len(reading.rows) == 5000
    ((number, told),) = reasons(reading)
    assert number == place + 1
    assert reason in told


@BAD
def test_a_bad_line_is_refused_for_the_same_reason(reader, item, reason):
    reading = reader.read(lines(LAMP).encode() + item + b"\n" + lines(CHAIR).encode())
    assert len(reading.rows) == 2
    ((number, told),) = reasons(reading)
    assert number == 2
    assert reason in told


def test_whole_surrogate_pairs_and_escaped_backslashes_are_text(reader):
    rows = [LAMP | {"title": "\U0001f4a1 lamp"}, LAMP | {"title": "C:\\ud800"}]
    for content in (lines(*rows), json.dumps(rows), json.dumps({"x": {"data": []}, "data": rows})):
        assert [row.title for row in reader.read(content).rows] == ["\U0001f4a1 lamp", "C:\\ud800"]


@pytest.mark.parametrize("before", [0, 1, 5, 11, 262_100, 262_130])
def test_half_a_surrogate_pair_where_items_cannot_be_cut_refuses_the_whole(reader, before):
    start = json.dumps({"x": {"data": []}, "data": [LAMP, LAMP | {"title": "x" * before}]})[:-2]
    told = refusal_of(reader, start + rb', {"id": "A\ud800", "quantity": 1}]}'.decode())
    assert "half of a surrogate pair, \\ud800" in told


# --- cells, items and lines of absurd length


@pytest.mark.parametrize("size", [1_100_000, 5_000_000])
@pytest.mark.parametrize("field", ["title", "x"])
@pytest.mark.parametrize("kind", ["jsonl", "json", "csv"])
def test_a_cell_of_5_mb_refuses_its_row_and_no_other(kind, field, size):
    rows = [LAMP | {field: ""}, LAMP | {field: "x" * size}, *[CHAIR | {field: ""}] * 3]
    content = {
        "jsonl": lines(*rows),
        "json": json.dumps(rows),
        "csv": csv_of(rows[0].keys(), *(row.values() for row in rows)),
    }[kind]
    reading = read_bytes(kind, content.encode())
    assert [row.variant_id for row in reading.rows] == ["ELEGANT-LAMP", *["PLAIN-CHAIR"] * 3]
    ((number, told),) = reasons(reading)
    assert number == {"jsonl": 2, "json": 2, "csv": 3}[kind]
    assert "longer than 1,048,576 bytes" in told or "larger than field limit" in told
    assert len(reading.rejected[0].excerpt) <= 200


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "xml"])
@pytest.mark.parametrize("filler", [b"x", b" ", b"[", b'{"a":', b'"', b","])
def test_an_endless_row_takes_no_memory(kind, filler):
    starts = {
        "jsonl": b'{"id":1,"quantity":1}\n{"id":2,"quantity":1,"x":"',
        "json": b'[{"id":1,"quantity":1},{"id":2,"quantity":1,"x":"',
        "csv": b"id,quantity,x\n1,1,x\n2,1,",
        "xml": b"<a><b><id>1</id><quantity>1</quantity></b><b><id>2</id><quantity>1</quantity><x>",
    }
    content = starts[kind] + filler * (60_000_000 // len(filler))
    tracemalloc.start()
    try:
        read_bytes(kind, content)
    except SnapshotRefused as refused:
        assert "feed: " in str(refused)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40_000_000


# --- CSV


def test_lines_inside_an_unclosed_quote_are_all_counted(reader):
    body = "".join(f'{number},1,"x"\n' for number in range(20_000))
    reading = reader.read(f'id,quantity,title\nA,1,"open\n{body}')
    lost = reasons(reading)
    assert lost[0][1].startswith("the line is not valid CSV")
    assert lost[1] == (3, "the line lies inside a quoted cell that begins on line 2")
    assert len(reading.rows) + len(lost) == 20_001
    assert len({number for number, _ in lost}) == len(lost)


def test_short_and_long_rows_are_refused_one_by_one(reader):
    reading = reader.read("id,quantity,title\nA,1\nB,2,x\nC,3,x,y\nD,4,x\n")
    assert reading.quantities == {"B": "2", "D": "4"}
    assert reasons(reading) == [
        (2, "the line has 2 cells where the header has 3"),
        (4, "the line has 4 cells where the header has 3"),
    ]


@pytest.mark.parametrize("first", ["sep=;\n", "SEP=;\r\n", "\n\nsep=;\n"])
def test_excels_own_first_line_names_the_delimiter(reader, first):
    assert reader.read(first + "id;quantity;title\nA;1;x,y,z,u\n").quantities == {"A": "1"}


def test_a_header_that_names_a_needed_column_twice_is_refused(reader):
    assert "the header has 'quantity' 2 times" in refusal_of(reader, "id,quantity,quantity\nA,1,2\n")
    assert reader.read("id,quantity,note,note\nA,1,x,y\n").quantities == {"A": "1"}


def test_a_bad_list_of_collections_refuses_its_row_and_no_other(reader):
    reading = reader.read('id,quantity,categories\nA,1,"[""x\\u0000""]"\nB,2,"[""x""]"\n')
    assert reading.quantities == {"B": "2"}
    assert reasons(reading) == [(2, "field 'categories' contains a NUL character")]


def test_numbers_are_text_and_leading_zeros_of_ids_stay(reader):
    reading = reader.read('id,quantity,price\n007,"12","19.90"\n')
    assert (reading.rows[0].variant_id, reading.rows[0].quantity, reading.rows[0].price) == (
        "007",
        "12",
        "19.90",
    )


# --- prices, which the database keeps as numbers


@pytest.mark.parametrize(
    ("price", "number"),
    [
        ("19.90", "19.90"),
        ("19,90", "19.90"),
        ("19,90 €", "19.90"),
        ("EUR 19.90", "19.90"),
        ("19.90 EUR", "19.90"),
        ("$1,299.00", "1299.00"),
        ("1.299,00", "1299.00"),
        ("1 299,00", "1299.00"),
        ("1,299", "1299"),
        ("0,500", "0.500"),
        ("-5", "-5"),
        (" 7 ", "7"),
        (19.9, "19.9"),
        (5, "5"),
        ("", None),
        (" ", None),
        (None, None),
    ],
)
@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_a_price_is_a_number_however_it_is_written(kind, price, number):
    row = LAMP | {"price": price, "compare_at_price": price}
    table = csv_of(row.keys(), ["" if value is None else value for value in row.values()])
    (found,) = read_bytes(kind, (lines(row) if kind == "jsonl" else table).encode()).rows
    assert (found.price, found.compare_at_price) == (number, number)


@pytest.mark.parametrize(
    "price", ["call us", "1.2.3", "1,2,3", "19,90,00", "€", "9" * 50, "1e999", 10**13, True, "\ud800"]
)
@pytest.mark.parametrize("field", ["price", "compare_at_price"])
def test_a_price_that_is_none_refuses_its_row(reader, price, field):
    reading = reader.read(json.dumps([LAMP, CHAIR | {field: price}, LAMP]))
    assert len(reading.rows) == 2
    assert field in reading.rejected[0].reason or "surrogate" in reading.rejected[0].reason


# --- gzip


@pytest.mark.parametrize("layers", [1, 2])
def test_a_gzip_bomb_is_refused_whole(reader, layers):
    bomb = gzip.compress(lines(LAMP).encode() + b" " * 60_000_000, 9)
    if layers == 2:
        bomb = gzip.compress(bomb)
    told = refusal_of(reader, bomb)
    assert "the feed unpacks to more than" in told
    assert "200 times what was received" in told


def test_a_bomb_of_padding_behind_a_packed_feed_is_refused_whole(reader):
    inner = gzip.compress(lines(LAMP).encode()) + bytes(60_000_000)
    assert "unpacks to more than" in refusal_of(reader, gzip.compress(inner, 9))


def test_a_uniform_feed_that_packs_well_is_no_bomb(reader):
    content = lines(*[LAMP | {"title": "Elegant lamp " * 20} for _ in range(20_000)]).encode()
    assert len(content) > 100 * len(gzip.compress(content))
    assert len(reader.read(gzip.compress(content)).rows) == 20_000


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "xml"])
@pytest.mark.parametrize("cut", [0.2, 0.7, 0.99])
def test_a_packed_feed_that_is_cut_off_is_refused_whole(reader, kind, cut):
    rows = [LAMP | {"title": f"Elegant lamp {number * 7919}"} for number in range(3000)]
    contents = {
        "jsonl": lines(*rows),
        "json": json.dumps(rows),
        "csv": csv_of(LAMP.keys(), *((row["id"], row["quantity"]) for row in rows)),
        "xml": "<a>" + "".join(f"<b><id>{n}</id><quantity>1</quantity></b>" for n in range(3000)) + "</a>",
    }
    packed = gzip.compress(contents[kind].encode())
    assert "the gzip file is cut off after" in refusal_of(reader, packed[: int(len(packed) * cut)])


FOREIGN = {
    "bzip2": (b"BZh91AY&SY" + bytes(range(128, 255)), "a file packed with bzip2"),
    "xz": (b"\xfd7zXZ\x00\x00\x04", "a file packed with xz"),
    "PDF": (b"%PDF-1.7\n%\xe2\xe3", "a PDF document"),
    "zlib": (zlib.compress(json.dumps([LAMP] * 9).encode()), "a binary file"),
    "UTF-16 without its mark": ("id,quantity\nA,1\n".encode("utf-16-be"), "feed.encoding: utf-16-be"),
}


@pytest.mark.parametrize(("content", "seen"), list(FOREIGN.values()), ids=list(FOREIGN))
def test_a_file_of_another_kind_is_called_by_its_name(reader, content, seen):
    told = refusal_of(reader, content)
    assert seen in told and "Allowed are a JSON array" in told
    assert told.isprintable()


def test_text_in_other_scripts_is_no_binary_file(reader):
    table = "id,quantity,title\nA,1," + "\u8868\u793a" * 99 + "\n"
    assert reader.read(table.encode("shift_jis"), encoding="shift_jis").quantities


STARTS = {
    "objects without line breaks": (
        b'{"id": "A"}{"id": "B"}',
        "first line is not valid JSON: trailing characters",
    ),
    "cut at once": (b'{"id": "A', "first line is not valid JSON: Input data was truncated"),
    "one endless object": (b'{"id": "' + b"x" * 300_000, "no line ends within the first 262,144 bytes"),
}


@pytest.mark.parametrize(("content", "reason"), list(STARTS.values()), ids=list(STARTS))
def test_a_beginning_that_is_no_json_says_what_it_is(reader, content, reason):
    told = refusal_of(reader, content)
    assert reason in told and "Allowed is one JSON object a line, or an array" in told


@pytest.mark.parametrize(
    ("id", "reason"),
    [
        (b"a&nbsp;b", "undefined entity (column 22); XML knows only &amp;"),
        (b"Gl\xfchbirne", "It is told by feed.encoding"),
    ],
    ids=["an entity of HTML", "another encoding"],
)
def test_xml_that_breaks_in_its_first_row_says_where_and_what_to_do(reader, id, reason):
    told = refusal_of(reader, b"<products><item><id>" + id + b"</id><quantity>1</quantity></item></products>")
    assert "on line 1" in told and reason in told
