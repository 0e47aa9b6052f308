"""What people did: events with their metrics, each recorded once, and how often everybody did what (SEMANTICS 7).

Whose event it is follows the one rule of `people.find_people`: e-mail, then phone, then the shop's own id.
"""

import json
from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from typing import Any

from sqlalchemy import Connection

from include.db.queries import run_query
from include.errors import NotFound
from include.services.people import find_people
from include.services.rules import rules_in_force


@dataclass(frozen=True)
class Person:
    """Who somebody is, checked, and what is told of them: by a server it replaces, by a browser it fills."""

    email: str | None = None
    email_key: str | None = None
    phone: str | None = None
    external_id: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    locale: str | None = None
    time_zone: str | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)
    is_told_by_server: bool = False
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
    told = sorted(zip(ids, people, strict=True), key=lambda entry: entry[0])
    merged = {
        profile_id: _merge([person for _, person in group])
        for profile_id, group in groupby(told, key=lambda entry: entry[0])
    }
    _write_told(connection, shop_id, {key: each for key, each in merged.items() if each.says_something}, now)
    return ids


@dataclass(frozen=True)
class _Told:
    """What a set tells of one person: `replacing` by servers, `filling` by browsers."""

    replacing: Person
    filling: Person

    @property
    def says_something(self) -> bool:
        told = self.replacing
        names = told.first_name or told.last_name or told.locale or self.filling.locale
        return bool(
            told.properties or self.filling.properties or names or told.time_zone or self.filling.time_zone
        )


def _merge(people: Sequence[Person]) -> _Told:
    """Of what servers say twice the last holds, of what browsers say twice the first."""
    by_server = [person for person in people if person.is_told_by_server]
    by_browser = [person for person in people if not person.is_told_by_server]
    return _Told(_last_of_each(by_server), _last_of_each(by_browser[::-1]))


def _last_of_each(people: Sequence[Person]) -> Person:
    names = ("first_name", "last_name", "locale", "time_zone")
    known = {name: value for person in people for name in names if (value := getattr(person, name))}
    return Person(properties=dict(ChainMap(*[dict(each.properties) for each in people[::-1]])), **known)


def _write_told(connection: Connection, shop_id: str, told: Mapping[int, _Told], now: datetime) -> None:
    if not told:
        return
    ranks = (
        _ranking_properties(connection, now) if any(each.filling.properties for each in told.values()) else ()
    )
    replacing = [each.replacing for each in told.values()]
    filling = [each.filling for each in told.values()]
    run_query(
        connection,
        "people.merge_told",
        shop_id=shop_id,
        profile_ids=list(told),
        replacing=[json.dumps(dict(person.properties)) for person in replacing],
        first_names=[person.first_name for person in replacing],
        last_names=[person.last_name for person in replacing],
        locales=[person.locale for person in replacing],
        time_zones=[person.time_zone for person in replacing],
        filling=[
            json.dumps({name: value for name, value in person.properties.items() if name not in ranks})
            for person in filling
        ],
        filling_locales=[person.locale for person in filling],
        filling_time_zones=[person.time_zone for person in filling],
    )


def _ranking_properties(connection: Connection, now: datetime) -> frozenset[str]:
    """Properties by which somebody comes first (SEMANTICS 4.2): nobody gives them to themselves."""
    _, rules = rules_in_force(connection, now)
    overridden = (override.rules.get("vip_property") for override in rules.rule_overrides)
    return frozenset((rules.vip_property, *(str(name) for name in overridden if name)))
