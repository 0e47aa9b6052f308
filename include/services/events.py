"""What people did: events with their metrics, each recorded once, and how often everybody did what (SEMANTICS 7).

Whose event it is follows the one rule of `people.find_people`: e-mail, then phone, then the shop's own id.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from include.db.queries import run_query
from include.errors import NotFound
from include.services.people import find_people


@dataclass(frozen=True)
class Person:
    """Who somebody is, checked, and what is told of them."""

    email: str | None = None
    email_key: str | None = None
    phone: str | None = None
    external_id: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    locale: str | None = None
    time_zone: str | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)
    replaces_names: bool = False
    profile_id: int | None = None

    @property
    def has_only_email(self) -> bool:
        """Whether the address alone says who it is."""
        return self.email_key is not None and self.phone is None and self.external_id is None


@dataclass(frozen=True)
class Event:
    """One occurrence; without a `unique_id` the second in which it happened tells it from others."""

    person: Person
    metric: str
    happened_at: datetime
    properties: Mapping[str, Any]
    unique_id: str | None = None
    value: Decimal | None = None
    value_currency: str | None = None
    is_backfill: bool = False


def record_events(connection: Connection, shop_id: str, events: Sequence[Event], now: datetime) -> int:
    """Record what was not recorded before, as one set; how many that were.

    Raises NotFound where somebody is named by an id that nobody has.
    """
    if not events:
        return 0
    people = know_people(connection, shop_id, [event.person for event in events], now)
    metrics = run_query(
        connection, "event.know_metrics", shop_id=shop_id, names=[event.metric for event in events], now=now
    )
    ids = {row.name: row.metric_id for row in metrics}
    return int(
        run_query(
            connection,
            "event.record",
            shop_id=shop_id,
            profile_ids=people,
            metric_ids=[ids[event.metric] for event in events],
            unique_ids=[event.unique_id or f"{int(event.happened_at.timestamp())}" for event in events],
            happened_at=[event.happened_at for event in events],
            values=[event.value for event in events],
            value_currencies=[event.value_currency for event in events],
            properties=[json.dumps(dict(event.properties)) for event in events],
            are_backfill=[event.is_backfill for event in events],
            now=now,
        ).scalar_one()
    )


def know_people(connection: Connection, shop_id: str, people: Sequence[Person], now: datetime) -> list[int]:
    """The profile of each, with what is told of them merged into it; who is not known yet is known then."""
    named = {place: person for place, person in enumerate(people) if person.profile_id is None}
    found = dict(
        zip(named, find_people(connection, shop_id, list(named.values()), now), strict=True) if named else ()
    )
    by_id = [person.profile_id for person in people if person.profile_id is not None]
    if by_id:
        rows = run_query(connection, "people.find_contacts", shop_id=shop_id, profile_ids=by_id)
        known = {row.profile_id for row in rows}
        if set(by_id) - known:
            raise NotFound("A profile with this id does not exist.")
    ids = [
        found[place] if place in found else int(person.profile_id or 0) for place, person in enumerate(people)
    ]
    _merge_told(connection, shop_id, dict(zip(ids, people, strict=True)))
    return ids


def _merge_told(connection: Connection, shop_id: str, told: Mapping[int, Person]) -> None:
    """One row per person: of what was told twice in one set, the last holds."""
    rows = [
        (profile_id, person)
        for profile_id, person in sorted(told.items(), key=lambda entry: entry[0])
        if person.properties or person.replaces_names or person.time_zone
    ]
    if not rows:
        return
    run_query(
        connection,
        "people.merge_told",
        shop_id=shop_id,
        profile_ids=[profile_id for profile_id, _ in rows],
        properties=[json.dumps(dict(person.properties)) for _, person in rows],
        first_names=[person.first_name for _, person in rows],
        last_names=[person.last_name for _, person in rows],
        locales=[person.locale for _, person in rows],
        time_zones=[person.time_zone for _, person in rows],
        replaces_names=[person.replaces_names for _, person in rows],
    )
