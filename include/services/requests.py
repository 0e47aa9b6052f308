"""Requests to be told: taking them as sets, and what their signed links do (SEMANTICS 3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row

from include.db.queries import run_query
from include.db.statistics import introduce_shop
from include.domain.request import InStockRequest, Request
from include.domain.wake import DISPATCH, RELEASE
from include.errors import NotFound
from include.services.due import wake
from include.services.links import read_token
from include.services.people import find_people
from include.services.product_requests import Wish, place_beside
from include.services.request_list import find_request
from include.services.rules import rules_in_force


@dataclass(frozen=True)
class Taken:
    """What became of a set of requests: new, merged into an open one, known before, refused (SEMANTICS 3.5)."""

    new: int = 0
    merged: int = 0
    known: int = 0
    refused: int = 0


@dataclass(frozen=True)
class Terms:
    """How requests are taken: what holds for what is in stock, and whether they wait for a confirmation."""

    source: str
    in_stock: InStockRequest
    needs_confirmation: bool = False


def take_requests(
    connection: Connection,
    shop_id: str,
    requests: Sequence[Request],
    source: str,
    in_stock: InStockRequest,
    now: datetime,
    needs_confirmation: bool = False,
) -> Taken:
    """Store requests as one set (SEMANTICS 3.1-3.6); with `needs_confirmation` each is asked for by mail first."""
    if not requests:
        return Taken()
    terms = Terms(source, in_stock, needs_confirmation)
    people = find_people(connection, shop_id, requests, now)
    introduce_shop(connection, "profile", shop_id, len(people))
    asked = list(zip(people, requests, strict=True))
    rows = _insert_for_variants(connection, shop_id, asked, terms, now)
    rows += _insert_for_products(connection, shop_id, asked, terms, now)
    if needs_confirmation:
        _queue_confirmations(connection, shop_id, asked, now)
    new, merged, refused = (
        sum(getattr(row, f"{name}_count") for row in rows) for name in ("new", "merged", "refused")
    )
    return Taken(new, merged, len(requests) - new - merged - refused, refused)


def cancel_by_id(engine: Engine, shop_id: str, subscription_id: int, now: datetime) -> bool:
    """End a request that somebody names by its id; see cancel_request. Raises NotFound for another shop's."""
    with engine.connect() as connection:
        if find_request(connection, shop_id, subscription_id) is None:
            raise NotFound(
                f"Shop '{shop_id}' has no request {subscription_id}. `restock why --email ADDRESS --shop {shop_id}` "
                "names a person's, the report 'queue' those of all who wait."
            )
    return cancel_request(engine, shop_id, subscription_id, now)


def cancel_request(engine: Engine, shop_id: str, subscription_id: int, now: datetime) -> bool:
    """End one request, its flows and its unsent messages; False when nothing was left to end."""
    with engine.begin() as connection:
        ended = run_query(
            connection, "request.cancel_request", shop_id=shop_id, subscription_id=subscription_id, now=now
        ).one()
        if ended.request_count:
            place_beside(connection, shop_id, [_wish_of(ended)], now)
    return bool(ended.request_count or ended.enrolment_count or ended.message_count)


def cancel_by_token(engine: Engine, token: str, now: datetime) -> bool:
    """Honour a message's cancel link; see cancel_request. Raises NotFound for any other token."""
    with engine.connect() as connection:
        shop_id, subscription_id = read_token(connection, "cancel", token)
    return cancel_request(engine, shop_id, subscription_id, now)


def confirm_by_token(engine: Engine, token: str, now: datetime) -> bool:
    """Honour a confirmation link: the request waits, at the place of when it was asked; False when it did before.

    Raises NotFound for any other token.
    """
    with engine.begin() as connection:
        shop_id, subscription_id = read_token(connection, "confirm", token)
        confirmed = run_query(
            connection, "confirmation.confirm", shop_id=shop_id, subscription_id=subscription_id, now=now
        ).one_or_none()
        if confirmed is None:
            return False
        place_beside(connection, shop_id, [_wish_of(confirmed)], now)
        wake(connection, RELEASE)
    return True


def keep_by_token(engine: Engine, token: str, now: datetime) -> bool:
    """Honour a 'still want it' link: it does not expire for now and keeps its place; False when it has ended.

    Raises NotFound for any other token.
    """
    with engine.begin() as connection:
        shop_id, subscription_id = read_token(connection, "keep", token)
        kept = run_query(
            connection, "request_age.keep", shop_id=shop_id, subscription_id=subscription_id, now=now
        )
        return kept.one_or_none() is not None


def unsubscribe(engine: Engine, token: str, now: datetime) -> bool:
    """Honour an unsubscribe token; False when the address was suppressed before.

    Raises NotFound for a token that was not signed here.
    """
    with engine.begin() as connection:
        shop_id, profile_id = read_token(connection, "unsubscribe", token)
        suppressed = run_query(
            connection, "request.suppress_profile", shop_id=shop_id, profile_id=profile_id, now=now
        )
        return suppressed.one_or_none() is not None


def _insert_for_variants(
    connection: Connection, shop_id: str, asked: Sequence[tuple[int, Request]], terms: Terms, now: datetime
) -> list[Any]:
    asked = [(person, request) for person, request in asked if request.variant_id is not None]
    if not asked:
        return []
    rows = [_insert_variants(connection, shop_id, asked, terms, now)]
    if rows[0].unwritten_count:
        again = _step_aside(connection, shop_id, asked)
        rows.append(_insert_variants(connection, shop_id, again, terms, now))
    introduce_shop(connection, "subscription", shop_id, sum(row.new_count for row in rows))
    if rows[0].has_product_requests:
        place_beside(connection, shop_id, _wishes(asked), now)
    if any(row.woken_count for row in rows):
        wake(connection, RELEASE)
    return rows


def _insert_variants(
    connection: Connection, shop_id: str, asked: Sequence[tuple[int, Request]], terms: Terms, now: datetime
) -> Any:
    columns = _columns(shop_id, asked, terms, now)
    return run_query(connection, "request.insert_requests", variant_ids=_variant_ids(asked), **columns).one()


def _step_aside(
    connection: Connection, shop_id: str, asked: Sequence[tuple[int, Request]]
) -> list[tuple[int, Request]]:
    """Requests for any variant leave the queues that these people ask for by name; the requests to write then."""
    aside = run_query(
        connection,
        "product_request.step_aside",
        shop_id=shop_id,
        profile_ids=[person for person, _ in asked],
        variant_ids=_variant_ids(asked),
    )
    places = {(row.profile_id, row.variant_id) for row in aside}
    return [(person, request) for person, request in asked if (person, request.variant_id) in places]


def _variant_ids(asked: Sequence[tuple[int, Request]]) -> list[str]:
    return [request.variant_id for _, request in asked if request.variant_id is not None]


def _insert_for_products(
    connection: Connection, shop_id: str, asked: Sequence[tuple[int, Request]], terms: Terms, now: datetime
) -> list[Any]:
    asked = [(person, request) for person, request in asked if request.product_id is not None]
    if not asked:
        return []
    product_ids = [request.product_id for _, request in asked if request.product_id is not None]
    columns = _columns(shop_id, asked, terms, now)
    row = run_query(connection, "product_request.insert_requests", product_ids=product_ids, **columns).one()
    introduce_shop(connection, "subscription", shop_id, row.new_count)
    place_beside(connection, shop_id, _wishes(asked), now)
    return [row]


def _wishes(asked: Sequence[tuple[int, Request]]) -> list[Wish]:
    return [Wish(person, request.variant_id, request.product_id) for person, request in asked]


def _wish_of(request: Row[Any]) -> Wish:
    return Wish(request.profile_id, request.variant_id, request.product_id)


def _columns(
    shop_id: str, asked: Sequence[tuple[int, Request]], terms: Terms, now: datetime
) -> dict[str, Any]:
    return {
        "shop_id": shop_id,
        "now": now,
        "source": terms.source,
        "state": "unconfirmed" if terms.needs_confirmation else "waiting",
        "needs_restock": terms.in_stock == "next_restock",
        "is_refused_in_stock": terms.in_stock == "reject",
        "profile_ids": [person for person, _ in asked],
        "channels": [",".join(request.channels) for _, request in asked],
        "wanted_quantities": [request.wanted_quantity for _, request in asked],
        "locales": [request.locale for _, request in asked],
        "subscribed_at": [request.subscribed_at for _, request in asked],
        "proofs": [request.proof for _, request in asked],
    }


def _queue_confirmations(
    connection: Connection, shop_id: str, asked: Sequence[tuple[int, Request]], now: datetime
) -> None:
    _, rules = rules_in_force(connection, now)
    queued = run_query(
        connection,
        "confirmation.queue_mails",
        shop_id=shop_id,
        profile_ids=sorted({person for person, _ in asked}),
        variant_ids=sorted({request.variant_id for _, request in asked if request.variant_id}),
        product_ids=sorted({request.product_id for _, request in asked if request.product_id}),
        most_per_day=rules.max_alerts_per_day,
        now=now,
    ).all()
    if queued:
        wake(connection, DISPATCH)
