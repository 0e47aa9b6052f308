"""Who a request is from: one profile per person, found by e-mail, phone or the shop's own id (SEMANTICS 3.1)."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol

from sqlalchemy import Connection

from include.db.queries import run_query


class Identified(Protocol):
    """Somebody who is named by an e-mail address, a phone number, the shop's own id, or several of them."""

    @property
    def email_key(self) -> str | None: ...
    @property
    def has_only_email(self) -> bool: ...


def find_people(
    connection: Connection, shop_id: str, requests: Sequence[Identified], now: datetime
) -> list[int]:
    """The profile of each request, in order; who is not known yet is known then.

    The e-mail decides, then the phone, then the external id. A weaker identifier finds nobody whose stronger
    one differs, and what somebody else has already stays theirs: two people never become one, nor change keys.
    Who objected before being forgotten (10.3) is still not written to.
    """
    found: dict[int, int] = {}
    while missing := [place for place in range(len(requests)) if place not in found]:
        asked = [requests[place] for place in missing]
        is_by_email = all(request.has_only_email for request in asked)
        ids = (_by_email if is_by_email else _by_any)(connection, shop_id, asked, now)
        found |= {place: person for place, person in zip(missing, ids, strict=True) if person is not None}
    keys = _columns(requests, "email_key", "phone")
    run_query(connection, "people.restore_suppressions", shop_id=shop_id, **keys)
    return [found[place] for place in range(len(requests))]


def record_consent(
    connection: Connection,
    shop_id: str,
    profile_ids: Sequence[int],
    channel: str,
    purpose: Literal["alert", "marketing"],
    state: Literal["given", "withdrawn"],
    source: str,
    proof: Mapping[str, str],
    now: datetime,
) -> None:
    """Keep what people said of a channel; `proof` holds no address (SEMANTICS 10.1)."""
    run_query(
        connection,
        "people.record_consents",
        shop_id=shop_id,
        profile_ids=list(profile_ids),
        channel=channel,
        purpose=purpose,
        state=state,
        source=source,
        proof=json.dumps(dict(proof)),
        now=now,
    )


def _by_email(
    connection: Connection, shop_id: str, requests: Sequence[Identified], now: datetime
) -> list[int | None]:
    columns = _columns(requests, "email", "email_key", "first_name", "last_name", "locale")
    return list(
        run_query(connection, "people.upsert_by_email", shop_id=shop_id, now=now, **columns).scalars().all()
    )


def _by_any(
    connection: Connection, shop_id: str, requests: Sequence[Identified], now: datetime
) -> list[int | None]:
    names = ("email", "email_key", "phone", "external_id", "first_name", "last_name")
    run_query(connection, "people.lock_people", shop_id=shop_id)
    new = [
        request
        for request, person in zip(requests, match_people(connection, shop_id, requests), strict=True)
        if person is None
    ]
    columns = _columns(new, *names, "locale")
    run_query(connection, "people.insert_people", shop_id=shop_id, now=now, **columns)
    meant = match_people(connection, shop_id, requests)
    columns = _columns(requests, *names)
    run_query(connection, "people.complete_people", shop_id=shop_id, profile_ids=meant, **columns)
    # Two of one set may have meant the same person until the first of them completed it.
    return match_people(connection, shop_id, requests)


def match_people(connection: Connection, shop_id: str, requests: Sequence[Identified]) -> list[int | None]:
    """The profile of each request, in order; None for who is not known yet."""
    keys = _columns(requests, "email_key", "phone", "external_id")
    return list(run_query(connection, "people.match", shop_id=shop_id, **keys).scalars().all())


def _columns(requests: Sequence[Identified], *fields: str) -> dict[str, list[Any]]:
    return {f"{field}s": [getattr(request, field) for request in requests] for field in fields}
