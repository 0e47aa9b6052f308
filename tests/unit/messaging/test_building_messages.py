import re
from datetime import UTC, datetime, timedelta, timezone
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parseaddr

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from include.messaging.address import AddressRefused, Mailbox
from include.messaging.render import RenderedEmail, build_message, render_email
from include.messaging.render.library import one_line
from tests.unit.messaging.alert import alert_context

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SHOP = Mailbox("alerts@shop.example", "Nordlys Outdoor")

any_text = st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=300)
awkward_lines = st.lists(
    st.sampled_from(
        ["", ".", "..", ". ", "a ", "b\t", "From me", "--=_restock_part", "=20", "é", "x" * 1500, "\0"]
    )
)


def build(rendered: RenderedEmail | None = None, **changes) -> bytes:
    arguments = {
        "key": "flow:17:mail",
        "message_id": "<abc@shop.example>",
        "sender": SHOP,
        "recipient": "ann@mail.example",
        "date": NOON,
        **changes,
    }
    return build_message(rendered or RenderedEmail("Hello", "text", "<p>html</p>"), **arguments)


def read(content: bytes) -> EmailMessage:
    message = message_from_bytes(content, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


def body(message: EmailMessage, subtype: str) -> str:
    part = message.get_body((subtype,))
    assert part is not None
    assert not part.defects
    octets = part.get_payload(decode=True)
    assert isinstance(octets, bytes)
    return octets.decode().replace("\r\n", "\n")


def with_line_feeds(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def test_the_headers_say_who_what_and_when():
    message = read(build(render_email("back_in_stock", "fr", alert_context())))
    assert message["From"].addresses[0].addr_spec == "alerts@shop.example"
    assert message["From"].addresses[0].display_name == "Nordlys Outdoor"
    assert message["To"] == "ann@mail.example"
    assert message["Subject"] == "De retour en stock : ELEGANT-LAMP"
    assert message["Date"].datetime == NOON
    assert message["Message-ID"] == "<abc@shop.example>"
    assert message["X-Restock-Message"] == "flow:17:mail"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert "List-Unsubscribe" not in message


def test_the_same_arguments_give_the_same_bytes():
    assert build() == build()


def test_the_date_is_written_in_utc_whatever_its_zone():
    date = NOON.astimezone(timezone(timedelta(hours=2)))
    assert b"Date: Sun, 01 Mar 2026 12:00:00 +0000\r\n" in build(date=date)
    with pytest.raises(ValueError, match="time zone"):
        build(date=NOON.replace(tzinfo=None))


@pytest.mark.parametrize(
    ("links", "header", "is_one_click"),
    [
        (["mailto:stop@shop.example?subject=x"], "<mailto:stop@shop.example?subject=x>", False),
        (["https://shop.example/u/1"], "<https://shop.example/u/1>", True),
        (
            ["https://shop.example/u/1", "mailto:stop@shop.example"],
            "<https://shop.example/u/1>, <mailto:stop@shop.example>",
            True,
        ),
    ],
)
def test_one_click_is_promised_only_with_an_https_link(links, header, is_one_click):
    message = read(build(list_unsubscribe=links))
    assert message["List-Unsubscribe"] == header
    assert message["List-Unsubscribe-Post"] == ("List-Unsubscribe=One-Click" if is_one_click else None)


@pytest.mark.parametrize(
    "link", ["https://a.example/ b", "https://a.example/\r\nBcc: x@y.example", "a>b", "", "https://ä.example"]
)
def test_an_unsubscribe_link_that_could_break_out_is_refused(link):
    with pytest.raises(ValueError, match="List-Unsubscribe link"):
        build(list_unsubscribe=[link])


@pytest.mark.parametrize(
    "recipient", ["ann@mail.example\r\nBcc: all@mail.example", "ann\n@mail.example", "a, b@c.example"]
)
def test_a_recipient_that_could_break_out_is_refused(recipient):
    with pytest.raises(AddressRefused):
        build(recipient=recipient)


@pytest.mark.parametrize("key", ["a\r\nBcc: x@y.example", "a b", "", "é"])
def test_a_key_that_no_header_carries_is_refused(key):
    with pytest.raises(ValueError, match="message key"):
        build(key=key)
    with pytest.raises(ValueError, match="Message-ID"):
        build(message_id=key)


@given(name=any_text)
@example(name='Ann "The Lamp" O\\Neil, Ltd. <x@y.example>')
@example(name="=?utf-8?b?eA==?=")
@example(name="Zoë's Laden, GmbH")
def test_any_shop_name_reads_back(name):
    # policy.default puts blanks between the encoded words of a name: the older parser reads them right.
    message = message_from_bytes(build(sender=Mailbox("alerts@shop.example", name)))
    shown, address = parseaddr(message["From"])
    assert str(make_header(decode_header(shown))) == one_line(name)
    assert address == "alerts@shop.example"


@given(subject=any_text)
@example(subject="x" * 2000)
@example(subject="\N{FAMILY} " * 100)
@example(subject="é" * 200)
@example(subject="=?utf-8?q?x?= =?utf-8?q?y?=")
@example(subject="a\r\nBcc: all@mail.example\r\n\r\nbody")
def test_any_subject_reads_back_as_one_line(subject):
    message = read(build(RenderedEmail(subject, "text", "html")))
    assert message["Subject"] == one_line(subject)
    assert "Bcc" not in message


def without_references(html: str) -> str:
    return re.sub(r"&#(\d+);", lambda found: chr(int(found[1])), html)


@given(text=any_text | awkward_lines.map("\n".join), html=any_text | awkward_lines.map("\r\n".join))
@example(text="no end of line, " * 500, html="é" * 3000)
@example(text=".\n..\n.\r\n", html="trailing \n blanks\t\n ")
@example(text="--=_restock_part--\n--=_restock_part\n", html="\n--=_restock_part--")
@example(text="", html="\n\n\n")
@example(text="From here\nFrom there", html="\r")
def test_any_text_reads_back(text, html):
    content = build(RenderedEmail("Hello", text, html))
    message = read(content)
    assert body(message, "plain") == with_line_feeds(text)
    assert without_references(body(message, "html")) == without_references(with_line_feeds(html))


@pytest.mark.parametrize(
    ("html", "sent"),
    [
        ("<p>19 € für zwei, und das ist alles</p>", "<p>19 &#8364; f&#252;r zwei, und das ist alles</p>"),
        ("<style>p::after { content: '→' }</style><p>plain</p>", None),
        ("<STYLE>p::after { content: '→' }</STYLE><p>plain</p>", None),
        ("<style>p { margin: 0 }</style><p>a → b</p>", "<style>p { margin: 0 }</style><p>a &#8594; b</p>"),
        ("<p>control \x80</p>", None),
        ("<p>" + "日本語" * 30 + "</p>", None),
    ],
)
def test_a_page_is_sent_with_character_references_where_they_are_short_and_read_as_meant(html, sent):
    content = build(RenderedEmail("Hello", "text", html))
    assert body(read(content), "html") == (html if sent is None else sent)


@given(text=any_text | awkward_lines.map("\n".join))
def test_every_mail_is_fit_for_the_oldest_server(text):
    content = build(RenderedEmail(text, text, text), sender=Mailbox("a@b.example", text))
    assert content.isascii()
    assert b"\0" not in content
    assert content.count(b"\n") == content.count(b"\r\n") == content.count(b"\r")
    assert max(map(len, content.split(b"\r\n"))) <= 998


def test_a_lone_surrogate_from_a_feed_becomes_a_question_mark():
    message = read(build(RenderedEmail("lamp \ud800", "lamp \ud800", "lamp \ud800")))
    assert message["Subject"] == "lamp ?"
    assert body(message, "plain") == "lamp ?"


def test_plain_english_stays_readable_in_the_file():
    assert b"It's back in stock" in build(render_email("back_in_stock", "en", alert_context(currency="USD")))
