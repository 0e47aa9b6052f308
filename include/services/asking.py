"""Requests from outside, taken as the shop and the rules say (SEMANTICS 3.1, 3.5, 3.6, 10.1)."""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Any, Literal

from sqlalchemy import Connection, Engine, Row

from include.db.queries import run_query
from include.domain.request import InStockRequest, Request
from include.errors import NotFound, RowRejected
from include.services.people import find_people, match_people, record_consent
from include.services.requests import Taken, take_requests
from include.services.rules import rules_in_force
from include.services.shops import require_shop

Answer = Literal["waiting", "unconfirmed", "known", "in_stock"]
_OF_STATE: dict[str, Answer] = {"waiting": "waiting", "released": "waiting", "unconfirmed": "unconfirmed"}
_PROOF_KEY = b"restock proof of address"


@dataclass(frozen=True)
class Asked:
    """One request as it came in; `text_shown` is what the person read, `profile_id` who it is if nothing else says.

    Whoever wants to cancel it later says `wants_id`.
    """

    request: Request
    source: str
    text_shown: str | None = None
    profile_id: int | None = None
    wants_id: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of one request, and the request that it made or joined, where that was wanted."""

    answer: Answer
    subscription_id: int | None = None


def ask_together(engine: Engine, shop_id: str, asked: Sequence[Asked], now: datetime) -> list[Outcome]:
    """Take what came at the same time in one transaction; an outcome for each.

    'known' is not told apart from 'waiting': what joined an open request waits too. Who asks to be told by SMS
    agrees to this alert by SMS, unless they objected before (SEMANTICS 10.1). Raises NotFound, RowRejected.
    """
    with engine.begin() as connection:
        require_shop(connection, shop_id)
        _, rules = rules_in_force(connection, now)
        shop = run_query(connection, "shop.find_shop", shop_id=shop_id).one()
        proven = _prove(connection, _name_people(connection, shop_id, asked), now)
        if shop.double_opt_in:
            _require_email(connection, shop_id, [each.request for each in proven])
        _agree_to_sms(connection, shop_id, proven, now)
        taken: Answer = "unconfirmed" if shop.double_opt_in else "waiting"
        if rules.in_stock_request != "reject":
            _take(connection, shop, proven, rules.in_stock_request, now)
            answers = [taken] * len(asked)
        else:
            # One by one, since a set only says how many it refused.
            refused = [_take(connection, shop, [each], "reject", now) for each in proven]
            answers = ["in_stock" if is_refused else taken for is_refused in refused]
        return _name_requests(connection, shop_id, proven, answers, now)


def ask_to_be_told(
    engine: Engine,
    shop_id: str,
    request: Request,
    source: str,
    now: datetime,
    sms_consent: Mapping[str, str] | None = None,
) -> Outcome:
    """Take one request; 'known' joined one that was open, 'in_stock' was refused since it can be bought now.

    `sms_consent` is the proof, such as the text shown, where the person agreed to text messages.
    Raises NotFound, RowRejected.
    """
    with engine.begin() as connection:
        require_shop(connection, shop_id)
        _, rules = rules_in_force(connection, now)
        shop = run_query(connection, "shop.find_shop", shop_id=shop_id).one()
        if shop.double_opt_in:
            _require_email(connection, shop_id, [request])
        if sms_consent is not None and request.phone is not None:
            person = find_people(connection, shop_id, [request], now)
            record_consent(connection, shop_id, person, "SMS", "alert", "given", source, sms_consent, now)
        taken = take_requests(
            connection, shop_id, [request], source, rules.in_stock_request, now, shop.double_opt_in
        )
        if taken.refused:
            return Outcome("in_stock")
        [named] = _name_requests(
            connection, shop_id, [Asked(request, source, wants_id=True)], ["waiting"], now
        )
    return named if taken.new else Outcome("known", named.subscription_id)


def _require_email(connection: Connection, shop_id: str, requests: Sequence[Request]) -> None:
    """Who is asked to confirm by mail has an address: in the request, or known of whom it names."""
    without = [request for request in requests if request.email is None]
    if not without:
        return
    people = match_people(connection, shop_id, without)
    rows = run_query(
        connection, "people.find_contacts", shop_id=shop_id, profile_ids=[each for each in people if each]
    )
    reachable = {row.profile_id for row in rows if row.email is not None}
    if not reachable.issuperset(people):
        raise RowRejected("this shop confirms requests by e-mail, so an e-mail address is needed")


def _take(
    connection: Connection, shop: Row[Any], asked: Sequence[Asked], in_stock: InStockRequest, now: datetime
) -> int:
    refused = 0
    for source, given in groupby(sorted(asked, key=lambda each: each.source), key=lambda each: each.source):
        requests = [each.request for each in given]
        taken: Taken = take_requests(
            connection, shop.shop_id, requests, source, in_stock, now, shop.double_opt_in
        )
        refused += taken.refused
    return refused


def _name_requests(
    connection: Connection, shop_id: str, asked: Sequence[Asked], answers: Sequence[Answer], now: datetime
) -> list[Outcome]:
    """The outcomes, with the ids that are wanted; who asks again for what has ended hears 'known'."""
    wanted = [place for place, each in enumerate(asked) if each.wants_id]
    named = [Outcome(answer) for answer in answers]
    if not wanted:
        return named
    requests = [asked[place].request for place in wanted]
    rows = run_query(
        connection,
        "request.find_asked",
        shop_id=shop_id,
        profile_ids=find_people(connection, shop_id, requests, now),
        variant_ids=[request.variant_id for request in requests],
        product_ids=[request.product_id for request in requests],
        subscribed_at=[request.subscribed_at for request in requests],
    )
    for row in rows:
        place = wanted[row.position - 1]
        answer = named[place].answer
        if answer != "in_stock":
            answer = _OF_STATE.get(row.state, "known")
        named[place] = Outcome(answer, row.subscription_id)
    return named


def _name_people(connection: Connection, shop_id: str, asked: Sequence[Asked]) -> list[Asked]:
    """Who is named by a profile's id alone, by the identifiers that this profile has."""
    ids = [each.profile_id for each in asked if each.profile_id is not None]
    if not ids:
        return list(asked)
    rows = run_query(connection, "people.find_contacts", shop_id=shop_id, profile_ids=ids)
    known = {row.profile_id: row for row in rows}
    return [each if each.profile_id is None else _named(each, known.get(each.profile_id)) for each in asked]


def _named(asked: Asked, person: Row[Any] | None) -> Asked:
    if person is None:
        raise NotFound("A profile with this id does not exist.")
    identifiers = {name: getattr(person, name) for name in ("email", "email_key", "phone", "external_id")}
    return replace(asked, request=replace(asked.request, **identifiers))


def _prove(connection: Connection, asked: Sequence[Asked], now: datetime) -> list[Asked]:
    secret = run_query(connection, "outbox.find_link_secret").scalar_one()
    proof_key = hmac.digest(secret.encode(), _PROOF_KEY, "sha256")
    return [
        replace(each, request=replace(each.request, proof=_proof(proof_key, each, now))) for each in asked
    ]


def _proof(proof_key: bytes, asked: Asked, now: datetime) -> str:
    address = asked.request.email_key or asked.request.phone or asked.request.external_id or ""
    digest = hmac.new(proof_key, address.encode(), hashlib.sha256).hexdigest()
    proof = {"at": now.isoformat(), "source": asked.source, "address": digest}
    return json.dumps(proof | ({"text": asked.text_shown} if asked.text_shown else {}))


def _agree_to_sms(connection: Connection, shop_id: str, asked: Sequence[Asked], now: datetime) -> None:
    agreeing = [each for each in asked if "SMS" in each.request.channels and each.request.phone]
    if not agreeing:
        return
    people = find_people(connection, shop_id, [each.request for each in agreeing], now)
    run_query(
        connection,
        "people.agree_to_alerts",
        shop_id=shop_id,
        profile_ids=people,
        sources=[each.source for each in agreeing],
        proofs=[each.request.proof for each in agreeing],
        now=now,
    )
