"""A rendered mail as the bytes that leave: a fixed skeleton, filled in."""

import binascii
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache

from include.messaging.address import Mailbox, ascii_domain_address
from include.messaging.render.library import RenderedEmail, one_line

# Neither quoted-printable nor base64 can hold "=_", and a plain part that does is encoded.
_BOUNDARY = "=_restock_part"
_BOUNDARY_OCTETS = _BOUNDARY.encode()
_TOP = (
    "MIME-Version: 1.0\r\n"
    "Auto-Submitted: auto-generated\r\n"
    f'Content-Type: multipart/alternative; boundary="{_BOUNDARY}"\r\n'
    "\r\n"
).encode()
_PART = f'--{_BOUNDARY}\r\nContent-Type: text/%s; charset="utf-8"\r\nContent-Transfer-Encoding: %s\r\n\r\n'
_PARTS = {
    (subtype, encoding): (_PART % (subtype, encoding)).encode()
    for subtype in ("plain", "html")
    for encoding in ("7bit", "quoted-printable", "base64")
}
_LINE_END = b"\r\n"
_END = f"--{_BOUNDARY}--\r\n".encode()

_LONGEST_LINE = 998
_LONGEST_PLAIN_HEADER = 900
_BYTES_PER_ENCODED_WORD = 45
_LINK = re.compile(r"[a-z]+:[\x21-\x3b\x3d\x3f-\x7e]+")
_MISREAD_REFERENCE = re.compile(rb"&#(?:12[89]|1[345]\d|5[5-7]\d{3});")
_KEY = re.compile(r"[\x21-\x7e]{1,400}")


def build_message(
    rendered: RenderedEmail,
    *,
    key: str,
    message_id: str,
    sender: Mailbox,
    recipient: str,
    date: datetime,
    list_unsubscribe: Sequence[str] = (),
) -> bytes:
    """The whole message with CRLF line ends; the same arguments give the same bytes.

    `list_unsubscribe` holds mailto: and https: links; an https one also says one-click (RFC 8058).
    Raises AddressRefused for an address that no header can carry, ValueError for a wrong key, link or date.
    """
    if date.tzinfo is None:
        raise ValueError("The date of a message needs a time zone.")
    head = (
        f"{_from_header(sender)}"
        f"To: {ascii_domain_address(recipient)}\r\n"
        f"Subject: {_header_text(rendered.subject)}\r\n"
        f"Date: {_header_date(date.astimezone(UTC).replace(microsecond=0))}\r\n"
        f"Message-ID: {_checked(_KEY, message_id, 'Message-ID')}\r\n"
        f"X-Restock-Message: {_checked(_KEY, key, 'message key')}\r\n"
        f"{_unsubscribe_headers(list_unsubscribe)}"
    )
    return b"".join(
        (
            head.encode(),
            _TOP,
            *_part("plain", rendered.text),
            *_part("html", rendered.html),
            _END,
        )
    )


def _part(subtype: str, text: str) -> tuple[bytes, bytes, bytes]:
    octets = _plain_octets(text) or (_with_references(text) if subtype == "html" else None)
    if octets is None:
        return _PARTS[subtype, "base64"], _base64(_with_crlf(text.encode("utf-8", "replace"))), _LINE_END
    body = _with_crlf(octets)
    if not _has_long_line(octets) and b"\0" not in octets and _BOUNDARY_OCTETS not in octets:
        return _PARTS[subtype, "7bit"], body, _LINE_END
    # b2a_qp breaks lines with a bare LF where the text has no line end of its own.
    quoted = _with_crlf(binascii.b2a_qp(body))
    return _PARTS[subtype, "quoted-printable"], quoted, _LINE_END


def _plain_octets(text: str) -> bytes | None:
    return text.encode() if text.isascii() else None


def _with_references(html: str) -> bytes | None:
    """The page in ASCII with character references; None where base64 is shorter, or they would be misread.

    They are read as they stand inside `<style>` and `<script>`, and those of control characters as others.
    """
    octets = html.encode("ascii", "xmlcharrefreplace")
    if len(octets) * 3 > len(html) * 4 or _MISREAD_REFERENCE.search(octets):
        return None
    lower_case = octets.lower()
    for element in (b"style", b"script"):
        start = lower_case.find(b"<" + element)
        while start >= 0:
            end = lower_case.find(b"</" + element, start)
            if b"&#" in lower_case[start:end]:
                return None
            start = lower_case.find(b"<" + element, max(end, start + 1))
    return octets


def _with_crlf(octets: bytes) -> bytes:
    if b"\r" in octets:
        octets = octets.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return octets.replace(b"\n", b"\r\n")


def _has_long_line(octets: bytes) -> bool:
    """Looks for a line end only once per longest line: a split of the text takes 20 times as long."""
    start = 0
    while len(octets) - start > _LONGEST_LINE:
        line_end = octets.rfind(b"\n", start, start + _LONGEST_LINE + 1)
        if line_end < 0:
            return True
        start = line_end + 1
    return False


def _base64(octets: bytes) -> bytes:
    encoded = binascii.b2a_base64(octets, newline=False)
    return b"\r\n".join([encoded[start : start + 76] for start in range(0, len(encoded), 76)])


@lru_cache(maxsize=256)
def _from_header(sender: Mailbox) -> str:
    address = ascii_domain_address(sender.address)
    name = one_line(sender.name)
    if not name:
        return f"From: {address}\r\n"
    if name.isascii() and "=?" not in name and len(name) < _LONGEST_PLAIN_HEADER:
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'From: "{escaped}" <{address}>\r\n'
    return f"From: {_encoded_words(name)}\r\n <{address}>\r\n"


@lru_cache(maxsize=64)
def _header_date(second_in_utc: datetime) -> str:
    return format_datetime(second_in_utc)


def _header_text(text: str) -> str:
    line = one_line(text)
    is_plain = line.isascii() and "=?" not in line and len(line) < _LONGEST_PLAIN_HEADER
    return line if is_plain else _encoded_words(line)


def _encoded_words(line: str) -> str:
    """RFC 2047, each word a whole number of characters: email.header takes 30 times as long."""
    words, word = [], b""
    for character in line:
        octets = character.encode("utf-8", "replace")
        if len(word) + len(octets) > _BYTES_PER_ENCODED_WORD:
            words.append(word)
            word = b""
        word += octets
    words.append(word)
    return "\r\n ".join(f"=?utf-8?b?{binascii.b2a_base64(w, newline=False).decode()}?=" for w in words)


def _unsubscribe_headers(links: Sequence[str]) -> str:
    if not links:
        return ""
    header = ",\r\n ".join(f"<{_checked(_LINK, link, 'List-Unsubscribe link')}>" for link in links)
    one_click = any(link.startswith("https:") for link in links)
    post = "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" if one_click else ""
    return f"List-Unsubscribe: {header}\r\n{post}"


def _checked(allowed: re.Pattern[str], value: str, what: str) -> str:
    if not allowed.fullmatch(value):
        raise ValueError(
            f"The {what} holds a space, a line break or another character that a header can't carry."
        )
    return value
