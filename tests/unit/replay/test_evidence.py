from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from include.local.replay import evidence
from include.messaging.address import Mailbox
from include.messaging.render.library import built_in_library
from include.messaging.render.mime import build_message

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def a_feed_line(sku: str, units: int) -> bytes:
    head, tail = evidence.feed_line(sku, evidence.title_of(sku, "Lamp"), "2.50", evidence.SHOP_URL + sku)
    return b"%b%d%b" % (head, units, tail)


def a_mail(sku: str, description: str) -> bytes:
    item = {"id": sku, "title": evidence.title_of(sku, description), "price": "2.50", "currency": "GBP"}
    rendered = built_in_library().render_email(
        "back_in_stock", "en", {"item": item, "shop": {"name": "Replay"}}
    )
    return build_message(
        rendered,
        key="flow:1:tell",
        message_id="<1@replay.example>",
        sender=Mailbox("hello@replay.example", "Replay"),
        recipient="ann@customers.example",
        date=NOON,
    )


@pytest.mark.parametrize(
    ("sku", "description"),
    [
        ("85123A", "WHITE HANGING HEART T-LIGHT HOLDER"),
        ("gift_0001_20", ""),
        ("BANK CHARGES", "Bank Charges"),
        ("85123a", "Lampe à poser, très longue " * 6),
        ("A[1]", "a [nice] lamp"),
        ("Ä-1", "50% off: =?utf-8?q?no?="),
    ],
)
def test_a_mail_names_its_article_whatever_its_title(tmp_path: Path, sku: str, description: str) -> None:
    (tmp_path / evidence.MAIL).mkdir()
    (tmp_path / evidence.MAIL / "1.eml").write_bytes(a_mail(sku, description))
    (mail,) = evidence.read_mails(tmp_path)
    assert mail == ("1.eml", NOON, "ann@customers.example", sku)


def test_a_subject_without_a_code_names_no_article() -> None:
    assert evidence.sku_of("Back in stock: Lamp") == ""


def test_feeds_tell_what_changed_and_what_is_gone(tmp_path: Path) -> None:
    for day, rows in enumerate(({"LAMP": 3, "SOFA": 1}, {"LAMP": 3, "SOFA": 0, "BED": 7}, {"LAMP": 3})):
        lines = [a_feed_line(sku, units) for sku, units in rows.items()]
        evidence.write_feed(tmp_path, NOON + timedelta(days=day), lines)
    first, second, third = evidence.read_feeds(tmp_path)
    assert first == (NOON, {"LAMP": 3, "SOFA": 1})
    assert second.units == {"SOFA": 0, "BED": 7}
    assert third == (NOON + timedelta(days=2), {"SOFA": 0, "BED": 0})


def test_requests_purchases_and_rules_come_back_as_they_were_kept(tmp_path: Path) -> None:
    request = evidence.Request(NOON, NOON + timedelta(microseconds=1), "ann@customers.example", 'a "b", c', 2)
    purchase = evidence.Purchase(NOON, NOON + timedelta(hours=1), "ann@customers.example", "LAMP")
    with evidence.open_logs(tmp_path) as (requests, purchases):
        requests.add([request])
        purchases.add([purchase])
    rules = evidence.WalkRules(
        2, None, timedelta(minutes=1.5), sizing="wanted_units", subtract_invited=timedelta(hours=4)
    )
    evidence.write_rules(tmp_path, rules)
    assert list(evidence.read_requests(tmp_path)) == [request]
    assert list(evidence.read_purchases(tmp_path)) == [purchase]
    assert evidence.read_rules(tmp_path) == rules


def test_every_customer_has_an_address_of_his_own() -> None:
    customers = ["17850", "a b", "A B", "x@y.example", "ä", "17850 "]
    addresses = [evidence.address_of(customer) for customer in customers]
    assert len(set(addresses)) == len(customers)
    assert addresses[0] == "customer-17850@customers.example"
    assert all(address.isascii() and address.count("@") == 1 for address in addresses)
