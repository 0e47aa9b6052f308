"""Pages and mails as a person meets them, in a real browser that reaches nobody else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Route

PHONE, DESKTOP = (390, 844), (1280, 900)
Scheme = Literal["light", "dark"]
# Where a mail program would show a mail.
MAIL = "http://mail.test/"
# WCAG 2.2, A and AA; a page must also have landmarks and one heading, a mail need not.
OF_PAGES: dict[str, Any] = {"resultTypes": ["violations"]}
OF_MAILS = {**OF_PAGES, "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
# No limit that a busy machine could reach.
PATIENCE_MS = 60_000


class Served(NamedTuple):
    """What the browser is given instead of asking a network."""

    kind: str
    content: bytes


@dataclass
class Sight:
    """An open page; what it asked others for, and what its console complained of."""

    page: Page
    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def resize(self, size: tuple[int, int]) -> None:
        self.page.set_viewport_size({"width": size[0], "height": size[1]})

    def pixels_beyond(self) -> int:
        """How far one can scroll sideways."""
        beyond = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        return int(self.page.evaluate(beyond))

    def picture_widths(self) -> list[int]:
        """Of the pictures themselves: 0 where one did not come."""
        return list(self.page.evaluate("[...document.images].map(image => image.naturalWidth)"))

    def faults(self, options: dict[str, Any] = OF_PAGES) -> list[str]:
        """What axe-core finds wrong: contrast, labels, languages, sizes of what is pressed, and more."""
        found = Axe().run(self.page, options=options).response["violations"]
        return [f"{rule['id']}: {node['html']}" for rule in found for node in rule["nodes"]]


@contextmanager
def looking(
    browser: Browser,
    scheme: Scheme = "light",
    size: tuple[int, int] = DESKTOP,
    language: str = "en",
    served: Mapping[str, Served] | None = None,
    door: str | None = None,
) -> Iterator[Sight]:
    """A fresh profile that is given what is `served` and reaches the `door`; all else is refused."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        is_mobile=size == PHONE,
        color_scheme=scheme,
        locale=language,
    )
    context.set_default_timeout(PATIENCE_MS)
    sight = Sight(context.new_page())

    def answer(route: Route) -> None:
        address = route.request.url
        if not address.startswith(door or MAIL):
            sight.asked.append(address)
        if served and address in served:
            route.fulfill(content_type=served[address].kind, body=served[address].content)
        elif door and address.startswith(door):
            route.continue_()
        else:
            route.abort()

    def listen(said: ConsoleMessage) -> None:
        if said.type in ("error", "warning"):
            sight.complaints.append(said.text)

    context.route("**/*", answer)
    sight.page.on("console", listen)
    sight.page.on("pageerror", lambda error: sight.complaints.append(str(error)))
    try:
        yield sight
    finally:
        context.close()


def as_shown(mail: EmailMessage) -> dict[str, Served]:
    """The HTML of a mail and the pictures inside it, at addresses of the mail program, as webmail does it."""
    body = mail.get_body(("html",))
    assert isinstance(body, EmailMessage)
    html, served = body.get_content(), {}
    for part in mail.walk():
        if part["Content-ID"]:
            name = part["Content-ID"].strip("<>")
            address = f"{MAIL}inside/{quote(name)}"
            html = html.replace(f"cid:{name}", address)
            served[address] = Served(part.get_content_type(), part.get_content())
    return {MAIL: Served("text/html; charset=utf-8", html.encode()), **served}
