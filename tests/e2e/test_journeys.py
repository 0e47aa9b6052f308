"""Journeys through the real scheduler, triggerer and mail server, one after the other on one stack."""

from __future__ import annotations

import base64
import dataclasses
import hmac
import io
import json
import re
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from rich.console import Console

from include.db.engine import connect
from include.domain.shop import Shop
from include.domain.wake import FIRST_REPEAT
from include.local import stack
from include.local.intake_process import intake_address
from include.local.postgres import EmbeddedPostgres
from include.services.keys import create_key
from include.services.outbox import set_delivery
from include.services.shops import register_shop
from include.settings import load_settings
from tests.e2e.journey import Journey, running, set_variable, wait_for, working
from tests.fixtures.shopify.server import TOKEN, FakeShopify, serve
from tests.fixtures.shopify.store import FakeStore

pytestmark = pytest.mark.e2e

SYNC = "catalog_sync__demo"
WOKEN = ("restock_release", "flow__back_in_stock", "dispatch_messages")
SECRET = "whsec_canary_e2e"


def write_day(folder: Path, day: datetime, units: int) -> None:
    row = {"id": "BOOK", "title": "A book", "quantity": units}
    (folder / f"stock-{day:%Y%m%d}.jsonl").write_text(json.dumps(row) + "\n")


@pytest.fixture(scope="module")
def shopify() -> Iterator[FakeShopify]:
    with serve(FakeShopify(FakeStore(), polls=2)) as shopify:
        shopify.store.add("Brass lamp", 0, 0)
        yield shopify


@pytest.fixture(scope="module")
def journey(shopify: FakeShopify) -> Iterator[Journey]:
    with tempfile.TemporaryDirectory(prefix="restock-journey-") as name:
        folder = Path(name)
        shop = {
            "id": "demo",
            "platform": "feed",
            "schedule": "10 seconds",
            "currency": "EUR",
            "time_zone": "Europe/Berlin",
            "feed": {"url": f"file://{folder}/feed.jsonl"},
        }
        dated = shop | {"id": "dated", "schedule": "0 0 * * *", "time_zone": "UTC"}
        dated["feed"] = {"url": f"file://{folder}/stock-{{window_start:%Y%m%d}}.jsonl"}
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        # Where midnight passes meanwhile, today is the newest day that is over.
        for day in (today - timedelta(days=1), today):
            write_day(folder, day, units=0)
        acme = {**shop, "id": "acme", "schedule": "7 days", "platform": "shopify", "conn_id": "shop_acme"}
        acme["shopify"] = {"allow_private": True}
        del acme["feed"]
        (folder / "shops.yaml").write_text(yaml.safe_dump({"shops": [shop, dated, acme]}))
        settings = load_settings(
            {"RESTOCK_VAR": str(folder / "var"), "RESTOCK_SHOPS": str(folder / "shops.yaml")}
        )
        quiet = Console(file=io.StringIO())
        try:
            running = stack.start(dataclasses.replace(settings, database_url=None), quiet)
            engine = connect(running.database_url)
            with engine.begin() as connection:
                register_shop(connection, Shop.model_validate(shop), datetime.now(UTC))
            set_delivery(engine, "live", [])
            session = requests.Session()
            login = {"username": running.user, "password": running.password}
            token = requests.post(f"{running.address}/auth/token", json=login, timeout=60).json()[
                "access_token"
            ]
            session.headers["Authorization"] = f"Bearer {token}"
            account = {
                "connection_id": "shop_acme",
                "conn_type": "restock_shopify",
                "host": shopify.url,
                "password": TOKEN,
                "extra": json.dumps({"webhook_secret": SECRET}),
            }
            made = session.post(f"{running.address}/api/v2/connections", json=account, timeout=60)
            assert made.status_code == 201, made.text
            yield Journey(folder, engine, running.address, session, shopify, intake_address(settings), today)
            engine.dispose()
        finally:
            stack.down(settings, quiet)
            EmbeddedPostgres(settings.var_folder / "postgres").remove()


def test_a_restock_is_in_the_mailbox_within_seconds_of_its_detect(journey: Journey) -> None:
    journey.write_feed(LAMP=0, VASE=0, CUP=3)
    wait_for(
        "the baseline",
        lambda: journey.value("SELECT count(*) FROM variant_stock WHERE shop_id = 'demo'") == 3,
    )
    journey.ask("ann@example.org", "LAMP")
    journey.ask("cup@example.org", "CUP")
    wait_for("a mail for what is in stock", lambda: len(journey.mails()) == 1)
    journey.write_feed(LAMP=5, VASE=0, CUP=3)
    wait_for("the mail of the restock", lambda: len(journey.mails()) == 2)
    detected_at = journey.value("SELECT detected_at FROM snapshot WHERE event_count > 0")
    sent_at = journey.value("SELECT max(ended_at) FROM message WHERE state = 'sent'")
    print(f"\nfrom detect to the first mail: {(sent_at - detected_at).total_seconds():.1f} s")
    assert "To: ann@example.org" in journey.mails()[1]


def test_with_nothing_due_only_syncs_and_housekeeping_run(journey: Journey) -> None:
    wait_for("quiet", lambda: is_quiet(journey))
    before = {dag_id: journey.count_runs(dag_id) for dag_id in (*WOKEN, SYNC)}
    wait_for("two more syncs", lambda: journey.count_runs(SYNC) >= before[SYNC] + 2)
    assert {dag_id: journey.count_runs(dag_id) for dag_id in WOKEN} == {
        dag_id: before[dag_id] for dag_id in WOKEN
    }


def test_a_bad_variable_stops_the_release_with_a_clear_text_and_is_not_repeated_in_a_loop(
    journey: Journey,
) -> None:
    journey.ask("bob@example.org", "VASE")
    set_variable(journey, "restock_min_inventory", "abc")
    journey.write_feed(LAMP=5, VASE=7, CUP=3)
    failed = wait_for(
        "the failed run", lambda: [r for r in journey.runs("restock_release") if r["state"] == "failed"]
    )
    log = journey.api(
        "GET", f"/api/v2/dags/restock_release/dagRuns/{failed[0]['dag_run_id']}/taskInstances/rules/logs/1"
    )
    assert "Variable restock_min_inventory is 'abc'. Allowed is a whole number from 1." in json.dumps(log)
    time.sleep(15)
    failed_at = [moment_of(run) for run in journey.runs("restock_release") if run["state"] == "failed"]
    # After a minute the trigger and housekeeping may each repeat what was lost; a loop fails every second.
    assert len(failed_at) <= 1 + 2 * (datetime.now(UTC) - min(failed_at)) // FIRST_REPEAT
    assert len(journey.mails()) == 2
    set_variable(journey, "restock_min_inventory", "2")
    journey.api("POST", "/api/v2/dags/restock_release/dagRuns", {"logical_date": None})
    wait_for("the mail after the mend", lambda: len(journey.mails()) == 3)
    assert journey.value("SELECT min_inventory FROM batch ORDER BY batch_id DESC LIMIT 1") == 2


def test_clearing_every_task_of_every_dag_changes_no_count(journey: Journey) -> None:
    wait_for("quiet", lambda: is_quiet(journey))
    before = journey.counts()
    cleared = {}
    for dag_id in (SYNC, *WOKEN):
        run = next(run for run in journey.runs(dag_id) if run["state"] == "success")
        cleared[dag_id] = run["dag_run_id"]
        body = {
            "dry_run": False,
            "only_failed": False,
            "dag_run_id": run["dag_run_id"],
            "reset_dag_runs": True,
        }
        journey.api("POST", f"/api/v2/dags/{dag_id}/clearTaskInstances", body)

    def all_done() -> bool:
        states = {
            dag_id: {run["dag_run_id"]: run["state"] for run in journey.runs(dag_id)}[run_id]
            for dag_id, run_id in cleared.items()
        }
        return set(states.values()) == {"success"}

    wait_for("the cleared runs", all_done)
    assert journey.counts() == before


def test_a_backfill_reads_archived_windows_again_and_skips_what_was_never_recorded(journey: Journey) -> None:
    first = journey.value(
        "SELECT min(window_start) FROM snapshot WHERE shop_id = 'demo' AND window_start IS NOT NULL"
    )
    before = journey.counts()
    newest = journey.value("SELECT max(observed_at) FROM snapshot")
    body = {
        "dag_id": SYNC,
        "from_date": (first - timedelta(seconds=30)).isoformat(),
        "to_date": (first + timedelta(seconds=10)).isoformat(),
        "reprocess_behavior": "completed",
        "max_active_runs": 2,
        "run_on_latest_version": False,
    }
    created = journey.api("POST", "/api/v2/backfills", body)
    wait_for("the backfill", lambda: journey.api("GET", f"/api/v2/backfills/{created['id']}")["completed_at"])
    after = journey.counts()
    assert after == before
    assert (
        journey.value(
            "SELECT count(*) FROM snapshot WHERE shop_id = 'demo' AND window_start < :first", first=first
        )
        == 0
    )
    assert (
        journey.value(
            "SELECT count(*) FROM snapshot"
            " WHERE shop_id = 'demo' AND window_start <= :first AND observed_at > :newest",
            first=first,
            newest=newest,
        )
        == 0
    )


def test_a_backfill_of_a_dated_feed_tells_the_past_and_nobody_whatever_its_order(journey: Journey) -> None:
    newest = "SELECT count(*) FROM snapshot WHERE shop_id = 'dated' AND detected_at IS NOT NULL"
    wait_for("the newest day", lambda: journey.value(newest))
    for days_ago, units in ((5, 0), (4, 7), (2, 3)):
        write_day(journey.folder, journey.midnight(days_ago), units)
    mails = len(journey.mails())
    body = {
        "dag_id": "catalog_sync__dated",
        "from_date": journey.midnight(5).isoformat(),
        "to_date": journey.midnight(2).isoformat(),
        "reprocess_behavior": "completed",
        "max_active_runs": 2,
        "run_backwards": True,
        "run_on_latest_version": False,
    }
    created = journey.api("POST", "/api/v2/backfills", body)
    wait_for("the backfill", lambda: journey.api("GET", f"/api/v2/backfills/{created['id']}")["completed_at"])
    opened = journey.query(
        "SELECT opened_at, units_after FROM restock_event WHERE shop_id = 'dated' ORDER BY 1"
    )
    assert [tuple(row) for row in opened] == [(journey.midnight(3), 7)]
    past = "SELECT count(*) FROM snapshot WHERE shop_id = 'dated' AND window_start < :yesterday"
    assert journey.value(past, yesterday=journey.midnight(1)) == 3
    assert journey.value("SELECT units FROM variant_stock WHERE shop_id = 'dated'") == 0
    assert len(journey.mails()) == mails


def test_a_webhook_is_in_the_mailbox_within_seconds(journey: Journey, shopify: FakeShopify) -> None:
    """The sweep before it waited on the triggerer for Shopify's bulk operation."""
    levels = "SELECT count(*) FROM stock_level WHERE shop_id = 'acme'"
    wait_for("the sweep", lambda: journey.value(levels) == 2)
    assert len(shopify.operations) == 1
    (lamp,) = shopify.store.variants
    journey.ask("eve@example.org", str(lamp.id), "acme")
    mails = len(journey.mails())
    shopify.store.set_stock(lamp, 5, 0)
    body = json.dumps(
        {"inventory_item_id": lamp.item_id, "location_id": shopify.store.locations[0].id, "available": 5}
    ).encode()
    headers = {
        "X-Shopify-Topic": "inventory_levels/update",
        "X-Shopify-Webhook-Id": "first",
        "X-Shopify-Hmac-Sha256": base64.b64encode(hmac.digest(SECRET.encode(), body, "sha256")).decode(),
    }
    began = datetime.now(UTC)
    answer = requests.post(f"{journey.door}/webhooks/shopify/acme", data=body, headers=headers, timeout=20)
    answered = datetime.now(UTC)
    assert answer.status_code == 200, answer.text
    wait_for("the mail", lambda: len(journey.mails()) == mails + 1)
    sent = "SELECT max(ended_at) FROM message WHERE state = 'sent' AND shop_id = 'acme'"
    sent_at = wait_for("its mark", lambda: journey.value(sent))
    print(f"\nanswered in {(answered - began).total_seconds() * 1000:.0f} ms, ", end="")
    print(f"from the webhook to the mail: {(sent_at - began).total_seconds():.1f} s")
    assert "To: eve@example.org" in journey.mails()[-1]


def test_no_secret_of_a_shop_reaches_a_log_or_what_tasks_return(journey: Journey) -> None:
    runs = journey.api("GET", "/api/v2/dags/catalog_sync__acme/dagRuns?limit=1")["dag_runs"]
    returned = journey.api(
        "GET",
        f"/api/v2/dags/catalog_sync__acme/dagRuns/{runs[0]['dag_run_id']}/taskInstances/pull/xcomEntries/return_value",
    )
    told = logs_of(journey).values()
    assert "live" in json.dumps(returned)
    assert "canary" not in json.dumps(returned)
    assert told and [text[:200] for text in told if "canary" in text] == []


def test_stock_told_by_api_reaches_the_oldest_who_asked_by_api_within_seconds(journey: Journey) -> None:
    journey.api("PATCH", f"/api/v2/dags/{SYNC}?update_mask=is_paused", {"is_paused": True})
    # A paused Dag starts no further task: a run may stand between two of them for good.
    wait_for("the last pull's task", lambda: not working(journey, SYNC))
    set_variable(journey, "restock_customers_per_unit", "5")
    key = create_key(journey.engine, "demo", "private", datetime.now(UTC))
    client = requests.Session()
    client.headers.update({"Authorization": f"Klaviyo-API-Key {key}", "revision": "2026-07-15"})
    tell(client, "POST", f"{journey.door}/api/catalog-items", ITEM, 201)
    tell(client, "POST", f"{journey.door}/api/catalog-variants", BOWL, 201)
    for number in range(120):
        body = json.loads(json.dumps(REQUEST).replace("NAME", f"api{number:03}"))
        tell(client, "POST", f"{journey.door}/api/back-in-stock-subscriptions/", body, 202)
    before = len(journey.mails())
    change = {"type": "catalog-variant", "id": BOWL_ID, "attributes": {"inventory_quantity": 20}}
    tell(client, "PATCH", f"{journey.door}/api/catalog-variants/{BOWL_ID}", {"data": change}, 200)
    told_at = datetime.now(UTC)
    wait_for("the mails", lambda: len(journey.mails()) == before + 100)
    sent = "SELECT min(ended_at) FROM message WHERE variant_id = 'BOWL' AND state = 'sent'"
    seconds = (wait_for("the first mark", lambda: journey.value(sent)) - told_at).total_seconds()
    print(f"\nfrom the answer of the catalog API to the first mail: {seconds:.1f} s")
    states = (
        "SELECT state, count(*) FROM subscription WHERE variant_id = 'BOWL' GROUP BY state ORDER BY state"
    )
    wait_for("all marks", lambda: dict(journey.query(states)) == {"notified": 100, "waiting": 20})
    told = {
        number for mail in journey.mails() for number in re.findall(r"^To: api(\d+)@", mail, re.MULTILINE)
    }
    assert told == {f"{number:03}" for number in range(100)}
    assert journey.door in journey.mails()[-1]


def logs_of(journey: Journey) -> dict[Path, str]:
    folder = journey.folder / "var" / "logs"
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder): path.read_text(errors="replace") for path in files}


def moment_of(run: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(run["run_after"])


def is_quiet(journey: Journey) -> bool:
    """Nothing runs, nor does anything a sync later: the last wake-up has arrived."""
    syncs = journey.count_runs(SYNC)
    started = [journey.count_runs(dag_id) for dag_id in WOKEN]
    wait_for("a sync", lambda: journey.count_runs(SYNC) > syncs)
    return started == [journey.count_runs(dag_id) for dag_id in WOKEN] and not any(
        running(journey, dag_id) for dag_id in WOKEN
    )


def tell(client: requests.Session, method: str, url: str, body: Any, status: int) -> None:
    answer = client.request(method, url, json=body, timeout=30)
    assert answer.status_code == status, answer.text


BOWL_ID = "$custom:::$default:::BOWL"
ITEM = {
    "data": {
        "type": "catalog-item",
        "attributes": {
            "external_id": "BOWLS",
            "title": "Bowls",
            "description": "",
            "url": "https://shop.example",
        },
    }
}
BOWL = {
    "data": {
        "type": "catalog-variant",
        "attributes": {
            "external_id": "BOWL",
            "title": "Bowl",
            "description": "Of oak",
            "sku": "B-1",
            "inventory_quantity": 0,
            "price": 20,
            "url": "https://shop.example/bowl",
        },
        "relationships": {"item": {"data": {"type": "catalog-item", "id": "$custom:::$default:::BOWLS"}}},
    }
}
REQUEST = {
    "data": {
        "type": "back-in-stock-subscription",
        "attributes": {
            "channels": ["EMAIL"],
            "profile": {"data": {"type": "profile", "attributes": {"email": "NAME@example.org"}}},
        },
        "relationships": {"variant": {"data": {"type": "catalog-variant", "id": BOWL_ID}}},
    }
}


def test_no_address_reaches_a_log(journey: Journey) -> None:
    names, logs = ("ann@", "bob@", "cup@", "api000@", "eve@"), logs_of(journey)
    assert {f"dag_id={dag_id}" for dag_id in WOKEN} <= {part for path in logs for part in path.parts}
    assert [path for path, said in logs.items() if any(name in said for name in names)] == []
