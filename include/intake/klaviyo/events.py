"""Events: from browsers, from servers, in bulk; and reading them."""

from typing import Any

from sqlalchemy import Row
from starlette.requests import Request
from starlette.responses import Response

from include.db.queries import run_query
from include.intake.access import access_of
from include.intake.answers import ApiError, as_json, empty
from include.intake.body import read_json
from include.intake.door import Door, door_of
from include.intake.klaviyo.event_bodies import (
    MOST_EVENTS,
    BulkBody,
    BulkJobBody,
    EventBody,
    read_bulk,
    read_event,
)
from include.intake.klaviyo.filters import Term, read_filter, read_span
from include.intake.klaviyo.pages import (
    only,
    page_links,
    read_cursor,
    read_fields,
    read_include,
    read_moment,
    read_size,
    url_of,
    write_cursor,
    write_moment,
)
from include.intake.klaviyo.profiles import PROFILE_FIELDS, find_people_page, show_profile
from include.intake.rates import BULK_EVENTS, EVENTS
from include.intake.routing import at, client_at
from include.intake.writers import writers_of
from include.services.events import Event, record_events

MOST_BYTES = 5_100_000
PAGE, LARGEST_PAGE = 200, 1_000
METRIC_PAGE = 200
EVENT_FIELDS = ("timestamp", "event_properties", "datetime", "uuid")
METRIC_FIELDS = ("name", "created", "updated", "integration")
_TIMES = ("greater-or-equal", "greater-than", "less-or-equal", "less-than")
OPERATORS = {
    "metric_id": ("equals",),
    "profile_id": ("equals",),
    "profile": ("has",),
    "metric": ("has",),
    "datetime": _TIMES,
    "timestamp": _TIMES,
}
SORTS = ("datetime", "-datetime", "timestamp", "-timestamp")
LARGEST_ID = 2**63 - 1


async def take_from_browser(request: Request) -> Response:
    """`POST /client/events?company_id=…`."""
    key = await access_of(request).company(request, EVENTS)
    body = await read_json(request, EventBody, MOST_BYTES)
    event = read_event(body, door_of(request).clock(), is_server=False)
    await writers_of(request).events.add(key.shop_id, event)
    return empty(202)


async def take_from_server(request: Request) -> Response:
    """`POST /api/events`."""
    key = await access_of(request).private(request, EVENTS)
    body = await read_json(request, EventBody, MOST_BYTES)
    event = read_event(body, door_of(request).clock(), is_server=True)
    await writers_of(request).events.add(key.shop_id, event)
    return empty(202)


async def take_bulk_from_browser(request: Request) -> Response:
    """`POST /client/event-bulk-create?company_id=…`."""
    key = await access_of(request).company(request, BULK_EVENTS)
    body = await read_json(request, BulkBody, MOST_BYTES)
    return await _record(request, key.shop_id, read_bulk(body.data, "/data", door_of(request).clock(), False))


async def take_bulk_from_server(request: Request) -> Response:
    """`POST /api/event-bulk-create-jobs`."""
    key = await access_of(request).private(request, BULK_EVENTS)
    body = await read_json(request, BulkJobBody, MOST_BYTES)
    now = door_of(request).clock()
    pointer = "/data/attributes/events-bulk-create/data"
    events = [
        event
        for number, bulk in enumerate(body.data.attributes.bulk.data)
        for event in read_bulk(bulk, f"{pointer}/{number}", now, True)
    ]
    return await _record(request, key.shop_id, events)


async def _record(request: Request, shop_id: str, events: list[Event]) -> Response:
    if not 1 <= len(events) <= MOST_EVENTS:
        raise ApiError.of(400, f"Allowed are 1 to {MOST_EVENTS} events.", pointer="/data/attributes")
    door = door_of(request)
    await door.run(_write, door, shop_id, events)
    return empty(202)


def _write(door: Door, shop_id: str, events: list[Event]) -> None:
    with door.engine.begin() as connection:
        record_events(connection, shop_id, events, door.clock())


async def list_events(request: Request) -> Response:
    """`GET /api/events`."""
    key = await access_of(request).private(request, EVENTS)
    fields = read_fields(request, "event", EVENT_FIELDS)
    metric_fields = read_fields(request, "metric", METRIC_FIELDS)
    profile_fields = read_fields(request, "profile", PROFILE_FIELDS)
    included = read_include(request, ("attributions", "metric", "profile"))
    size = read_size(request, PAGE, LARGEST_PAGE)
    sort = request.query_params.get("sort") or "datetime"
    if sort not in SORTS:
        raise ApiError.of(400, f"Allowed are {', '.join(SORTS)}.", parameter="sort")
    direction = -1 if sort.startswith("-") else 1
    after_at, last_id = read_moment(request, direction)
    after_id = int(last_id) if last_id.isascii() and last_id.isdigit() and len(last_id) < 19 else 0
    asked = _read_terms(read_filter(request.query_params.get("filter"), OPERATORS))
    asked |= {"direction": direction, "after_at": after_at, "after_id": after_id, "most": size + 1}
    door = door_of(request)
    rows = await door.run(_find_events, door, key.shop_id, asked)
    page = rows[:size]
    following = write_moment(page[-1].happened_at, str(page[-1].event_id)) if len(rows) > size else None
    shown: dict[str, Any] = {"data": [_show(request, row, fields) for row in page]}
    if included & {"metric", "profile"}:
        shown["included"] = await door.run(
            _included, request, key.shop_id, page, included, metric_fields, profile_fields
        )
    return as_json(shown | {"links": page_links(request, following)})


async def list_metrics(request: Request) -> Response:
    """`GET /api/metrics`."""
    key = await access_of(request).private(request, BULK_EVENTS)
    fields = read_fields(request, "metric", METRIC_FIELDS)
    read_include(request, ("flow-triggers",))
    terms = read_filter(
        request.query_params.get("filter"),
        {"integration.name": ("equals",), "integration.category": ("equals",)},
    )
    after, _ = read_cursor(request) or (0, "")
    door = door_of(request)
    is_ours = all(term.value in ("Restock", "API") for term in terms)
    after_id = max(after, 0)
    rows = await door.run(_find_metrics, door, key.shop_id, None, after_id) if is_ours else []
    page = rows[:METRIC_PAGE]
    following = write_cursor(page[-1].metric_id, "") if len(rows) > METRIC_PAGE else None
    shown = [_show_metric(request, row, fields) for row in page]
    return as_json({"data": shown, "links": page_links(request, following)})


def _read_terms(terms: list[Term]) -> dict[str, Any]:
    """What a list is limited to; each event has a profile and a metric, so `has` limits nothing."""
    since, until = read_span(terms, ("datetime", "timestamp"))
    asked: dict[str, Any] = {"metric_id": None, "profile_id": None, "since": since, "until": until}
    for term in terms:
        if term.field in ("metric_id", "profile_id"):
            text = term.value if isinstance(term.value, str) else ""
            number = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1
            # Nothing has two ids at once.
            asked[term.field] = number if asked[term.field] in (None, number) else -1
    return asked


def _find_events(door: Door, shop_id: str, asked: dict[str, Any]) -> list[Row[Any]]:
    with door.engine.connect() as connection:
        return list(run_query(connection, "event.page_of_events", shop_id=shop_id, **asked).all())


def _find_metrics(door: Door, shop_id: str, ids: list[int] | None, after_id: int = 0) -> list[Row[Any]]:
    with door.engine.connect() as connection:
        found = run_query(
            connection,
            "event.list_metrics",
            shop_id=shop_id,
            metric_ids=ids,
            after_id=after_id,
            most=METRIC_PAGE + 1 if ids is None else len(ids),
        )
        return list(found.all())


def _included(
    request: Request,
    shop_id: str,
    page: list[Row[Any]],
    included: frozenset[str],
    metric_fields: frozenset[str] | None,
    profile_fields: frozenset[str] | None,
) -> list[dict[str, Any]]:
    door, shown = door_of(request), []
    if "metric" in included:
        metrics = _find_metrics(door, shop_id, sorted({row.metric_id for row in page}))
        shown += [_show_metric(request, row, metric_fields) for row in metrics]
    if "profile" in included:
        ids = sorted({row.profile_id for row in page})
        people = find_people_page(door, shop_id, len(ids), profile_ids=ids)
        shown += [show_profile(request, row, profile_fields) for row in people]
    return shown


def _show(request: Request, row: Row[Any], fields: frozenset[str] | None) -> dict[str, Any]:
    properties = dict(row.properties)
    if row.value is not None:
        properties["$value"] = float(row.value)
    if row.value_currency is not None:
        properties["$value_currency"] = row.value_currency
    attributes = {
        "timestamp": int(row.happened_at.timestamp()),
        "event_properties": properties,
        "datetime": row.happened_at.isoformat(),
        "uuid": row.unique_id,
    }
    return {
        "type": "event",
        "id": str(row.event_id),
        "attributes": only(attributes, fields),
        "relationships": {
            "profile": {"data": {"type": "profile", "id": str(row.profile_id)}},
            "metric": {"data": {"type": "metric", "id": str(row.metric_id)}},
        },
        "links": {"self": url_of(request, f"/api/events/{row.event_id}")},
    }


def _show_metric(request: Request, row: Row[Any], fields: frozenset[str] | None) -> dict[str, Any]:
    attributes = {
        "name": row.name,
        "created": row.created_at.isoformat(),
        "updated": row.created_at.isoformat(),
        "integration": {"object": "integration", "id": "restock", "name": "Restock", "category": "API"},
    }
    return {
        "type": "metric",
        "id": str(row.metric_id),
        "attributes": only(attributes, fields),
        "links": {"self": url_of(request, f"/api/metrics/{row.metric_id}")},
    }


ROUTES = [
    client_at("/client/events", take_from_browser),
    client_at("/client/event-bulk-create", take_bulk_from_browser),
    at("/api/events", GET=list_events, POST=take_from_server),
    at("/api/event-bulk-create-jobs", POST=take_bulk_from_server),
    at("/api/metrics", GET=list_metrics),
]
