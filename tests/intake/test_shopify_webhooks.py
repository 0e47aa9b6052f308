"""Shopify's webhooks at the door."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
import requests
from sqlalchemy import text

from include.db.queries import run_query
from include.services.webhook_keys import keep_key
from include.services.webhooks import apply_all
from tests.builders import World
from tests.intake.conftest import Visitor, app_on, serving
from tests.sql.test_increments import levels, pull
from tests.sql.test_webhooks import lamp

SECRET = "whsec_canary_77"
PATH = "/webhooks/shopify/demo"


def signed(body: bytes, secret: str = SECRET) -> str:
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def send(
    visitor: Visitor,
    body: dict[str, Any],
    topic: str = "inventory_levels/update",
    webhook_id: str = "wh-1",
    path: str = PATH,
    **headers: str,
) -> requests.Response:
    raw = json.dumps(body).encode()
    given = {
        "Content-Type": "application/json",
        "X-Shopify-Topic": topic,
        "X-Shopify-Webhook-Id": webhook_id,
        "X-Shopify-Hmac-Sha256": signed(raw),
        "X-Shopify-Triggered-At": visitor.world.now.isoformat(),
    }
    return visitor.session.post(
        visitor.address + path,
        data=raw,
        headers={**given, **{k.replace("_", "-"): v for k, v in headers.items()}},
    )


def a_level(units: int, location: int = 7) -> dict[str, Any]:
    return {"inventory_item_id": 11, "location_id": location, "available": units}


@pytest.fixture
def stocked(visitor: Visitor) -> World:
    world = visitor.world
    pull(world, lamp(0), lamp(0, "8"))
    with world.engine.begin() as connection:
        keep_key(connection, "demo", SECRET, world.now)
    world.pass_time(minutes=1)
    return world


def kept(world: World) -> int:
    return int(world.value("SELECT count(*) FROM webhook_delivery"))


def test_a_signed_webhook_is_kept_and_then_applied(visitor: Visitor, stocked: World) -> None:
    assert send(visitor, a_level(5)).status_code == 200
    assert (kept(stocked), levels(stocked)["LAMP", "7"]) == (1, 0)
    assert apply_all(stocked.engine, stocked.now)["events"] == 1
    assert levels(stocked)["LAMP", "7"] == 5


def test_the_same_webhook_again_is_answered_and_kept_once(visitor: Visitor, stocked: World) -> None:
    assert [send(visitor, a_level(5)).status_code for _ in range(3)] == [200] * 3
    assert kept(stocked) == 1


@pytest.mark.parametrize(
    ("path", "signature"),
    [
        (PATH, ""),
        (PATH, "x"),
        (PATH, signed(json.dumps(a_level(5)).encode(), "another secret")),
        (PATH, signed(json.dumps(a_level(6)).encode())),
        ("/webhooks/shopify/elsewhere", signed(json.dumps(a_level(5)).encode())),
    ],
)
def test_what_is_not_signed_with_the_shops_secret_is_not_believed(
    visitor: Visitor, stocked: World, path: str, signature: str
) -> None:
    answer = send(visitor, a_level(5), path=path, X_Shopify_Hmac_Sha256=signature)
    assert answer.status_code == 401
    assert "canary" not in answer.text
    assert kept(stocked) == 0


def test_a_shop_without_a_secret_believes_nothing(visitor: Visitor) -> None:
    assert send(visitor, a_level(5)).status_code == 401


def test_a_body_that_can_not_be_read_is_refused_and_says_where(visitor: Visitor, stocked: World) -> None:
    answer = send(visitor, {"location_id": 7})
    assert answer.status_code == 400 and "inventory_item_id" in answer.text


def test_what_nobody_applies_is_answered_all_the_same(visitor: Visitor, stocked: World) -> None:
    finished = {"admin_graphql_api_id": "gid://shopify/BulkOperation/1", "status": "completed"}
    assert send(visitor, finished, "bulk_operations/finish", "a").status_code == 200
    assert send(visitor, {"myshopify_domain": "x"}, "app/uninstalled", "b").status_code == 200
    assert apply_all(stocked.engine, stocked.now) == {"deliveries": 2, "rows": 0}


def test_a_request_for_privacy_is_not_swallowed(visitor: Visitor, stocked: World) -> None:
    answer = send(visitor, {"customer": {"email": "ann@example.org"}}, "customers/redact")
    assert answer.status_code == 400 and "/privacy/shopify/" in answer.text
    assert kept(stocked) == 0


def test_the_answer_waits_for_no_sync_of_the_shop(visitor: Visitor, stocked: World) -> None:
    with stocked.engine.connect() as sync:
        run_query(sync, "snapshot.lock_shop", shop_id="demo")
        sync.exec_driver_sql("LOCK TABLE stock_level, variant_stock, snapshot")
        assert send(visitor, a_level(5)).status_code == 200
    assert kept(stocked) == 1


def test_the_secret_is_in_no_log(
    world: World, database_url: str, tmp_path, caplog: pytest.LogCaptureFixture, http: requests.Session
) -> None:
    caplog.set_level("DEBUG")
    with world.engine.begin() as connection:
        keep_key(connection, "demo", SECRET, world.now)
    with serving(app_on(database_url, tmp_path, world)) as address:
        send(Visitor(world, address, http, "", ""), a_level(5))
        send(Visitor(world, address, http, "", ""), a_level(5), X_Shopify_Hmac_Sha256="wrong")
    assert "/webhooks/shopify/{shop_id}" in str([record.__dict__ for record in caplog.records])
    assert "canary" not in str([record.__dict__ for record in caplog.records])


def test_a_webhook_of_another_store_of_the_same_app_is_not_taken(visitor: Visitor, stocked: World) -> None:
    with stocked.engine.begin() as connection:
        connection.execute(text("UPDATE shop SET store_domain = 'demo.myshopify.com'"))
    assert send(visitor, a_level(5), X_Shopify_Shop_Domain="other.myshopify.com").status_code == 404
    assert stocked.value("SELECT count(*) FROM webhook_delivery") == 0
    assert send(visitor, a_level(5), X_Shopify_Shop_Domain="Demo.myshopify.com").status_code == 200
