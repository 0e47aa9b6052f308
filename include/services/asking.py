"""One request from outside, taken as the shop and the rules say (SEMANTICS 3.1, 3.5, 3.6, 10.1)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from sqlalchemy import Engine

from include.db.queries import run_query
from include.domain.request import Request
from include.errors import RowRejected
from include.services.people import find_people, record_consent
from include.services.requests import take_requests
from include.services.rules import rules_in_force
from include.services.shops import require_shop

Answer = Literal["waiting", "unconfirmed", "known", "in_stock"]


def ask_to_be_told(
    engine: Engine,
    shop_id: str,
    request: Request,
    source: str,
    now: datetime,
    sms_consent: Mapping[str, str] | None = None,
) -> Answer:
    """Take one request; 'known' joined one that was open, 'in_stock' was refused since it can be bought now.

    `sms_consent` is the proof, such as the text shown, where the person agreed to text messages.
    Raises NotFound, RowRejected.
    """
    with engine.begin() as connection:
        require_shop(connection, shop_id)
        _, rules = rules_in_force(connection, now)
        shop = run_query(connection, "shop.find_shop", shop_id=shop_id).one()
        if shop.double_opt_in and request.email is None:
            raise RowRejected("this shop confirms requests by e-mail, so an e-mail address is needed")
        if sms_consent is not None and request.phone is not None:
            person = find_people(connection, shop_id, [request], now)
            record_consent(connection, shop_id, person, "SMS", "alert", "given", source, sms_consent, now)
        taken = take_requests(
            connection, shop_id, [request], source, rules.in_stock_request, now, shop.double_opt_in
        )
    if taken.refused:
        return "in_stock"
    if not taken.new:
        return "known"
    return "unconfirmed" if shop.double_opt_in else "waiting"
