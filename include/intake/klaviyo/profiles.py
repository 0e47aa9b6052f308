"""Profiles, as far as subscriptions and events need them: create, list, find."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Row
from starlette.requests import Request
from starlette.responses import Response

from include.db.queries import run_query
from include.domain.request import fold_email
from include.errors import RowRejected
from include.intake.access import access_of
from include.intake.answers import ApiError, as_json, error_document
from include.intake.body import read_json
from include.intake.door import Door, door_of
from include.intake.klaviyo.event_bodies import EventProfile, read_person
from include.intake.klaviyo.filters import ALWAYS, Term, read_filter, read_span
from include.intake.klaviyo.pages import (
    only,
    page_links,
    read_cursor,
    read_fields,
    read_include,
    read_size,
    url_of,
    write_cursor,
)
from include.intake.rates import OWN
from include.intake.routing import at
from include.services.contacts import check_phone
from include.services.events import Person, know_people

PAGE, LARGEST_PAGE = 20, 100
MOST_BYTES = 100_000
# A profile is shown as last updated when it was created, and numbered in that order.
SORTS = ("created", "-created", "id", "-id", "updated", "-updated")
PROFILE_FIELDS = (
    *("email", "phone_number", "external_id", "first_name", "last_name", "organization", "locale", "title"),
    *("image", "created", "updated", "last_event_date", "location", "properties"),
    *(f"location.{part}" for part in ("address1", "address2", "city", "country", "latitude", "longitude")),
    *("location.region", "location.zip", "location.timezone", "location.ip"),
)
OPERATORS = {
    "id": ("any", "equals"),
    "email": ("any", "equals"),
    "phone_number": ("any", "equals"),
    "external_id": ("any", "equals"),
    "created": ("greater-than", "less-than"),
    "updated": ("greater-than", "less-than"),
}
HIGHEST_ID = 2**63 - 1


class ProfileBody(msgspec.Struct):
    """`{"data": profile}`."""

    data: EventProfile


async def create_profile(request: Request) -> Response:
    """`POST /api/profiles`; 409 with the known profile's id for one that exists."""
    key = await access_of(request).private(request, OWN)
    fields = _read_fields(request)
    body = await read_json(request, ProfileBody, MOST_BYTES)
    person = read_person(body.data, "/data", is_server=True)
    door = door_of(request)
    row, is_new = await door.run(_create, door, key.shop_id, person)
    if not is_new:
        fault = ApiError.of(
            409,
            "A profile already exists with one of these identifiers.",
            "/data/attributes",
            code="duplicate_profile",
        )
        document = error_document(fault)
        document["errors"][0]["meta"] = {"duplicate_profile_id": str(row.profile_id)}
        return as_json(document, 409)
    shown = show_profile(request, row, fields)
    return as_json({"data": shown, "links": shown["links"]}, 201)


async def list_profiles(request: Request) -> Response:
    """`GET /api/profiles`."""
    key = await access_of(request).private(request, OWN)
    fields = _read_fields(request)
    read_include(request, ("conversations", "push-tokens"))
    size = read_size(request, PAGE, LARGEST_PAGE)
    sort = request.query_params.get("sort") or "id"
    if sort not in SORTS:
        raise ApiError.of(400, f"Allowed are {', '.join(SORTS)}.", parameter="sort")
    direction = -1 if sort.startswith("-") else 1
    after_id, _ = read_cursor(request) or (0 if direction > 0 else HIGHEST_ID, "")
    asked = _read_terms(read_filter(request.query_params.get("filter"), OPERATORS))
    door = door_of(request)
    rows = await door.run(find_people_page, door, key.shop_id, size + 1, direction, after_id, **asked)
    page = rows[:size]
    following = write_cursor(page[-1].profile_id) if len(rows) > size else None
    shown = [show_profile(request, row, fields) for row in page]
    return as_json({"data": shown, "links": page_links(request, following)})


def find_people_page(
    door: Door,
    shop_id: str,
    most: int,
    direction: int = 1,
    after_id: int = 0,
    profile_ids: list[int] | None = None,
    email_keys: list[str] | None = None,
    phones: list[str] | None = None,
    external_ids: list[str] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[Row[Any]]:
    """One page of profiles."""
    with door.engine.connect() as connection:
        found = run_query(
            connection,
            "people.page_of_people",
            shop_id=shop_id,
            direction=direction,
            after_id=after_id,
            profile_ids=profile_ids,
            email_keys=email_keys,
            phones=phones,
            external_ids=external_ids,
            since=since,
            until=until,
            most=most,
        )
        return list(found.all())


def show_profile(request: Request, row: Row[Any], fields: frozenset[str] | None) -> dict[str, Any]:
    """A profile of `people.page_of_people`."""
    attributes = {
        "email": row.email,
        "phone_number": row.phone,
        "external_id": row.external_id,
        "first_name": row.first_name,
        "last_name": row.last_name,
        "organization": None,
        "locale": row.locale,
        "title": None,
        "image": None,
        "created": row.created_at.isoformat(),
        "updated": row.created_at.isoformat(),
        "last_event_date": row.last_event_at.isoformat() if row.last_event_at else None,
        "location": {"timezone": row.time_zone},
        "properties": row.properties,
    }
    return {
        "type": "profile",
        "id": str(row.profile_id),
        "attributes": only(attributes, fields),
        "links": {"self": url_of(request, f"/api/profiles/{row.profile_id}")},
    }


def _read_fields(request: Request) -> frozenset[str] | None:
    additional = request.query_params.get("additional-fields[profile]", "")
    if set(filter(None, additional.split(","))) - {"subscriptions", "predictive_analytics"}:
        raise ApiError.of(
            400, "Allowed are subscriptions and predictive_analytics.", parameter="additional-fields[profile]"
        )
    return read_fields(request, "profile", PROFILE_FIELDS)


def _read_terms(terms: list[Term]) -> dict[str, Any]:
    asked: dict[str, Any] = {}
    span = read_span(terms, ("created", "updated"))
    if span != ALWAYS:
        asked["since"], asked["until"] = span
    for term in terms:
        if term.field in _IDENTIFIERS:
            name, read = _IDENTIFIERS[term.field]
            values = [read(text) for text in (term.value if isinstance(term.value, list) else [term.value])]
            asked[name] = [each for each in values if each is not None and each in asked.get(name, values)]
    return asked


def _read_id(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _read_phone(text: str) -> str | None:
    try:
        return check_phone(text)
    except RowRejected:
        return None


_IDENTIFIERS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "id": ("profile_ids", _read_id),
    "email": ("email_keys", fold_email),
    "phone_number": ("phones", _read_phone),
    "external_id": ("external_ids", str),
}


def _create(door: Door, shop_id: str, person: Person) -> tuple[Row[Any], bool]:
    now = door.clock()
    with door.engine.begin() as connection:
        keys = {
            "email_keys": [person.email_key],
            "phones": [person.phone],
            "external_ids": [person.external_id],
        }
        known = run_query(connection, "people.match", shop_id=shop_id, **keys).scalar_one()
        if known is None and person.profile_id is not None:
            known = person.profile_id
        profile_id = known if known is not None else know_people(connection, shop_id, [person], now)[0]
    rows = find_people_page(door, shop_id, 1, profile_ids=[profile_id])
    if not rows:
        raise ApiError.of(400, "One of email, phone_number and external_id is needed.", "/data/attributes")
    return rows[0], known is None


ROUTES = [at("/api/profiles", GET=list_profiles, POST=create_profile)]
