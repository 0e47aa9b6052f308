"""Requests: ask, list, read, cancel, import and export with original dates."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import msgspec
from sqlalchemy import Row
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response, StreamingResponse

from include.domain.request import CHANNELS, Request, check_channels, check_item, check_time, fold_email
from include.errors import ConfigurationError, RowRejected
from include.intake.access import access_of
from include.intake.answers import ApiError, empty
from include.intake.body import read_bytes, read_json
from include.intake.door import Door, door_of
from include.intake.klaviyo.identifiers import SEPARATOR
from include.intake.own.openapi import document
from include.intake.rates import OWN, REQUESTS
from include.intake.routing import at
from include.intake.writers import writers_of
from include.services.asking import Asked
from include.services.contacts import check_email, check_phone
from include.services.request_list import find_request, list_requests
from include.services.requests import cancel_request
from include.services.waiting_list import ImportResult, export_waiting_list, import_waiting_list

BASE = "/restock/v1"
PAGE, LARGEST_PAGE = 50, 200
MOST_BYTES = 5_500_000
CHUNK = 64 * 1024
STATES = ("unconfirmed", "waiting", "released", "notified", "skipped", "cancelled", "expired")
MOST_REFUSED_SHOWN = 100


class NewRequest(msgspec.Struct, forbid_unknown_fields=True):
    """One request: for a variant, or with product_id for any variant of a product."""

    email: str | None = None
    phone: str | None = None
    external_id: str | None = None
    variant_id: str | None = None
    product_id: str | None = None
    channels: list[str] | None = None
    wanted_quantity: int = 1
    locale: str | None = None
    text_shown: str | None = None
    subscribed_at: str | None = None


async def ask(request: HttpRequest) -> Response:
    """Take one request."""
    key = await access_of(request).private(request, REQUESTS)
    body = await read_json(request, NewRequest)
    try:
        asked = _read(body, door_of(request))
    except RowRejected as rejected:
        raise ApiError.of(400, f"{rejected}.", pointer=_pointer_of(str(rejected))) from None
    outcome = await writers_of(request).requests.add(key.shop_id, asked)
    made = None if outcome.subscription_id is None else str(outcome.subscription_id)
    return JSONResponse({"answer": outcome.answer, "id": made}, 202)


def _pointer_of(reason: str) -> str:
    """A reason starts with what it is about."""
    name = reason.partition(" ")[0].replace("channel", "channels")
    return f"/{name}" if name in NewRequest.__struct_fields__ else ""


def _own_id(text: str | None) -> str:
    """The shop's own id, also where it is written as Klaviyo writes it."""
    return text.rpartition(SEPARATOR)[2] if text and text.startswith("$") else text or ""


def _read(body: NewRequest, door: Door) -> Asked:
    email = check_email(body.email.strip()) if body.email else None
    variant_id, product_id = check_item(_own_id(body.variant_id), _own_id(body.product_id))
    if not 1 <= body.wanted_quantity <= 999_999:
        raise RowRejected("wanted_quantity is not from 1 to 999999")
    now = door.clock()
    request = Request(
        email=email,
        email_key=fold_email(email) if email else None,
        variant_id=variant_id,
        product_id=product_id,
        subscribed_at=check_time(body.subscribed_at, now) if body.subscribed_at else now,
        channels=check_channels(",".join(body.channels or ())[:100], has_email=email is not None),
        wanted_quantity=body.wanted_quantity,
        locale=(body.locale or "")[:20] or None,
        phone=check_phone(body.phone) if body.phone else None,
        external_id=(body.external_id or "").strip()[:200] or None,
    )
    return Asked(request, "api", (body.text_shown or "")[:2_000] or None, wants_id=True)


async def list_all(request: HttpRequest) -> Response:
    """A page of requests."""
    key = await access_of(request).private(request, OWN)
    given = request.query_params
    size = _number(given.get("size"), PAGE, 1, LARGEST_PAGE, "size")
    after_id = _number(given.get("after"), 0, 0, 2**63 - 1, "after")
    state = given.get("state")
    if state is not None and state not in STATES:
        raise ApiError.of(400, f"Allowed are {', '.join(STATES)}.", parameter="state")
    filters = {name: _own_id(given.get(name)) or None for name in ("variant_id", "product_id")}
    filters["email"] = given.get("email")
    door = door_of(request)
    rows = await door.run(_list, door, key.shop_id, after_id, size + 1, state, filters)
    page = rows[:size]
    following = page[-1].subscription_id if len(rows) > size else None
    return JSONResponse({"subscriptions": [_show(row) for row in page], "after": following})


def _list(
    door: Door, shop_id: str, after_id: int, most: int, state: str | None, filters: dict[str, str | None]
) -> list[Row[Any]]:
    with door.engine.connect() as connection:
        return list(list_requests(connection, shop_id, after_id, most, state, **filters))


async def read(request: HttpRequest) -> Response:
    """One request."""
    key = await access_of(request).private(request, OWN)
    door = door_of(request)
    row = await door.run(_find, door, key.shop_id, _id_of(request))
    return JSONResponse(_show(row))


async def cancel(request: HttpRequest) -> Response:
    """End one request; one that has ended stays as it is."""
    key = await access_of(request).private(request, OWN)
    door, request_id = door_of(request), _id_of(request)
    await door.run(_find, door, key.shop_id, request_id)
    await door.run(cancel_request, door.engine, key.shop_id, request_id, door.clock())
    return empty(204)


def _find(door: Door, shop_id: str, request_id: int) -> Row[Any]:
    with door.engine.connect() as connection:
        row = find_request(connection, shop_id, request_id)
    if row is None:
        raise ApiError.of(404, "This shop has no subscription with this id.", parameter="id")
    return row


def _id_of(request: HttpRequest) -> int:
    text = request.path_params["id"]
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1


async def take_list(request: HttpRequest) -> Response:
    """Import a CSV with original dates; the same again adds nothing."""
    key = await access_of(request).private(request, OWN)
    in_stock = request.query_params.get("in_stock", "next_restock")
    if in_stock not in ("next_restock", "notify"):
        raise ApiError.of(400, "Allowed are next_restock and notify.", parameter="in_stock")
    raw = await read_bytes(request, MOST_BYTES)
    if b"\0" in raw:
        raise ApiError.of(400, "The body holds a NUL character.", pointer="")
    door = door_of(request)
    try:
        result = await door.run(_import, door, key.shop_id, raw, in_stock)
    except ConfigurationError as error:
        # The text names the file, which is ours.
        detail = str(error).partition(", line 1: ")[2] or "The body is no CSV with a header."
        raise ApiError.of(400, detail, pointer="") from None
    return JSONResponse(_show_import(result))


def _import(door: Door, shop_id: str, raw: bytes, in_stock: Any) -> ImportResult:
    with tempfile.NamedTemporaryFile(suffix=".csv") as file:
        file.write(raw)
        file.flush()
        return import_waiting_list(door.engine, shop_id, Path(file.name), door.clock(), in_stock)


def _show_import(result: ImportResult) -> dict[str, Any]:
    refused = [{"line": line, "reason": reason} for line, reason in result.rejects[:MOST_REFUSED_SHOWN]]
    return {
        "new": result.new,
        "merged": result.merged,
        "known": result.known,
        "refused_count": len(result.rejects),
        "refused": refused,
        "waiting": result.waiting,
        "open_now": result.open_now,
        "unmatched": result.unmatched,
    }


async def give_list(request: HttpRequest) -> Response:
    """Export who waits, as CSV that import takes."""
    key = await access_of(request).private(request, OWN)
    door = door_of(request)
    file = await door.run(_export, door, key.shop_id)
    return StreamingResponse(_chunks(file), media_type="text/csv; charset=utf-8")


def _export(door: Door, shop_id: str) -> IO[str]:
    file: IO[str] = tempfile.TemporaryFile("w+", encoding="utf-8", newline="")  # noqa: SIM115 - _chunks closes it
    export_waiting_list(door.engine, shop_id, file)
    file.seek(0)
    return file


def _chunks(file: IO[str]) -> Iterator[str]:
    with file:
        while chunk := file.read(CHUNK):
            yield chunk


async def describe(request: HttpRequest) -> Response:
    """The OpenAPI document of this part."""
    return JSONResponse(document(CHANNELS, STATES))


def _number(text: str | None, default: int, least: int, most: int, name: str) -> int:
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 19 and least <= int(text) <= most):
        raise ApiError.of(400, f"Allowed is a whole number from {least} to {most}.", parameter=name)
    return int(text)


def _show(row: Row[Any]) -> dict[str, Any]:
    times = ("subscribed_at", "released_at", "notified_at", "ended_at")
    texts = (
        "variant_id",
        "product_id",
        "email",
        "phone",
        "external_id",
        "locale",
        "source",
        "state",
        "reason",
    )
    return {
        "id": str(row.subscription_id),
        "profile_id": str(row.profile_id),
        "channels": row.channels,
        "wanted_quantity": row.wanted_quantity,
        **{name: getattr(row, name) for name in texts},
        **{name: moment.isoformat() if (moment := getattr(row, name)) else None for name in times},
    }


ROUTES = [
    at(f"{BASE}/openapi.json", GET=describe),
    at(f"{BASE}/subscriptions", GET=list_all, POST=ask),
    at(f"{BASE}/subscriptions/import", POST=take_list),
    at(f"{BASE}/subscriptions/export", GET=give_list),
    at(f"{BASE}/subscriptions/{{id}}", GET=read, DELETE=cancel),
]
