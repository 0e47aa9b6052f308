from __future__ import annotations

import logging
from datetime import timedelta

import pytest

from include.catalog.base import RejectedRow
from include.errors import ConfigurationError, NotReady, TemporaryError
from tests.fixtures.shopify import server
from tests.fixtures.shopify.server import TOKEN, status
from tests.fixtures.shopify.shop import NOW, PulledShop

EARLIER = NOW - timedelta(hours=1)


def refusal(call, *given, kind=ConfigurationError):
    with pytest.raises(kind) as caught:
        call(*given)
    text = str(caught.value)
    assert "canary" not in text and "canary" not in repr(caught.value)
    return text


def test_a_wrong_token_says_where_it_is_kept(shopify, tmp_path):
    told = refusal(PulledShop(shopify, tmp_path, token="shpat_canary_wrong").pull, EARLIER)
    assert "shop 'acme'" in told and "/admin/api/2026-10/graphql.json" in told
    assert "401" in told and "Check the Admin API access token in Airflow Connection 'shop_acme'" in told


def test_a_token_that_is_missing_says_what_to_create(shopify, tmp_path):
    told = refusal(PulledShop(shopify, tmp_path, token="").pull, EARLIER)
    assert "access token as password" in told and "example.myshopify.com" in told


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (status(403), "403 Forbidden"),
        (status(404), "Check the shop's domain in its Connection and shopify.api_version"),
        (status(402), "402 Payment Required"),
        (status(301, Location="https://other.example/"), "redirects to another address"),
        (
            status(200, b'{"errors":[{"message":"x","extensions":{"code":"ACCESS_DENIED"}}]}'),
            "read_inventory",
        ),
        (status(200, b'{"data":{"locations":{"nodes":[]}}}'), "has another shape than locations.graphql"),
        (status(200, b'{"errors":[{"message":"Field is gone"}]}'), "Field is gone"),
    ],
    ids=["403", "404", "402", "redirect", "scopes", "changed shape", "unknown field"],
)
def test_what_trying_again_would_not_mend_is_told_at_once(shop, shopify, fault, says):
    shopify.faults = [fault]
    told = refusal(shop.pull, EARLIER)
    assert says in told and "shop 'acme'" in told and "reading its locations" in told
    assert not shop.archive.exists()


@pytest.mark.parametrize(
    "fault",
    [
        status(429, Retry_After="2"),
        status(500),
        status(503),
        server.reset,
        server.cut_off,
    ],
    ids=["429", "500", "503", "reset", "cut off"],
)
def test_what_may_pass_is_tried_again(shop, shopify, store, fault):
    shopify.faults = [fault, server.well, fault]
    assert len(shop.changes(EARLIER)) == 3
    assert len(shop.pauses) == 2


def test_retry_after_is_honoured(shop, shopify):
    shopify.faults = [status(429, Retry_After="7")]
    shop.pull(EARLIER)
    assert shop.pauses == [7.0]


def test_what_does_not_pass_names_page_and_cursor_and_how_to_go_on(shopify, store, tmp_path):
    store.add("Vase", 1, 1)
    shop = PulledShop(shopify, tmp_path, page_size=1)
    shopify.faults = [server.well, server.well, *[status(500)] * 4]
    told = refusal(shop.pull, EARLIER, kind=TemporaryError)
    assert f"levels at location gid://shopify/Location/{store.locations[0].id}" in told
    assert "after cursor '1'" in told and "Trying again starts this pull anew" in told
    assert not shop.archive.exists()


def test_throttling_waits_for_what_the_question_costs(shop, shopify):
    throttled = (
        b'{"errors":[{"message":"Throttled","extensions":{"code":"THROTTLED"}}],"extensions":{"cost":'
        b'{"requestedQueryCost":250,"throttleStatus":{"maximumAvailable":2000,"currentlyAvailable":50,"restoreRate":100}}}}'
    )
    shopify.faults = [status(200, throttled)]
    shop.pull(EARLIER)
    assert shop.pauses[0] == 2.0


def test_the_budget_is_waited_for_before_it_is_used_up(shop, shopify, monkeypatch):
    class Refilling(list):
        def append(self, seconds):
            super().append(seconds)
            shopify._available = 20.0

    shopify.budget, shopify._available, shopify.restore_rate = 100.0, 25.0, 0.25
    shop.pauses = Refilling()
    shop.pull(EARLIER)
    assert shop.pauses[0] == pytest.approx(20, abs=2)
    assert shopify.asked == ["Locations", "ChangedLevels", "ChangedLevels", "ChangedProducts"]


def test_a_page_that_costs_too_much_is_asked_for_in_halves(shopify, store, tmp_path):
    for number in range(20):
        store.add(f"Vase {number}", 1, 1)
    shopify.most_cost_of_page = 100
    shop = PulledShop(shopify, tmp_path, page_size=250)
    assert len(shop.changes(EARLIER)) == 63


def test_pages_that_begin_again_are_noticed(shop, shopify):
    def loop(answer):
        if location := answer["data"].get("location"):
            location["inventoryLevels"]["pageInfo"] = {"hasNextPage": True, "endCursor": "again"}
        return answer

    shopify.changed = loop
    told = refusal(shop.pull, EARLIER, kind=TemporaryError)
    assert "after cursor 'again' the pages begin again" in told
    assert told.startswith(f"shop 'acme' at {shopify.url}/admin/api/2026-10/graphql.json, levels at location")


def test_a_product_with_more_variants_than_a_page_holds_is_read_to_its_end(shop, store):
    for number in range(120):
        store.add("Lamp", 1, 1, variant=f"No. {number}")
    rows = shop.changes(EARLIER)
    assert len({row.variant_id for row in rows if row.quantity is None}) == 121


def test_a_sweep_that_was_left_behind_is_found_again(shop, shopify):
    refusal(shop.pull, kind=NotReady)
    assert len(shop.sweep()) == 2
    assert len(shopify.operations) == 1


def test_a_submission_whose_answer_was_lost_is_found_again(shop, shopify):
    shopify.polls = 5
    shopify.faults = [server.well, server.answered_and_lost]
    refusal(shop.pull, kind=NotReady)
    assert len(shop.sweep()) == 2
    assert len(shopify.operations) == 1


def test_an_operation_of_an_older_window_makes_way(shop, shopify):
    shopify.most_running = 1
    shopify.polls = 1000
    refusal(shop.pull, kind=NotReady)
    later = PulledShop(shopify, shop.folder)
    later.window = type(shop.window).scheduled(NOW, NOW + timedelta(minutes=15))
    shopify.polls = 1
    assert len(later.sweep()) == 2
    assert [operation.status for operation in shopify.operations] == ["CANCELED", "COMPLETED"]


def test_a_strangers_operation_is_waited_for(shop, shopify):
    shopify.most_running = 1
    shopify.polls = 5
    shopify._submit("{ productVariants { edges { node { id } } } }")
    assert "another bulk operation has to end first" in refusal(shop.pull, kind=NotReady)
    assert len(shop.sweep()) == 2
    assert [operation.status for operation in shopify.operations] == ["COMPLETED", "COMPLETED"]


@pytest.mark.parametrize("end", ["FAILED", "CANCELED", "EXPIRED"])
def test_a_sweep_that_failed_is_started_anew_and_nothing_of_it_is_used(shop, shopify, end):
    refusal(shop.pull, kind=NotReady)
    shopify.operations[0].status, shopify.operations[0].error_code = end, "TIMEOUT"
    assert len(shop.sweep()) == 2
    assert len(shopify.operations) == 2


def test_a_sweep_that_keeps_failing_gives_up(shop, shopify):
    for _ in range(3):
        refusal(shop.pull, kind=NotReady)
        shopify.operations[-1].status, shopify.operations[-1].error_code = "FAILED", "INTERNAL_SERVER_ERROR"
    told = refusal(shop.pull)
    assert "FAILED (INTERNAL_SERVER_ERROR), as did 2 before it" in told


def test_a_sweep_without_the_scopes_says_so_at_once(shop, shopify):
    refusal(shop.pull, kind=NotReady)
    shopify.operations[0].status, shopify.operations[0].error_code = "FAILED", "ACCESS_DENIED"
    told = refusal(shop.pull)
    assert "read_products, read_inventory and read_locations" in told
    assert "the next window then starts anew" in told
    assert refusal(shop.pull) == told


def test_an_empty_result_is_an_empty_archive(shop, shopify, store):
    store.products.clear()
    assert shop.sweep() == []
    assert shop.archive.exists()


def test_a_result_without_an_address_is_no_empty_result(shop, shopify):
    refusal(shop.pull, kind=NotReady)
    shopify.operations[0].hides_url = True
    shopify.operations[0].status = "COMPLETED"
    assert "3 objects and no address" in refusal(shop.pull, kind=TemporaryError)
    assert not shop.archive.exists()


def test_an_address_that_expired_is_asked_for_again(shop, shopify):
    refusal(shop.pull, kind=NotReady)
    shopify.operations[0].status = "COMPLETED"

    def expire(answer):
        shopify.expired_urls.add(0)
        return answer

    shopify.changed = expire
    assert len(shop.sweep()) == 2
    assert shopify.downloads == 2


@pytest.mark.parametrize("fault", [server.reset, server.cut_off], ids=["reset", "cut off"])
def test_a_result_that_breaks_off_is_fetched_again(shop, shopify, fault):
    refusal(shop.pull, kind=NotReady)
    shopify.operations[0].status = "COMPLETED"
    shopify.faults = [server.well, fault]
    assert len(shop.sweep()) == 2
    assert shopify.downloads == 2


def test_a_line_that_can_not_be_read_is_one_rejected_row(shop, shopify, store):
    store.add("Vase", 1, 1)
    refusal(shop.pull, kind=NotReady)
    lines = shopify.operations[0].lines
    lines.insert(
        3,
        b'{"id":"gid:\\/\\/shopify\\/InventoryLevel\\/1","__parentId":"gid:\\/\\/shopify\\/ProductVariant\\/9"}',
    )
    lines.insert(0, b"{broken")
    shopify.operations[0].status = "COMPLETED"
    shop.pull()
    rows = shop.all_rows()
    rejects = [row for row in rows if isinstance(row, RejectedRow)]
    assert [row.line_number for row in rejects] == [1, 5]
    assert "is not the variant before it" in rejects[1].reason
    assert len(rows) - len(rejects) == 4


def test_secrets_are_in_no_log_and_no_repr(shop, shopify, caplog):
    caplog.set_level(logging.DEBUG)
    shopify.faults = [status(500), server.reset]
    shop.sweep()
    shopify.faults = [status(401)]
    refusal(shop.connector.is_ready, shopify.operations[0].id)
    shown = " ".join([caplog.text, repr(shop.connection), repr(shop.connector), repr(vars(shop.connector))])
    shown += shop.archive.manifest.source + repr(shop.archive.manifest)
    assert "canary" not in shown and TOKEN not in shown
    assert "acme" in shown
