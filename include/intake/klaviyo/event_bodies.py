"""Bodies of events, and what they mean."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import msgspec

from include.intake.answers import ApiError
from include.intake.body import check_json
from include.intake.klaviyo.people import ProfileAttributes, ProfileResource, read_contact
from include.services.events import Event, Person

EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
FARTHEST_AHEAD = timedelta(days=366)
MOST_EVENTS = 1_000
MOST_PROPERTIES = 400
LONGEST_STRING = 100_000
LARGEST_EVENT = 5_000_000
LARGEST_PROFILE = 100_000
LONGEST_METRIC = 128
LONGEST_UNIQUE_ID = 255
LARGEST_VALUE = 1e15


class _EventProfileAttributes(ProfileAttributes):
    anonymous_id: str | None = None
    properties: dict[str, Any] | None = None
    location: dict[str, Any] | None = None


class EventProfile(ProfileResource):
    """A profile of an event."""

    attributes: _EventProfileAttributes = msgspec.field(default_factory=_EventProfileAttributes)


class _ProfileReference(msgspec.Struct):
    data: EventProfile


class _MetricAttributes(msgspec.Struct):
    name: str


class _Metric(msgspec.Struct):
    type: Literal["metric"]
    attributes: _MetricAttributes


class _MetricReference(msgspec.Struct):
    data: _Metric


class _EventAttributes(msgspec.Struct):
    metric: _MetricReference
    properties: dict[str, Any]
    profile: _ProfileReference | None = None
    time: str | int | float | None = None
    value: int | float | None = None
    value_currency: str | None = None
    unique_id: str | None = None
    backfill: bool | None = None


class EventResource(msgspec.Struct):
    """One event; in bulk the profile stands beside it."""

    type: Literal["event"]
    attributes: _EventAttributes


class EventBody(msgspec.Struct):
    """`{"data": event}`."""

    data: EventResource


class _Events(msgspec.Struct):
    data: list[EventResource]


class _BulkAttributes(msgspec.Struct):
    profile: _ProfileReference
    events: _Events
    backfill: bool | None = None


class BulkResource(msgspec.Struct):
    """Events of one profile."""

    type: Literal["event-bulk-create"]
    attributes: _BulkAttributes


class BulkBody(msgspec.Struct):
    """`{"data": events of one profile}`, from a browser."""

    data: BulkResource


class _BulkList(msgspec.Struct):
    data: list[BulkResource]


class _JobAttributes(msgspec.Struct):
    bulk: _BulkList = msgspec.field(name="events-bulk-create")


class _Job(msgspec.Struct):
    type: Literal["event-bulk-create-job"]
    attributes: _JobAttributes


class BulkJobBody(msgspec.Struct):
    """Events of several profiles, from a server."""

    data: _Job


def read_event(body: EventBody, now: datetime, is_server: bool) -> Event:
    """One checked event; raises ApiError with a pointer."""
    profile = body.data.attributes.profile
    if profile is None:
        raise ApiError.of(400, "'profile' is a required field.", pointer="/data/attributes/profile")
    person = read_person(profile.data, "/data/attributes/profile/data", is_server)
    return _read(body.data, person, "/data", now, is_backfill=False)


def read_bulk(bulk: BulkResource, pointer: str, now: datetime, is_server: bool) -> list[Event]:
    """The checked events of one profile."""
    given = bulk.attributes
    where = f"{pointer}/attributes"
    person = read_person(given.profile.data, f"{where}/profile/data", is_server)
    return [
        _read(event, person, f"{where}/events/data/{number}", now, bool(given.backfill))
        for number, event in enumerate(given.events.data)
    ]


def read_person(profile: EventProfile, pointer: str, is_server: bool) -> Person:
    """Who did it; a browser that nobody named yet is somebody of its own."""
    given = profile.attributes
    is_named_by_id = is_server and (profile.id or given.id)
    if given.anonymous_id and not (given.email or given.phone_number or given.external_id or is_named_by_id):
        given.external_id = f"anonymous:{given.anonymous_id}"
    contact = read_contact(profile, pointer, is_server)
    properties = given.properties or {}
    check_json(properties, f"{pointer}/attributes/properties", LARGEST_PROFILE)
    time_zone = (given.location or {}).get("timezone")
    return Person(
        contact.email,
        contact.email_key,
        contact.phone,
        contact.external_id,
        contact.first_name,
        contact.last_name,
        contact.locale,
        time_zone[:60] if isinstance(time_zone, str) else None,
        properties,
        is_server,
        contact.profile_id,
    )


def _read(event: EventResource, person: Person, pointer: str, now: datetime, is_backfill: bool) -> Event:
    given = event.attributes
    where = f"{pointer}/attributes"
    name = given.metric.data.attributes.name.strip()
    if not 1 <= len(name) < LONGEST_METRIC:
        raise ApiError.of(
            400,
            f"Allowed are 1 to {LONGEST_METRIC - 1} characters.",
            pointer=f"{where}/metric/data/attributes/name",
        )
    _check_properties(given.properties, f"{where}/properties")
    if given.unique_id is not None and not 1 <= len(given.unique_id) <= LONGEST_UNIQUE_ID:
        raise ApiError.of(
            400, f"Allowed are 1 to {LONGEST_UNIQUE_ID} characters.", pointer=f"{where}/unique_id"
        )
    if given.value is not None and abs(given.value) > LARGEST_VALUE:
        raise ApiError.of(400, f"Allowed is a number up to {LARGEST_VALUE:.0f}.", pointer=f"{where}/value")
    return Event(
        person,
        name,
        # Who reads on from the last second that they saw (greater-than) must not meet it again.
        read_time(given.time, now, f"{where}/time").replace(microsecond=0),
        given.properties,
        given.unique_id,
        None if given.value is None else Decimal(str(given.value)),
        _read_currency(given.value_currency, f"{where}/value_currency"),
        bool(given.backfill) or is_backfill,
    )


def _check_properties(properties: Mapping[str, Any], pointer: str) -> None:
    if len(properties) > MOST_PROPERTIES:
        raise ApiError.of(400, f"Allowed are up to {MOST_PROPERTIES} properties.", pointer=pointer)
    check_json(properties, pointer, LARGEST_EVENT)
    if any(isinstance(value, str) and len(value) > LONGEST_STRING for value in properties.values()):
        raise ApiError.of(400, f"A text is longer than {LONGEST_STRING} characters.", pointer=pointer)


def _read_currency(text: str | None, pointer: str) -> str | None:
    if text is None:
        return None
    if not (len(text) == 3 and text.isascii() and text.isalpha()):
        raise ApiError.of(400, "Allowed is a code of ISO 4217 such as EUR.", pointer=pointer)
    return text.upper()


def read_time(given: str | int | float | None, now: datetime, pointer: str) -> datetime:
    """After 1990 and up to a year ahead; without one it is now, without a zone it is UTC."""
    if given is None:
        return now
    try:
        if isinstance(given, str):
            moment = datetime.fromisoformat(given.strip())
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        else:
            moment = datetime.fromtimestamp(given, UTC)
    except (ValueError, OverflowError, OSError):
        raise ApiError.of(400, "Allowed is ISO 8601 such as 2026-01-31T09:30:00Z.", pointer=pointer) from None
    if not EARLIEST <= moment <= now + FARTHEST_AHEAD:
        raise ApiError.of(400, "Allowed is a time after 1990 and up to one year ahead.", pointer=pointer)
    return moment
