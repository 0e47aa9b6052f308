from __future__ import annotations

from datetime import timedelta

import pytest

from include.catalog.base import RejectedRow
from include.catalog.shopify.rows import RowMapper, read_pages
from include.domain.window import Window
from include.errors import ConfigurationError, NotReady, TemporaryError
from tests.fixtures.shopify import server
from tests.fixtures.shopify.server import FakeShopify, status
from tests.fixtures.shopify.shop import NOW, PulledShop

EARLIER = NOW - timedelta(hours=1)
FAILED = b'{"errors":[{"message":"Internal\\nerror.","extensions":{"code":"INTERNAL_SERVER_ERROR"}}]}'


def by_hand(shop: PulledShop, name: str) -> PulledShop:
    again = PulledShop(shop.shopify, shop.folder)
    again.window = Window.manual(name)
    again.keeps_connector()
    return again


@pytest.mark.parametrize("answer", [FAILED, b"<html>busy</html>", b""], ids=["failed", "a page", "nothing"])
def test_a_failure_told_with_status_200_is_tried_again(shop, shopify, answer):
    shopify.faults = [status(200, answer), server.well, status(200, answer), status(200, answer)]
    assert len(shop.changes(EARLIER)) == 3
    assert shop.pauses == [1.0, 1.0, 2.0]


def test_what_shopify_says_of_its_failure_stands_on_one_line(shop, shopify):
    shopify.faults = [status(200, FAILED)] * 6
    with pytest.raises(TemporaryError, match=r"Shopify failed \(Internal error\.\)"):
        shop.pull(EARLIER)


def test_a_submission_that_failed_is_not_sent_again(shop, shopify):
    shopify.faults = [server.well, status(200, FAILED)]
    with pytest.raises(TemporaryError):
        shop.pull()
    assert shopify.asked == ["Operations", "Operations"]


def expire_all(shopify: FakeShopify, *, also_of_the_next: bool) -> None:
    shopify.expired_urls = set(range(0, 20_000, 1000))

    def forgive(answer):
        if "bulkOperationRunQuery" in answer["data"] and not also_of_the_next:
            shopify.expired_urls.clear()
        return answer

    shopify.changed = forgive


def test_a_result_whose_new_address_expired_too_is_prepared_again(shop, shopify):
    with pytest.raises(NotReady):
        shop.pull()
    shopify.operations[0].status = "COMPLETED"
    expire_all(shopify, also_of_the_next=False)
    assert len(shop.sweep()) == 2
    assert len(shopify.operations) == 2


def test_results_that_can_never_be_fetched_end_the_window(shop, shopify):
    expire_all(shopify, also_of_the_next=True)
    with pytest.raises(ConfigurationError, match=r"403 Forbidden.*as those of 2 before it") as caught:
        shop.sweep()
    assert "canary" not in str(caught.value)
    assert len(shopify.operations) == 3


def test_a_result_that_breaks_off_again_and_again_says_where_and_how_to_go_on(shop, shopify):
    with pytest.raises(NotReady):
        shop.pull()
    shopify.operations[0].status = "COMPLETED"
    shopify.faults = [server.well, *[server.cut_off] * 4]
    with pytest.raises(TemporaryError, match=r"shop 'acme': the result of gid.*Trying again fetches it anew"):
        shop.pull()


def test_what_a_run_by_hand_left_behind_serves_the_next_one(shop, shopify):
    shopify.polls = 3
    with pytest.raises(NotReady):
        by_hand(shop, "sync-1").pull()
    assert len(by_hand(shop, "sync-2").sweep()) == 2
    assert len(shopify.operations) == 1


def test_but_not_one_that_has_ended_nor_one_of_a_scheduled_window(shop, shopify):
    assert len(by_hand(shop, "sync-1").sweep()) == 2
    with pytest.raises(NotReady):
        shop.pull()
    assert len(by_hand(shop, "sync-2").sweep()) == 2
    assert len(shopify.operations) == 3


def test_a_time_of_creation_that_is_none_is_a_changed_api(shop, shopify):
    with pytest.raises(NotReady):
        shop.pull()
    shopify.operations[0].status, shopify.operations[0].created_at = "COMPLETED", "2026-03-01T99:00:00Z"
    with pytest.raises(ConfigurationError, match=r"which is no time. Has the API version changed"):
        shop.pull()


@pytest.mark.parametrize(
    ("said", "instead", "reason"),
    [
        (b'"quantity": 3', b'"quantity": 1000000000001', "at most 1,000,000,000,000 is believed"),
        (b'"quantity": 3', b'"quantity": -9999999999999999999999', "at most 1,000,000,000,000 is believed"),
        (b'"updatedAt": "20', b'"updatedAt": "xx', "where a time is written as"),
        (b'"updatedAt": "2026-', b'"updatedAt": "2026-W', "where a time is written as"),
    ],
    ids=["absurd", "absurdly negative", "no time", "a week"],
)
def test_a_level_that_can_not_be_believed_is_one_rejected_row(shop, said, instead, reason):
    shop.pull(EARLIER)
    bodies = []
    for part in shop.archive.manifest.parts:
        with shop.archive.open_part(part) as stream:
            bodies.append(stream.read(10**6))
    bad = next(body for body in bodies if said in body).replace(said, instead)
    rows = [row for chunk in read_pages([bad], RowMapper("any")) for row in chunk]
    assert [reason in row.reason for row in rows if isinstance(row, RejectedRow)] == [True]
