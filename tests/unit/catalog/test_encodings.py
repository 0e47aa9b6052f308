import gzip
import json

import pytest

from include.domain.encoding import find_codec
from include.errors import SnapshotRefused
from tests.unit.catalog.conftest import make_shop
from tests.unit.catalog.feed_server import Answer
from tests.unit.catalog.test_reading import csv_of

ROW = {"id": "ÉLÉGANTE-LAMPE", "quantity": 20, "title": "Lampe à «19 €»"}
TABLE = csv_of(ROW, ROW.values())
XML = f"<r><v><id>{ROW['id']}</id><quantity>20</quantity><title>{ROW['title']}</title></v></r>"
CONTENTS = {
    "jsonl": json.dumps(ROW, ensure_ascii=False) + "\n",
    "json": json.dumps([ROW], ensure_ascii=False),
    "csv": TABLE,
    "xml": XML,
}
KINDS = pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)


def assert_read(reading) -> None:
    (row,) = reading.rows
    assert (row.variant_id, row.quantity, row.title) == (ROW["id"], "20", ROW["title"])


@KINDS
@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_byte_order_mark_tells_the_encoding(reader, content, codec, pack):
    assert_read(reader.read(pack(content.encode(codec))))


@KINDS
@pytest.mark.parametrize("codec", ["windows-1252", "utf-16-le", "utf-16-be", "utf-8"])
def test_the_settings_tell_the_encoding(reader, content, codec):
    assert_read(reader.read(content.encode(codec), encoding=codec))


@KINDS
def test_a_byte_order_mark_wins_over_the_settings(reader, content):
    assert_read(reader.read(content.encode("utf-8-sig"), encoding="windows-1252"))
    assert_read(reader.read(content.encode("utf-16"), encoding="windows-1252"))


@pytest.mark.parametrize("charset", ["windows-1252", "ISO-8859-1", '"iso-8859-1"', "latin1"])
@KINDS
def test_the_server_tells_the_encoding(feeds, reader, content, charset):
    headers = {"Content-Type": f"text/plain; charset={charset}"}
    url = feeds.offer("/feed", Answer(content.encode("cp1252"), headers=headers))
    assert_read(reader.read_from(make_shop(url=url)))


def test_the_settings_win_over_the_server(feeds, reader):
    headers = {"Content-Type": "text/csv; charset=iso-8859-1"}
    url = feeds.offer("/feed", Answer(TABLE.encode(), headers=headers))
    assert_read(reader.read_from(make_shop(url=url, encoding="utf-8")))


def test_an_xml_declaration_tells_the_encoding(reader):
    assert_read(reader.read(f'<?xml version="1.0" encoding="windows-1252"?>{XML}'.encode("cp1252")))


@pytest.mark.parametrize("charset", ["x-unheard-of", "rot13", "idna", "unicode_escape", ""])
def test_a_charset_that_nobody_knows_is_none(feeds, reader, charset):
    headers = {"Content-Type": f"text/csv; charset={charset}"}
    url = feeds.offer("/feed", Answer(TABLE.encode(), headers=headers))
    assert_read(reader.read_from(make_shop(url=url)))


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv"])
def test_an_untold_encoding_refuses_the_rows_and_says_what_to_set(reader, kind):
    reading = reader.read(CONTENTS[kind].encode("cp1252"))
    assert not reading.rows
    assert "is not valid UTF-8 text; another encoding is told by feed.encoding" in reading.rejected[0].reason


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_what_is_no_text_in_the_told_encoding_refuses_its_row_and_no_other(reader, kind):
    good = {"jsonl": '{"id": "A", "quantity": 1}\n', "csv": "A,1\n"}[kind]
    head = "id,quantity\n" if kind == "csv" else ""
    for codec, bad in (("windows-1252", b"\x81"), ("shift_jis", b"\x80"), ("utf-16-le", b"\x00\xd8")):
        start, end = good.encode(codec).split("A".encode(codec))
        content = head.encode(codec) + good.encode(codec) + start + bad + end + good.encode(codec)
        reading = reader.read(content, encoding=codec)
        assert len(reading.rows) == 2
        assert "not valid UTF-8 text" in reading.rejected[0].reason


def test_utf16_that_is_cut_inside_a_character_is_refused_whole(reader):
    with pytest.raises(
        SnapshotRefused, match=r"near byte [0-9,]+ the feed is cut off in the middle of a char"
    ):
        reader.read(("id,quantity\n" + "A,1\n" * 100_000).encode("utf-16")[:-1])


@pytest.mark.parametrize(
    "name", ["cp1252", "Windows-1252", "latin1", "ISO_8859-15", "Shift-JIS", "GB18030", "utf8"]
)
def test_encodings_have_many_names(name):
    assert find_codec(name)


@pytest.mark.parametrize(
    "name", ["base64", "rot13", "idna", "punycode", "utf-7", "raw_unicode_escape", "x", "", "\0"]
)
def test_what_is_no_encoding_of_a_feed_has_none(name):
    assert find_codec(name) is None


def test_a_setting_that_is_no_encoding_is_refused():
    with pytest.raises(ValueError, match="'base64' is not an encoding that feeds are read in"):
        make_shop(url="a.csv", encoding="base64")
