"""`GET /l/<purpose>/<token>` shows what the button would do and changes nothing; POST does it.

Mail programs and scanners follow links: only a POST acts. One-click unsubscribing (RFC 8058) is that POST. What
was done before is answered like what is done now, and a link that is not signed here says nothing of anybody.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from sqlalchemy import Engine
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from include.db.queries import run_query
from include.errors import NotFound
from include.intake.access import access_of
from include.intake.body import read_bytes
from include.intake.door import door_of
from include.intake.links.texts import ENDED, INVALID, WORDS, choose_language
from include.intake.routing import Endpoint, at
from include.services.links import LINK_PATH, PURPOSES, Purpose, read_token
from include.services.report_subscriptions import unsubscribe_recipient
from include.services.request_list import find_request
from include.services.requests import cancel_by_token, confirm_by_token, keep_by_token, unsubscribe

LONGEST_TOKEN = 400
MOST_BYTES = 10_000
ACTIONS: dict[Purpose, Callable[[Engine, str, datetime], bool]] = {
    "unsubscribe": unsubscribe,
    "cancel": cancel_by_token,
    "confirm": confirm_by_token,
    "keep": keep_by_token,
    "unsubscribe_report": unsubscribe_recipient,
}
# What is answered with "we will tell you": not to who comes too late.
PROMISES: tuple[Purpose, ...] = ("confirm", "keep")
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "X-Robots-Tag": "noindex",
}


@dataclass(frozen=True)
class _Shop:
    name: str
    locale: str


def _show(purpose: Purpose) -> Endpoint:
    async def show(request: Request) -> Response:
        shop = await _find(request, purpose)
        language = _language(request, shop)
        words = WORDS[language][purpose]
        return _page(language, shop, words.heading, words.text, words.button)

    return show


def _act(purpose: Purpose) -> Endpoint:
    async def act(request: Request) -> Response:
        shop = await _find(request, purpose)
        await read_bytes(request, MOST_BYTES)
        door = door_of(request)
        token = request.path_params["token"]
        await door.run(ACTIONS[purpose], door.engine, token, door.clock())
        language = _language(request, shop)
        if purpose in PROMISES and await door.run(_has_ended, door.engine, purpose, token):
            return _page(language, shop, *ENDED[language])
        words = WORDS[language][purpose]
        return _page(language, shop, words.done_heading, words.done_text)

    return act


async def _find(request: Request, purpose: Purpose) -> _Shop:
    await access_of(request).check_address(request)
    door = door_of(request)
    return await door.run(_shop_of, door.engine, purpose, request.path_params["token"])


def _shop_of(engine: Engine, purpose: Purpose, token: str) -> _Shop:
    if len(token) > LONGEST_TOKEN or not token.isascii():
        raise NotFound("This is no token.")
    with engine.connect() as connection:
        shop_id, _ = read_token(connection, purpose, token)
        row = run_query(connection, "shop.find_shop", shop_id=shop_id).one_or_none()
    return _Shop(row.name if row else "", row.locale if row else "en")


def _has_ended(engine: Engine, purpose: Purpose, token: str) -> bool:
    with engine.connect() as connection:
        row = find_request(connection, *read_token(connection, purpose, token))
    return row is None or row.state in ("skipped", "cancelled", "expired")


def _readable(endpoint: Endpoint) -> Endpoint:
    """A link that is not signed here shows a page too."""

    async def serve(request: Request) -> Response:
        try:
            return await endpoint(request)
        except NotFound:
            language = _language(request, None)
            heading, text = INVALID[language]
            return _page(language, None, heading, text, status=404)

    return serve


def _language(request: Request, shop: _Shop | None) -> str:
    return choose_language(request.headers.get("accept-language", ""), shop.locale if shop else "en")


def _page(
    language: str, shop: _Shop | None, heading: str, text: str, button: str = "", status: int = 200
) -> Response:
    content = _template().render(
        language=language, shop_name=shop.name if shop else "", heading=heading, text=text, button=button
    )
    return HTMLResponse(content, status, _HEADERS)


@cache
def _template() -> Template:
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.get_template("page.html")


ROUTES = [
    at(
        f"{LINK_PATH}/{purpose}/{{token}}",
        GET=_readable(_show(purpose)),
        POST=_readable(_act(purpose)),
    )
    for purpose in PURPOSES
]
