"""One person's data: handed over whole, and forgotten, by command, by webhook and by age."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import text

from include.domain.orders import OrderLine
from include.errors import NotFound
from include.services.feedback import Feedback, take_feedback
from include.services.housekeeping import tidy
from include.services.orders import record_order_lines
from include.services.privacy import Identifiers, erase_person, export_person
from tests.builders import World
from tests.intake.conftest import Visitor, visiting
from tests.intake.test_events import an_event
from tests.intake.test_subscriptions import a_subscription

SECRET = "client-secret-of-the-app"
ANN = Identifiers(email_key="ann@example.org")


@pytest.fixture
def shopify(world: World, database_url: str, tmp_path: Path, http: requests.Session) -> Iterator[Visitor]:
    with visiting(world, database_url, tmp_path, http, RESTOCK_SHOPIFY_SECRET=SECRET) as visitor:
        yield visitor


def known(visitor: Visitor) -> None:
    phone = {
        "identifiers": {"phone_number": "+493012345678"},
        "channels": ["EMAIL", "SMS"],
        "text_shown": "Tell me",
    }
    visitor.post("/api/back-in-stock-subscriptions", a_subscription("ann@example.org", **phone))
    visitor.post("/api/back-in-stock-subscriptions", a_subscription("bob@example.org"))
    visitor.post("/api/events", an_event(properties={"address": "Ann's street 1"}))


def whole(world: World) -> str:
    tables = (
        "profile",
        "subscription",
        "consent",
        "event",
        "message",
        "suppression",
        "privacy_request",
        "metric",
    )
    return str([world.query(f"SELECT * FROM {table}") for table in tables])


def write(world: World, statement: str) -> None:
    with world.engine.begin() as connection:
        connection.execute(text(statement))


def tell(visitor: Visitor, topic: str, body: Any, secret: str = SECRET) -> int:
    raw = json.dumps(body).encode()
    signature = base64.b64encode(hmac.digest(secret.encode(), raw, hashlib.sha256)).decode()
    headers = {"X-Shopify-Topic": topic, "X-Shopify-Hmac-Sha256": signature}
    return visitor.session.post(
        f"{visitor.address}/privacy/shopify/demo", data=raw, headers=headers
    ).status_code


def test_an_export_holds_everything_of_one_person_and_nothing_of_others(shopify: Visitor) -> None:
    known(shopify)
    found = export_person(shopify.world.engine, "demo", ANN, "test", shopify.world.now)
    assert found["profiles"][0]["phone"] == "+493012345678"
    assert found["requests"][0]["proof"]["text"] == "Tell me"
    assert found["consents"][0]["channel"] == "SMS"
    assert found["events"][0]["properties"] == {"address": "Ann's street 1"}
    assert "bob@" not in json.dumps(found, default=str)


def test_nothing_is_left_of_who_was_erased_but_counts(shopify: Visitor) -> None:
    world = shopify.world
    world.queue_alerts(people=1)
    known(shopify)
    assert erase_person(world.engine, "demo", ANN, "test", world.now) == 1
    assert (
        erase_person(world.engine, "demo", Identifiers(email_key="p0000@example.org"), "test", world.now) == 1
    )
    left = whole(world)
    for word in ("ann@", "+49301234", "Tell me", "street", "p0000"):
        assert word not in left
    assert "bob@example.org" in left
    assert world.dispatch()["sent"] == 0
    assert world.query("SELECT state, reason FROM message") == [("skipped", "profile_deleted")]
    assert world.states() == {"cancelled": 2, "waiting": 1}
    assert world.value("SELECT sum(event_count) FROM profile_metric") == 1
    with pytest.raises(NotFound):
        erase_person(world.engine, "demo", ANN, "test", world.now)


def test_shopify_asks_for_data_and_to_forget(shopify: Visitor) -> None:
    known(shopify)
    customer = {"customer": {"id": 7, "email": "Ann@example.org", "phone": "junk"}, "shop_domain": "x"}
    assert tell(shopify, "customers/data_request", customer) == 200
    assert shopify.world.query("SELECT kind, done_at FROM privacy_request") == [("export", None)]
    assert tell(shopify, "customers/redact", customer) == tell(shopify, "customers/redact", customer) == 200
    assert "ann@" not in whole(shopify.world) and "bob@" in whole(shopify.world)
    assert tell(shopify, "shop/redact", {"shop_id": 1}) == 200
    assert "bob@" not in whole(shopify.world)


def test_what_shopify_did_not_sign_erases_nobody(shopify: Visitor) -> None:
    known(shopify)
    assert tell(shopify, "shop/redact", {}, secret="guessed") == 401
    assert tell(shopify, "shop/redact", {}, secret="") == 401
    assert tell(shopify, "orders/create", {}) == 400
    assert "ann@example.org" in whole(shopify.world)


def test_who_was_silent_for_long_is_forgotten_and_who_waits_is_not(world: World) -> None:
    world.set_rules(retention_days=365)
    world.ask("waits@example.org", "LAMP")
    world.ask("gone@example.org", "LAMP")
    request_id = world.value("SELECT max(subscription_id) FROM subscription")
    world.query("SELECT 1")
    from include.services.requests import cancel_request

    cancel_request(world.engine, "demo", request_id, world.now)
    world.pass_time(days=364)
    assert tidy(world.engine, None, world.now)["people_forgotten"] == 0
    world.pass_time(days=2)
    assert tidy(world.engine, None, world.now)["people_forgotten"] == 1
    assert world.query("SELECT email FROM profile WHERE email IS NOT NULL") == [("waits@example.org",)]
    assert tidy(world.engine, None, world.now)["people_forgotten"] == 0


def test_an_objection_outlives_erasure_without_the_address(shopify: Visitor) -> None:
    known(shopify)
    write(
        shopify.world,
        "INSERT INTO suppression VALUES ('demo', 'EMAIL', 'ann@example.org', 'complaint', now()), "
        "('demo', 'SMS', '+493012345678', 'unsubscribed', now())",
    )
    erase_person(shopify.world.engine, "demo", ANN, "test", shopify.world.now)
    kept = shopify.world.query("SELECT channel, address_key, reason FROM suppression ORDER BY channel")
    assert [(row.channel, row.reason) for row in kept] == [("EMAIL", "complaint"), ("SMS", "unsubscribed")]
    assert all(row.address_key.startswith("erased:") for row in kept)
    assert "ann@" not in whole(shopify.world)
    shopify.post("/api/back-in-stock-subscriptions", a_subscription("Ann@Example.org"))
    shopify.post("/api/back-in-stock-subscriptions", a_subscription("bob@example.org"))
    mail, sms = shopify.world.query("SELECT channel, address_key, reason FROM suppression ORDER BY channel")
    assert mail == ("EMAIL", "ann@example.org", "complaint")
    assert sms.address_key.startswith("erased:")


def test_who_is_forgotten_twice_is_still_not_written_to(shopify: Visitor) -> None:
    known(shopify)
    for _ in range(2):
        write(
            shopify.world,
            "INSERT INTO suppression VALUES ('demo', 'EMAIL', 'ann@example.org', 'complaint', now())",
        )
        shopify.post("/api/back-in-stock-subscriptions", a_subscription("Ann@Example.org"))
        erase_person(shopify.world.engine, "demo", ANN, "test", shopify.world.now)
    assert shopify.world.value("SELECT count(*) FROM suppression WHERE address_key LIKE 'erased:%'") == 1


def test_what_is_told_of_one_store_is_never_done_to_another(shopify: Visitor) -> None:
    known(shopify)
    write(shopify.world, "UPDATE shop SET store_domain = 'demo.myshopify.com'")
    assert tell(shopify, "shop/redact", {"shop_domain": "other.myshopify.com"}) == 404
    assert "bob@" in whole(shopify.world)
    assert tell(shopify, "shop/redact", {"shop_domain": "Demo.myshopify.com"}) == 200
    assert "bob@" not in whole(shopify.world)


def test_an_export_holds_orders_and_what_providers_told(world: World) -> None:
    first, second = world.queue_alerts(people=2)
    world.dispatch()
    lines = [
        OrderLine(f"o-{email}", 1, "LAMP", email, Decimal(1), Decimal("19.90"), "EUR", world.now)
        for email in (first, second)
    ]
    with world.engine.begin() as connection:
        record_order_lines(connection, "demo", lines, world.now)
    take_feedback(
        world.engine,
        [Feedback("deferred", email, world.now, code="4.2.2") for email in (first, second)],
        world.now,
    )
    found = export_person(world.engine, "demo", Identifiers(email_key=first), "test", world.now)
    assert [(each["order_id"], each["amount"]) for each in found["orders"]] == [
        (f"o-{first}", Decimal("19.90"))
    ]
    assert [(each["kind"], each["code"]) for each in found["feedback"]] == [("deferred", "4.2.2")]
    assert second not in json.dumps(found, default=str)
