import gzip

import pytest

from include.catalog.base import CatalogRow
from include.catalog.feed.stream import FeedStream
from include.catalog.feed.xml_rows import read_xml
from include.domain.feed_fields import FieldMapping
from include.errors import SnapshotRefused
from tests.unit.catalog.conftest import FEEDS, Reading

LAMP = "<product><id>ELEGANT-LAMP</id><quantity>20</quantity></product>"


def catalog(*items: str, root: str = "products") -> str:
    return f'<?xml version="1.0"?>\n<{root}>\n' + "\n".join(items) + f"\n</{root}>\n"


def refusal_of(reader, content, **feed) -> str:
    with pytest.raises(SnapshotRefused) as caught:
        reader.read(content, **feed)
    return str(caught.value)


# --- what is read


def test_a_feed_for_googles_merchants_needs_no_mapping(reader):
    rows = reader.read((FEEDS / "merchant.xml").read_bytes()).rows
    assert rows[0] == CatalogRow(
        1,
        "ELEGANT-LAMP-S",
        "",
        "20",
        product_id="ELEGANT-LAMP",
        title="Elegant lamp, small & <bright>",
        url="https://shop.example/elegant-lamp?size=s&colour=red",
        image_url="https://cdn.shop.example/elegant-lamp.jpg",
        price="19.90",
        collections=("Lamps", "New"),
    )
    assert [(row.variant_id, row.quantity, row.is_published) for row in rows[1:]] == [
        ("ELEGANT-LAMP-L", "-2", False)
    ]


def test_values_may_be_attributes(reader):
    content = catalog('<product id="A" quantity="3"/>', "<product id='B' quantity='0' title='x'></product>")
    assert reader.read(content).quantities == {"A": "3", "B": "0"}


@pytest.mark.parametrize("content", [catalog(LAMP), catalog('<v id="ELEGANT-LAMP" quantity="20"/>')])
def test_a_shop_with_one_variant_works(reader, content):
    assert reader.read(content).quantities == {"ELEGANT-LAMP": "20"}
    assert reader.read(gzip.compress(content.encode())).quantities == {"ELEGANT-LAMP": "20"}


def test_the_elements_with_an_id_and_a_quantity_are_the_variants(reader):
    variants = "<variant><sku>S</sku><qty>1</qty></variant><variant><sku>L</sku><qty>2</qty></variant>"
    content = catalog(
        f"<product><id>P</id><title>Lamp</title><stock>3</stock><variants>{variants}</variants></product>"
    )
    assert reader.read(content).quantities == {"S": "1", "L": "2"}
    assert reader.read(content, item="product").quantities == {"P": "3"}


def test_variants_in_several_sections_are_all_read(reader):
    content = catalog("<men>", LAMP, "</men>", "<women>", LAMP.replace("LAMP", "CHAIR"), "</women>")
    assert list(reader.read(content).quantities) == ["ELEGANT-LAMP", "ELEGANT-CHAIR"]
    assert list(reader.read(content, item="women/product").quantities) == ["ELEGANT-CHAIR"]


def test_what_lies_deeper_is_named_by_its_way(reader):
    item = "<product><id>A</id><stock unit='pcs'><main>3</main><pos>1</pos></stock></product>"
    fields = {"quantity": "stock/main", "location_id": "stock@unit"}
    (row,) = reader.read(catalog(item), fields=fields, item="product").rows
    assert (row.quantity, row.location_id) == ("3", "pcs")


def test_repeated_elements_are_a_list_of_collections(reader):
    one = "<categories><category>Lamps</category><category>New, old</category></categories>"
    other = "<categories>Lamps</categories><categories>New, old</categories>"
    for categories in (one, other):
        content = catalog(LAMP.replace("</product>", f"{categories}</product>"))
        assert reader.read(content).rows[0].collections == ("Lamps", "New, old")


def test_of_several_images_the_first_is_taken(reader):
    images = "<image/><image>https://a.example/1</image><image>https://a.example/2</image>"
    content = catalog(LAMP.replace("</product>", f"{images}</product>"))
    assert reader.read(content).rows[0].image_url == "https://a.example/1"


def test_two_quantities_in_one_element_refuse_the_row(reader):
    reading = reader.read(catalog(LAMP, LAMP.replace("</product>", "<quantity>21</quantity></product>")))
    assert len(reading.rows) == 1
    (refused,) = reading.rejected
    assert (refused.line_number, refused.reason) == (
        2,
        "field 'quantity' stands 2 times with different values (the element on line 4)",
    )


def test_cdata_comments_and_instructions_are_passed_over(reader):
    item = "<product><?php x ?><id><![CDATA[A<B]]></id><!-- 3 --><quantity> 4 </quantity></product>"
    assert reader.read(catalog(item)).quantities == {"A<B": "4"}


def test_rows_over_many_blocks_keep_their_order_and_lines(reader):
    wanted = [str(number) for number in range(12_345)]
    items = [f"<product><id>{n}</id><quantity>1</quantity><t>{'x' * 40}</t></product>" for n in wanted]
    bad = "<product><id>B</id><quantity>many</quantity></product>"
    reading = reader.read(catalog(*items, bad))
    assert [row.variant_id for row in reading.rows] == wanted
    (refused,) = reading.rejected
    assert refused.line_number == 12_346
    assert "'many'" in refused.reason and "(the element on line 12,348)" in refused.reason
    assert refused.excerpt == "<id>B <quantity>many"


def test_a_settled_element_that_is_not_there_refuses_the_feed(reader):
    told = refusal_of(reader, catalog(LAMP), item="article")
    assert "feed.item says that a variant is an element 'article'" in told
    assert "'product'" in told


def test_a_missing_field_refuses_the_feed_and_says_what_was_seen(reader):
    told = refusal_of(reader, catalog("<artikel><ean>1</ean><menge>2</menge></artikel>" * 3))
    assert "element 'artikel': the feed has no field for variant_id (any of $id," in told
    assert "Seen: 'ean', 'menge'." in told


@pytest.mark.parametrize("content", ["<items/>", '<?xml version="1.0"?><items>\n</items>'])
def test_a_document_without_variants_has_no_rows(reader, content):
    assert "the feed has no rows" in refusal_of(reader, content)


# --- what is cut or broken


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.9, 0.9999])
def test_a_document_that_is_cut_off_is_refused_whole(reader, cut):
    whole = catalog(*[LAMP.replace("LAMP", f"LAMP-{number}") for number in range(9000)])
    part = whole[: int(len(whole) * cut)]
    for content in (part, gzip.compress(part.encode())):
        told = refusal_of(reader, content)
        assert "the XML is cut off after" in told and "whole rows" in told and "on line" in told


@pytest.mark.parametrize(
    "broken", ["</produkt>", "<a b=1/>", "&nbsp;", "\x00", "\x08", "&#xD800;", "<a a='1' a='2'/>"]
)
def test_what_is_not_well_formed_is_refused_whole(reader, broken):
    told = refusal_of(reader, catalog(LAMP, broken, LAMP))
    assert "on line 4, the XML is not well-formed after 1 whole rows" in told


def test_text_that_is_not_utf8_is_refused_whole(reader):
    assert "not well-formed" in refusal_of(reader, catalog(LAMP, "<t>caf\xe9</t>").encode("latin-1"))


def test_an_html_page_is_told_from_a_feed(reader):
    page = '<?xml version="1.0"?>\n<!-- a --><!-- b -->\n<!DOCTYPE html PUBLIC "x" "y"><html><title>Log in</title>'
    assert "an HTML page titled 'Log in'" in refusal_of(reader, page)
    assert "an HTML page" not in refusal_of(reader, "<!-- a -->" * 5000 + "<feed/>")


# --- what would do harm

BILLION_LAUGHS = """<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;">]>
<products><product><id>&c;</id><quantity>1</quantity></product></products>"""
FILE_ENTITY = """<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>
<products><product><id>&f;</id><quantity>1</quantity></product></products>"""
OUTER_DTD = '<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd"><products/>'
PARAMETER_ENTITY = '<!DOCTYPE x [<!ENTITY % p SYSTEM "http://127.0.0.1:1/x"> %p;]><products/>'


@pytest.mark.parametrize("content", [BILLION_LAUGHS, FILE_ENTITY, OUTER_DTD, PARAMETER_ENTITY])
@pytest.mark.parametrize("codec", ["utf-8", "utf-16"])
def test_no_document_type_and_so_no_entity_is_read(reader, content, codec):
    told = refusal_of(reader, content.encode(codec))
    assert "declares a document type (<!DOCTYPE …>), which could define entities" in told
    assert "root:" not in told


@pytest.mark.parametrize("before", ["", "x" * 300_000])
def test_a_nesting_bomb_is_refused_whole(reader, before):
    bomb = f"<product><id>1</id><quantity>1</quantity><t>{before}</t>{'<a>' * 200_000}"
    assert "is nested deeper than 32 levels" in refusal_of(reader, f"<products>{LAMP}{bomb}")


@pytest.mark.parametrize(
    ("element", "problem"),
    [
        (f"<a {' '.join(f'x{n}=1' for n in range(500))}/>".replace("=1", '="1"'), "more than 100 attributes"),
        (f"<{'a' * 1000}/>", "a name of more than 200 characters"),
        (f'<a {"b" * 1000}="1"/>', "a name of more than 200 characters"),
        (f'<a b="{"x" * 5_000_000}"/>', "a tag or comment longer than 2,097,152 bytes"),
        (f"<!--{'x' * 5_000_000}-->", "a tag or comment longer than 2,097,152 bytes"),
        (f"<{'a' * 5_000_000}/>", "a tag or comment longer than 2,097,152 bytes"),
    ],
)
def test_tags_of_absurd_size_are_refused_whole(reader, element, problem):
    assert problem in refusal_of(reader, catalog(LAMP, element, LAMP))


@pytest.mark.parametrize(
    "cell", ["<title>{}</title>", "<title><![CDATA[{}]]></title>", "{}", "<unknown>{}</unknown>"]
)
def test_a_cell_of_5_mb_refuses_its_row_and_no_other(reader, cell):
    long = LAMP.replace("</product>", cell.format("x" * 5_000_000) + "</product>").replace("LAMP", "LONG")
    reading = reader.read(catalog(LAMP, long, LAMP))
    assert len(reading.rows) == 2
    assert (
        reading.rejected[0].reason
        == "the element is longer than 1,048,576 characters (the element on line 4)"
    )
    assert len(reading.rejected[0].excerpt) <= 200


class Endless:
    """A stream that never ends, and tells how much of it was taken."""

    def __init__(self, start: bytes, again: bytes) -> None:
        self.ahead, self.again, self.count = start, again, 0

    def read(self, size: int) -> bytes:
        while len(self.ahead) < size:
            self.ahead += self.again
        taken, self.ahead = self.ahead[:size], self.ahead[size:]
        self.count += size
        return taken


@pytest.mark.parametrize("again", [b"x" * 4096, b"<a>" * 1000, b" a='1'" * 1000])
def test_an_endless_document_is_given_up(again):
    stream = Endless(f"<products>{LAMP * 9000}<!--".encode(), again)
    if again.startswith(b"<"):
        stream = Endless(f"<products>{LAMP * 9000}".encode(), again)
    with pytest.raises(SnapshotRefused):
        Reading(read_xml(FeedStream(stream, "feed"), FieldMapping()))
    assert stream.count < 10_000_000


def test_an_unknown_encoding_in_the_declaration_is_no_excuse(reader):
    content = catalog(LAMP).replace('"1.0"', '"1.0" encoding="x-unheard-of"')
    assert reader.read(content).quantities == {"ELEGANT-LAMP": "20"}
