"""Pages of lists: size, cursor, sort order, sparse fields, and the links around them."""

import base64
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request

from include.intake.answers import ApiError
from include.intake.door import door_of

LONGEST_CURSOR = 2_000
LARGEST_NUMBER = 2**63 - 1
FIRST_MOMENT, LAST_MOMENT = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
_EPOCH, _TICK = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


def read_size(request: Request, default: int, most: int) -> int:
    """`page[size]`, from 1 to `most`."""
    text = request.query_params.get("page[size]")
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= most):
        raise ApiError.of(400, f"Allowed is a whole number from 1 to {most}.", parameter="page[size]")
    return int(text)


def read_cursor(request: Request) -> tuple[int, str] | None:
    """What the page before this one ended with: a number and an id."""
    text = request.query_params.get("page[cursor]")
    if text is None or not text:
        return None
    try:
        if len(text) > LONGEST_CURSOR:
            raise ValueError
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        number, last_id = msgspec.json.decode(raw, type=tuple[int, str])
        if abs(number) > LARGEST_NUMBER or "\0" in last_id:
            raise ValueError
    except (ValueError, RecursionError):
        raise _no_cursor() from None
    return number, last_id


def write_cursor(number: int, last_id: str = "") -> str:
    """The cursor after a row."""
    raw = msgspec.json.encode((number, last_id))
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def read_moment(request: Request, direction: int) -> tuple[datetime, str]:
    """The cursor of a list in the order of time; without one, what lies before its first row."""
    number, last_id = read_cursor(request) or (None, "")
    if number is None:
        return (LAST_MOMENT if direction < 0 else FIRST_MOMENT), ""
    try:
        return _EPOCH + number * _TICK, last_id
    except OverflowError:
        raise _no_cursor() from None


def write_moment(moment: datetime, last_id: str) -> str:
    """The cursor after a row of a list in the order of time."""
    return write_cursor((moment - _EPOCH) // _TICK, last_id)


def _no_cursor() -> ApiError:
    return ApiError.of(
        400, "This is no cursor of a page here. Take it from links.next.", parameter="page[cursor]"
    )


def read_direction(request: Request, field: str) -> int:
    """`sort=field` is 1, `sort=-field` is -1, without it 0."""
    text = request.query_params.get("sort")
    if text is None or not text:
        return 0
    if text not in (field, f"-{field}"):
        raise ApiError.of(400, f"Allowed are {field} and -{field}.", parameter="sort")
    return -1 if text.startswith("-") else 1


def read_fields(request: Request, kind: str, allowed: Sequence[str]) -> frozenset[str] | None:
    """`fields[kind]`; None: all."""
    name = f"fields[{kind}]"
    given = [
        part.strip()
        for text in request.query_params.getlist(name)
        for part in text.split(",")
        if part.strip()
    ]
    if not given:
        return None
    if set(given) - {*allowed, "id"}:
        raise ApiError.of(400, f"Allowed are {', '.join(allowed)}.", parameter=name)
    return frozenset(given)


def read_include(request: Request, allowed: Sequence[str]) -> frozenset[str]:
    """`include`: related resources that come with the answer."""
    texts = request.query_params.getlist("include")
    given = {part.strip() for text in texts for part in text.split(",") if part.strip()}
    if given - set(allowed):
        raise ApiError.of(400, f"Allowed is {', '.join(allowed)}.", parameter="include")
    return frozenset(given)


def only(attributes: dict[str, Any], fields: frozenset[str] | None) -> dict[str, Any]:
    """The attributes that were asked for."""
    if fields is None:
        return attributes
    return {name: value for name, value in attributes.items() if name in fields}


def url_of(request: Request, path: str, query: str = "") -> str:
    """An address here, as clients reach it."""
    base = door_of(request).settings.intake_url or str(request.base_url).rstrip("/")
    return f"{base}{path}{'?' if query else ''}{query}"


def page_links(request: Request, next_cursor: str | None) -> dict[str, str]:
    """self, and next where there is more."""
    path = request.url.path
    links = {"self": url_of(request, path, request.url.query)}
    if next_cursor is not None:
        kept = [(name, value) for name, value in request.query_params.multi_items() if name != "page[cursor]"]
        links["next"] = url_of(request, path, urlencode([*kept, ("page[cursor]", next_cursor)]))
    return links
