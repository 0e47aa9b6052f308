"""A whole mail, headers and encoding included, against its templates compiled by plain Jinja2."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from jinja2 import Environment, FileSystemLoader, Template

from benchmarks.framework import register
from benchmarks.place import NOW
from include.db.engine import connect
from include.messaging.address import Mailbox
from include.messaging.render.library import BUILT_IN_TEMPLATES, built_in_library
from include.messaging.render.price import price
from include.messaging.render.web_link import web_link
from include.services.compose import MailComposer, _context
from include.services.links import Links
from include.services.outbox import Delivery

MAIL_COUNT = 20_000
MAILBOX = Mailbox("shop@shop.example", "Bench")


@dataclass(frozen=True)
class Mails:
    """What both sides fill in, and with what."""

    rows: list[Any]
    contexts: list[dict[str, Any]]
    composer: MailComposer
    templates: tuple[Template, ...]


@contextmanager
def _prepare() -> Iterator[Mails]:
    rows = [_row(number) for number in range(MAIL_COUNT)]
    links = Links("secret", MAILBOX.address)
    contexts = [
        {
            **_context(row),
            "unsubscribe_url": links.link_for("unsubscribe", row.shop_id, row.profile_id),
            "cancel_url": links.link_for("cancel", row.shop_id, row.subscription_id),
            "locale": "en",
        }
        for row in rows
    ]
    delivery = Delivery("live", frozenset(), "secret", "bench")
    # Only mails of reports would read the database.
    composer = MailComposer(delivery, MAILBOX, built_in_library(), connect("postgresql+psycopg://"))
    mails = Mails(rows, contexts, composer, _plain_templates())
    assert "Linen shirt 7 / M" in mails.templates[2].render(mails.contexts[7])
    assert b"Linen shirt 7 / M" in mails.composer.compose(rows[7], NOW).content
    yield mails


def _ours(mails: Mails) -> tuple[float, dict[str, float]]:
    began = time.perf_counter()
    for row in mails.rows:
        mails.composer.compose(row, NOW)
    seconds = time.perf_counter() - began
    return seconds, {"us_per_mail": seconds / MAIL_COUNT * 1e6}


def _floor(mails: Mails) -> float:
    subject, text, html = mails.templates
    began = time.perf_counter()
    for context in mails.contexts:
        subject.render(context)
        text.render(context)
        html.render(context)
    return time.perf_counter() - began


def _plain_templates() -> tuple[Template, ...]:
    """Compiled by Jinja2 as it comes: no sandbox, escaping in HTML only, our two filters."""
    environment = Environment(
        loader=FileSystemLoader(BUILT_IN_TEMPLATES),
        autoescape=lambda name: name is not None and name.endswith(".html"),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(price=price, web_link=web_link)
    names = ("subject.txt", "txt", "html")
    return tuple(environment.get_template(f"en/back_in_stock.{name}") for name in names)


def _row(number: int) -> Any:
    return SimpleNamespace(
        shop_id="bench",
        message_key=f"flow:{number}:tell",
        template="back_in_stock",
        variant_id=str(number),
        profile_id=number,
        subscription_id=number,
        purpose="back_in_stock",
        address=f"person{number}@example.org",
        first_name="Robin",
        last_name=None,
        locale="en",
        shop_name="Bench",
        shop_url="https://shop.example",
        currency="EUR",
        title=f"Linen shirt {number} / M",
        url=f"https://shop.example/products/linen-shirt-{number}?variant={number}",
        image_url=f"https://cdn.shop.example/files/linen-shirt-{number}.jpg?v=1700000000",
        price=Decimal("49.90"),
    )


register(
    "render",
    _ours,
    _floor,
    target_ratio=1.4,
    unit="s",
    about=(
        "The mail of the back-in-stock alert for 20,000 people, each for another item: `Composer.compose` "
        "signs the unsubscribe link, fills subject, text and HTML in the sandbox, and builds headers, "
        "Message-ID and MIME parts, ready for the wire. The floor fills the same three templates, "
        "compiled once by plain Jinja2 without a sandbox, with dictionaries made beforehand, and throws "
        "the text away."
    ),
    prepare=_prepare,
)
