"""One person's data: handed over, and forgotten; reports keep their counts (SEMANTICS 10.3)."""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, Engine

from include.db.queries import run_query
from include.errors import NotFound
from include.services.shops import require_shop

PEOPLE_AT_ONCE = 1_000
PARTS = ("profiles", "requests", "consents", "suppressions", "messages", "feedback", "events", "orders")
_DIGEST_KEY = b"restock privacy request"


@dataclass(frozen=True)
class Identifiers:
    """By what somebody is found; each that is given finds its owner."""

    email_key: str | None = None
    phone: str | None = None
    external_id: str | None = None


def export_person(
    engine: Engine, shop_id: str, who: Identifiers, source: str, now: datetime
) -> dict[str, list[dict[str, Any]]]:
    """Everything that is kept of somebody; raises NotFound where nobody is meant."""
    with engine.begin() as connection:
        people = _find(connection, shop_id, who)
        here = {"shop_id": shop_id, "profile_ids": people}
        found = {
            part: [dict(row._mapping) for row in run_query(connection, f"privacy.read_{part}", **here)]
            for part in PARTS
        }
        _note(connection, shop_id, "export", source, who, now, now)
    return found


def erase_person(engine: Engine, shop_id: str, who: Identifiers, source: str, now: datetime) -> int:
    """Forget somebody; how many profiles that were. Raises NotFound where nobody is meant."""
    with engine.begin() as connection:
        people = _find(connection, shop_id, who)
        count = erase_people(connection, shop_id, people, now)
        _note(connection, shop_id, "erase", source, who, now, now)
    return count


def erase_people(connection: Connection, shop_id: str, people: list[int], now: datetime) -> int:
    """Forget some profiles: their requests end, their unsent messages do not leave."""
    erased = run_query(connection, "privacy.erase_people", shop_id=shop_id, profile_ids=people, now=now)
    return int(erased.scalar_one())


def erase_shop(engine: Engine, shop_id: str, source: str, now: datetime) -> int:
    """Forget everybody of a shop, some at a time; how many that were."""
    total, after_id = 0, 0
    while True:
        with engine.begin() as connection:
            people = list(
                run_query(
                    connection,
                    "privacy.list_everybody",
                    shop_id=shop_id,
                    after_id=after_id,
                    most=PEOPLE_AT_ONCE,
                ).scalars()
            )
            if not people:
                _note(connection, shop_id, "erase_shop", source, Identifiers(), now, now)
                return total
            total += erase_people(connection, shop_id, people, now)
            after_id = people[-1]


def note_export_request(engine: Engine, shop_id: str, who: Identifiers, source: str, now: datetime) -> None:
    """Somebody's data was asked for through a platform: a person of the shop hands it over."""
    with engine.begin() as connection:
        require_shop(connection, shop_id)
        _note(connection, shop_id, "export", source, who, now, None)


def forget_the_silent(connection: Connection, retention_days: int, now: datetime) -> int:
    """Forget who asked for nothing and got nothing for so long; 0 keeps everybody."""
    if not retention_days:
        return 0
    since = now - timedelta(days=retention_days)
    rows = run_query(connection, "privacy.list_forgettable", since=since, most=PEOPLE_AT_ONCE).all()
    return sum(erase_people(connection, row.shop_id, list(row.profile_ids), now) for row in rows)


def _find(connection: Connection, shop_id: str, who: Identifiers) -> list[int]:
    require_shop(connection, shop_id)
    found = run_query(
        connection,
        "privacy.find_people",
        shop_id=shop_id,
        email_key=who.email_key,
        phone=who.phone,
        external_id=who.external_id,
    )
    people = list(found.scalars())
    if not people:
        raise NotFound(f"Shop '{shop_id}' knows nobody by this. It may have been forgotten before.")
    return people


def _note(
    connection: Connection,
    shop_id: str,
    kind: Literal["export", "erase", "erase_shop"],
    source: str,
    who: Identifiers,
    now: datetime,
    done_at: datetime | None,
) -> None:
    secret = run_query(connection, "outbox.find_link_secret").scalar_one()
    person = who.email_key or who.phone or who.external_id
    digest = hmac.new(secret.encode() + _DIGEST_KEY, (person or "").encode(), hashlib.sha256).hexdigest()
    run_query(
        connection,
        "privacy.note_request",
        shop_id=shop_id,
        kind=kind,
        source=source,
        person_digest=digest if person else None,
        now=now,
        done_at=done_at,
    )
