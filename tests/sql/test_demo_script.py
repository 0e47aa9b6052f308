from __future__ import annotations

import threading
from collections.abc import Iterator
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from include.catalog.base import ShopConnection
from include.catalog.registry import build_connector
from include.domain.window import Window
from include.errors import SnapshotRefused
from include.local.demo.script import CUSTOMERS_PER_UNIT, MIN_INVENTORY, STAGES, Stage
from include.local.demo.shop_client import step
from include.local.demo_shop import DemoShop, DemoShopServer
from include.services import catalog
from include.services.requests import unsubscribe
from include.services.waiting_list import import_waiting_list
from tests.builders import World, a_shop
from tests.demo_oracle import Mail, Oracle, arrivals, expected_arrivals

WAIT_MINUTES = 10


@pytest.fixture
def shop_server(tmp_path: Path) -> Iterator[DemoShopServer]:
    with DemoShopServer(DemoShop(tmp_path / "demo_shop"), port=0) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        yield server
        server.shutdown()
        serving.join()


def test_the_services_tell_the_people_of_the_demo_whom_the_rule_owes(
    world: World, tmp_path: Path, shop_server: DemoShopServer
) -> None:
    world.use_flow()
    world.set_rules(
        min_inventory=MIN_INVENTORY, customers_per_unit=CUSTOMERS_PER_UNIT, wait_minutes=WAIT_MINUTES
    )
    waiting_list = tmp_path / "demo_shop" / "waiting_list.csv"
    for number, stage in enumerate(STAGES):
        pull(world, shop_server, stage)
        if number == 0:
            taken = import_waiting_list(world.engine, "demo", waiting_list, world.now)
        live(world, stage)
        step(shop_server.server_port)
    oracle = Oracle(waiting_list)
    assert len(taken.rejects) == 5 and taken.merged == 0
    assert arrivals(mails(world)) == expected_arrivals(oracle.owed)
    assert world.states()["waiting"] == oracle.waiting_count


def pull(world: World, server: DemoShopServer, stage: Stage) -> None:
    shop = a_shop(conn_id="shop_demo", feed={"path": "/feed.jsonl", "allow_private": True})
    connector = build_connector(shop, ShopConnection("shop_demo", server.address))
    given = (world.engine, shop, connector, world.folder / "archive", Window.manual(stage.title))
    catalog.pull_window(*given, world.now)
    if stage.fault == "none":
        loaded = catalog.load_snapshot(*given, world.now)
        catalog.detect_changes(*given, loaded["snapshot_id"], world.now)
    else:
        with pytest.raises(SnapshotRefused, match="rise from zero"):
            catalog.load_snapshot(*given, world.now)


def live(world: World, stage: Stage) -> None:
    world.tell()
    if stage.outlasts_wait:
        world.pass_time(minutes=WAIT_MINUTES)
        world.tell()
    world.pass_time(minutes=WAIT_MINUTES / 4)
    for email in stage.unsubscribes:
        sent = next(envelope for envelope in world.mail.envelopes if envelope.recipient == email)
        link = message_from_bytes(sent.content, policy=policy.default)["List-Unsubscribe"]
        unsubscribe(world.engine, str(link).strip("<>").rpartition("%20")[2], world.now)


def mails(world: World) -> list[Mail]:
    return [
        Mail(envelope.key, envelope.recipient, link_of(envelope.content)) for envelope in world.mail.envelopes
    ]


def link_of(content: bytes) -> str:
    body = message_from_bytes(content, policy=policy.default).get_body(("plain",))
    assert body is not None
    return next(line for line in body.get_content().splitlines() if "/products/" in line)
