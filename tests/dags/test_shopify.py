from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain, repeat
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Engine, text

from include.domain.request import Request
from include.domain.window import Window
from include.services.requests import take_requests
from tests.fixtures.shopify.server import TOKEN, FakeShopify, serve, status
from tests.fixtures.shopify.store import FakeStore, FakeVariant

if TYPE_CHECKING:
    from tests.dags.conftest import Installation, RunOfDag

Run = Callable[..., "RunOfDag"]
SHOPS = """\
shops:
  - id: acme
    platform: shopify
    conn_id: shop_acme
    schedule: 15 minutes
    currency: EUR
    time_zone: Europe/Berlin
    shopify:
      api_version: "{version}"
      allow_private: true
"""
TELLING = ("restock_release", "flow__back_in_stock", "dispatch_messages")


VERSIONS = ["2026-04", "2026-07", "2026-10"]


@pytest.fixture
def shopify(
    request: pytest.FixtureRequest, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FakeShopify]:
    version = getattr(request, "param", VERSIONS[-1])
    with serve(FakeShopify(FakeStore(), version=version, polls=2)) as running:
        (installation.folder / "shops.yaml").write_text(SHOPS.format(version=version))
        account = {"conn_type": "restock_shopify", "host": running.url, "password": TOKEN}
        monkeypatch.setenv("AIRFLOW_CONN_SHOP_ACME", json.dumps(account))
        yield running


def ask(engine: Engine, email: str, variant: FakeVariant) -> None:
    now = datetime.now(UTC)
    with engine.begin() as connection:
        take_requests(
            connection, "acme", [Request(email, email, str(variant.id), now)], "test", "notify", now
        )


def kinds(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT kind FROM snapshot ORDER BY snapshot_id")).scalars())


@pytest.mark.parametrize("shopify", VERSIONS, indirect=True)
def test_a_restock_in_a_shopify_shop_reaches_those_who_asked(
    shopify: FakeShopify,
    installation: Installation,
    engine: Engine,
    run_dag: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("include.orchestration.pulling.FIRST_PAUSE", 0.01)
    lamp, vase = shopify.store.add("Lamp", 0, 0), shopify.store.add("Vase", 0, 0)
    assert run_dag("catalog_sync__acme").state == "success"
    ask(engine, "ann@example.org", lamp)
    ask(engine, "bob@example.org", vase)
    shopify.store.set_stock(lamp, 0, 4)
    assert run_dag("catalog_sync__acme").state == "success"
    for dag_id in TELLING:
        assert run_dag(dag_id).state == "success"
    told = [mail.read_text() for mail in installation.mails]
    assert len(told) == 1 and "ann@example.org" in told[0] and "Lamp" in told[0]
    assert kinds(engine) == ["full", "partial"]
    assert len(shopify.operations) == 1


def test_a_sweep_that_outlasts_its_window_is_taken_all_the_same(
    shopify: FakeShopify, engine: Engine, run_dag: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from include.orchestration import catalog_sync

    monkeypatch.setattr("include.orchestration.pulling.FIRST_PAUSE", 0.01)
    shopify.store.add("Lamp", 0, 3)
    now = datetime.now(UTC)
    window = Window.scheduled(now - timedelta(hours=2), now - timedelta(hours=1))
    moments = chain([window.end], repeat(now))
    monkeypatch.setattr(
        "include.orchestration.pulling.datetime", SimpleNamespace(now=lambda zone: next(moments))
    )
    monkeypatch.setattr(catalog_sync, "run_window", lambda interval: window)
    assert run_dag("catalog_sync__acme").state == "success"
    assert kinds(engine) == ["full"]


def test_what_waiting_can_not_mend_ends_the_wait_and_is_told_by_the_pull(
    shopify: FakeShopify, airflow_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from include.orchestration.pulling import ReadyTrigger

    monkeypatch.setattr("include.orchestration.pulling.FIRST_PAUSE", 0.01)
    shopify.faults = [status(503)] * 4 + [status(401)]

    async def first() -> dict[str, str]:
        async for event in ReadyTrigger("acme", "gid://shopify/BulkOperation/1").run():
            return dict(event.payload)
        raise AssertionError("no event")

    monkeypatch.setattr("include.catalog.shopify.connector.time.sleep", lambda seconds: None)
    assert asyncio.run(first()) == {"awaited": "gid://shopify/BulkOperation/1"}
    assert shopify.faults == []
