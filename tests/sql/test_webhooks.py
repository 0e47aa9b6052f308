from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
import random
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from include.catalog.shopify.webhooks import is_signed, read_delivery
from include.domain.webhook import Delivery
from include.errors import RowRejected
from include.services.due import read_due_times
from include.services.live_stock import LiveLevel, apply_levels
from include.services.webhook_keys import WebhookKey, find_key
from include.services.webhooks import apply_all, apply_batch, keep_deliveries
from tests.builders import World, a_row
from tests.sql.test_increments import Increments, levels, pull

_ids = itertools.count(1)


def level(world: World, item: str, location: str, units: int, at: datetime | None = None, **headers: str):
    body = {"inventory_item_id": int(item), "location_id": int(location), "available": units}
    return shopify(world, "inventory_levels/update", body, at, **headers)


def shopify(
    world: World, topic: str, body: dict[str, Any], at: datetime | None = None, **headers: str
) -> Delivery:
    known = {
        "x-shopify-topic": topic,
        "x-shopify-webhook-id": f"wh-{next(_ids)}",
        "x-shopify-triggered-at": (at or world.now).isoformat(),
    }
    return read_delivery({**known, **headers}, json.dumps(body).encode(), world.now)


def deliver(world: World, *deliveries: Delivery) -> dict[str, int]:
    keep_deliveries(world.engine, world.shop.id, deliveries, world.now)
    return apply_all(world.engine, world.now)


def lamp(quantity: int, location: str = "7", **changes: Any):
    return a_row("LAMP", quantity, location, inventory_item_id="11", product_id="1", **changes)


@pytest.fixture
def stocked(world: World) -> World:
    world.use_flow()
    pull(world, lamp(0), lamp(0, "8"), a_row("VASE", 2, "7", inventory_item_id="12", product_id="2"))
    world.pass_time(minutes=1)
    return world


def outcomes(world: World) -> list[int]:
    return [
        count for (count,) in world.query("SELECT applied_count FROM webhook_delivery ORDER BY delivery_id")
    ]


def test_a_webhook_opens_a_variant_and_the_right_person_is_told(stocked):
    stocked.ask("ann@example.org", "LAMP")
    stocked.ask("bob@example.org", "VASE")
    stocked.tell()
    stocked.ask("eve@example.org", "LAMP")
    assert deliver(stocked, level(stocked, "11", "8", 5))["events"] == 1
    assert levels(stocked)["LAMP", "8"] == 5
    assert stocked.tell() == ["ann@example.org", "eve@example.org"]


def test_one_that_waits_wakes_its_dag_and_an_applied_one_does_not(stocked):
    keep_deliveries(stocked.engine, "demo", [level(stocked, "11", "8", 5)], stocked.now)
    assert read_due_times(stocked.engine)["webhooks"] == stocked.now
    apply_all(stocked.engine, stocked.now)
    assert "webhooks" not in read_due_times(stocked.engine)


def test_an_id_that_comes_twice_is_applied_once(stocked):
    first = level(stocked, "11", "7", 5, **{"x-shopify-webhook-id": "same"})
    again = level(stocked, "11", "7", 9, **{"x-shopify-webhook-id": "same"})
    assert keep_deliveries(stocked.engine, "demo", [first, again], stocked.now) == [True, False]
    assert keep_deliveries(stocked.engine, "demo", [again], stocked.now) == [False]
    apply_all(stocked.engine, stocked.now)
    assert keep_deliveries(stocked.engine, "demo", [again], stocked.now) == [False]
    assert apply_all(stocked.engine, stocked.now) == {"deliveries": 0}
    assert levels(stocked)["LAMP", "7"] == 5


@pytest.mark.parametrize("batches", [1, 3, 40])
def test_2_2_whatever_the_order_of_arrival_the_newest_words_stand(stocked, batches):
    said = [
        level(stocked, item, place, units, stocked.now - timedelta(seconds=50 - second))
        for second, (item, place, units) in enumerate(
            [("11", "7", 3), ("12", "7", 0), ("11", "8", 1), ("11", "7", 0), ("12", "7", 9)] * 8
        )
    ]
    random.Random(4).shuffle(said)
    size = -(-len(said) // batches)
    for start in range(0, len(said), size):
        deliver(stocked, *said[start : start + size])
        stocked.pass_time(seconds=1)
    assert levels(stocked) == {("LAMP", "7"): 0, ("LAMP", "8"): 1, ("VASE", "7"): 9}


def test_2_2_an_older_webhook_does_not_move_back_what_the_api_was_told(stocked):
    older = level(stocked, "11", "7", 9)
    stocked.pass_time(seconds=5)
    with stocked.engine.begin() as connection:
        apply_levels(connection, "demo", [LiveLevel("LAMP", Decimal(2), "7")], stocked.now, stocked.now)
    stocked.pass_time(seconds=1)
    deliver(stocked, older)
    assert levels(stocked)["LAMP", "7"] == 2
    stocked.pass_time(seconds=9)
    deliver(stocked, level(stocked, "11", "7", 4))
    assert levels(stocked)["LAMP", "7"] == 4


def test_batches_of_the_same_moment_follow_each_other(stocked):
    for units in (3, 0, 7):
        at = stocked.now - timedelta(seconds=10 - units)
        keep_deliveries(stocked.engine, "demo", [level(stocked, "11", "7", units, at)], stocked.now)
        apply_batch(stocked.engine, "demo", stocked.now)
    assert levels(stocked)["LAMP", "7"] == 7


def test_one_that_a_pull_has_overtaken_moves_nothing(stocked):
    late = level(stocked, "11", "7", 5)
    stocked.pass_time(minutes=1)
    pull(stocked, lamp(2))
    deliver(stocked, late)
    assert levels(stocked)["LAMP", "7"] == 2
    assert outcomes(stocked) == [0]


def test_a_sweep_that_began_before_a_webhook_does_not_move_stock_back(stocked):
    began = stocked.now
    stocked.pass_time(minutes=1)
    deliver(stocked, level(stocked, "11", "7", 5))
    stocked.pass_time(minutes=10)
    pull(
        stocked, lamp(0), lamp(0, "8"), a_row("VASE", 1, "7", inventory_item_id="12"), is_full=True, at=began
    )
    assert levels(stocked) == {("LAMP", "7"): 5, ("LAMP", "8"): 0, ("VASE", "7"): 1}


def test_a_webhook_that_never_came_is_made_good_by_the_next_pull(stocked):
    stocked.pass_time(minutes=5)
    assert pull(stocked, lamp(4))["events"] == 1


def test_an_unknown_item_and_one_without_stock_tell_nothing(stocked):
    deliver(stocked, level(stocked, "99", "7", 5), shopify(stocked, "app/uninstalled", {}))
    body = {"inventory_item_id": 11, "location_id": 7, "available": None}
    deliver(stocked, shopify(stocked, "inventory_levels/update", body))
    assert outcomes(stocked) == [0, 0, 0]
    assert stocked.value("SELECT count(*) FROM snapshot WHERE is_delivery") == 0


def test_a_product_update_renews_price_title_and_standing_and_keeps_the_stock(world):
    pull(
        world,
        a_row("31", 3, "7", product_id="1", price="20", collections=("Lights",), inventory_item_id="11"),
    )
    world.pass_time(minutes=1)
    body = {
        "id": 1,
        "title": "Brass lamp",
        "status": "draft",
        "published_at": None,
        "variants": [{"id": 31, "title": "Default Title", "price": "18.00", "inventory_policy": "deny"}],
    }
    assert deliver(world, shopify(world, "products/update", body))["closed"] == 1
    known = world.query("SELECT title, price, collections, is_published FROM variant")
    assert [tuple(row) for row in known] == [("Brass lamp", 18, ["Lights"], False)]
    assert world.value("SELECT count(*) FROM price_change WHERE previous_price = 20 AND price = 18") == 1
    assert levels(world) == {("31", "7"): 3}


def test_an_older_product_update_changes_nothing(world):
    pull(world, a_row("31", 3, "7", product_id="1", title="Lamp"))
    world.pass_time(minutes=5)
    for title, seconds in (("Newer", 10), ("Older", 20)):
        body = {"id": 1, "title": title, "status": "active", "published_at": "2026-01-01T00:00:00Z"}
        body |= {"variants": [{"id": 31, "title": "Default Title"}]}
        deliver(world, shopify(world, "products/update", body, world.now - timedelta(seconds=seconds)))
        world.pass_time(seconds=1)
    assert world.value("SELECT title FROM variant") == "Newer"


def test_in_a_shop_without_an_online_store_an_active_product_is_published(world):
    pull(world, a_row("31", 3, "7", product_id="1"))
    world.pass_time(minutes=1)
    body = {"id": 1, "title": "Lamp", "status": "active", "published_at": None, "variants": [{"id": 31}]}
    keep_deliveries(world.engine, "demo", [shopify(world, "products/update", body)], world.now)
    apply_all(world.engine, world.now, storeless={"demo"})
    assert world.value("SELECT is_published FROM variant") is True


def test_1_3_a_deleted_product_has_nothing_to_announce(stocked):
    deliver(stocked, level(stocked, "11", "7", 5))
    stocked.pass_time(seconds=5)
    assert deliver(stocked, shopify(stocked, "products/delete", {"id": 1}))["closed"] == 1
    assert stocked.value("SELECT is_published FROM variant WHERE variant_id = 'LAMP'") is False


def test_a_variant_that_is_in_stock_is_believed_where_it_has_one_location(world):
    pull(world, a_row("31", 0, "7"), a_row("32", 0, "7"), a_row("32", 0, "8"))
    world.pass_time(minutes=1)
    told = [shopify(world, "variants/in_stock", {"id": n, "inventory_quantity": 4}) for n in (31, 32)]
    assert deliver(world, *told)["events"] == 1
    assert levels(world) == {("31", "7"): 4, ("32", "7"): 0, ("32", "8"): 0}
    world.pass_time(minutes=1)
    gone = shopify(world, "variants/out_of_stock", {"id": 31, "inventory_quantity": 0})
    assert deliver(world, gone)["closed"] == 1


def test_webhooks_alone_do_not_keep_other_variants_fresh(stocked):
    pull(stocked, a_row("VASE", 0, "7", inventory_item_id="12"))
    stocked.ask("ann@example.org", "VASE")
    pull(stocked, a_row("VASE", 5, "7", inventory_item_id="12"))
    for _ in range(4):
        stocked.pass_time(hours=1)
        deliver(stocked, level(stocked, "11", "7", 5))
    assert stocked.tell() == []


def test_what_was_applied_long_ago_is_forgotten(stocked):
    deliver(stocked, level(stocked, "11", "7", 5))
    stocked.pass_time(days=8)
    deliver(stocked, level(stocked, "11", "7", 6))
    assert stocked.value("SELECT count(*) FROM webhook_delivery") == 1


def test_a_pull_keeps_the_secret_that_webhooks_are_signed_with(world, engine):
    class Signed(Increments):
        webhook_secret = "canary"
        store_domain = "demo.myshopify.com"

    from include.services import catalog

    for connector, expected in (
        (Signed([a_row("LAMP", 1)]), WebhookKey("canary", "demo.myshopify.com")),
        (Increments([a_row("LAMP", 1)]), None),
    ):
        catalog.pull_window(engine, world.shop, connector, world.folder, world.next_window(), world.now)
        assert find_key(engine, "demo") == expected


def test_a_sync_by_command_without_the_secret_takes_it_from_nobody(world, engine):
    class Signed(Increments):
        webhook_secret = "canary"
        store_domain = "demo.myshopify.com"

    from include.services import catalog
    from include.services.sync import Patience, sync_once

    catalog.pull_window(
        engine, world.shop, Signed([a_row("LAMP", 1)]), world.folder, world.next_window(), world.now
    )
    patience = Patience(lambda _: None, lambda _: None)
    sync_once(
        engine, world.shop, Increments([a_row("LAMP", 1)]), world.folder, lambda: world.now, patience, True
    )
    assert find_key(engine, "demo") == WebhookKey("canary", "demo.myshopify.com")


def test_a_signature_is_that_of_the_raw_body():
    body = b'{"available": 1}'
    signature = base64.b64encode(hmac.new(b"secret", body, hashlib.sha256).digest()).decode()
    assert is_signed("secret", body, signature)
    assert not is_signed("secret", body + b" ", signature)
    assert not is_signed("other", body, signature)
    assert not is_signed("secret", body, "")
    assert not is_signed("secret", body, "\u00e9")


@pytest.mark.parametrize(
    ("topic", "body"),
    [
        ("inventory_levels/update", b"{"),
        ("inventory_levels/update", b'{"inventory_item_id": "x", "location_id": 1, "available": 1}'),
        (
            "inventory_levels/update",
            b'{"inventory_item_id": 1, "location_id": 1, "available": 10000000000000}',
        ),
        ("products/update", b"[]"),
        ("", b"{}"),
    ],
)
def test_what_can_not_be_read_says_so(world, topic, body):
    with pytest.raises(RowRejected):
        read_delivery({"x-shopify-topic": topic, "x-shopify-webhook-id": "1"}, body, world.now)


def test_a_text_that_no_database_keeps_is_left_out_and_the_rest_is_taken(world):
    pull(
        world, a_row("31", 3, "7", product_id="1", title="Lamp", price="5", image_url="https://cdn.example/1")
    )
    world.pass_time(minutes=1)
    deliver(world, shopify(world, "bulk_operations/finish", {"admin_graphql_api_id": "gid\0"}))
    body = {"id": 1, "title": "La\0mp", "status": "active", "published_at": "2026-01-01T00:00:00Z"}
    body |= {"image": {"src": "https://cdn.example/\0"}, "variants": [{"id": 31, "price": "7.00"}]}
    deliver(world, shopify(world, "products/update", body))
    (known,) = world.query("SELECT title, price, image_url FROM variant")
    assert tuple(known) == ("Lamp", 7, "https://cdn.example/1")


def test_a_time_to_come_is_taken_for_now(world):
    told = level(world, "11", "7", 1, world.now + timedelta(days=400))
    assert told.occurred_at == world.now
