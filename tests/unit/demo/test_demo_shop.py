from __future__ import annotations

import csv
import json
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from include.errors import StackError
from include.local.demo import step_shop
from include.local.demo.script import RUNNER, STAGES
from include.local.demo.shop_client import read_stage, step
from include.local.demo_shop import DemoShop, DemoShopServer
from include.local.ports import write_port
from include.settings import load_settings


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[DemoShopServer]:
    yield from open_shop(tmp_path / "demo_shop")


def open_shop(folder: Path) -> Iterator[DemoShopServer]:
    with DemoShopServer(DemoShop(folder), port=0) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        yield server
        server.shutdown()
        serving.join()


def get(shop: DemoShopServer, path: str) -> tuple[str, bytes]:
    with urllib.request.urlopen(shop.address + path, timeout=10) as answer:
        return answer.headers["Content-Type"], answer.read()


def feed_rows(shop: DemoShopServer) -> list[dict[str, Any]]:
    return [json.loads(line) for line in get(shop, "/feed.jsonl")[1].splitlines()]


def units_of(rows: list[dict[str, Any]], variant_id: str) -> dict[str, int]:
    return {row["location_id"]: row["$inventory_quantity"] for row in rows if row["$id"] == variant_id}


def test_the_feed_has_a_line_per_variant_and_location(shop: DemoShopServer) -> None:
    rows = feed_rows(shop)
    assert Counter(row["location_id"] for row in rows) == {"WAREHOUSE": 2_000, "STORE": 2_000}
    assert all(row["$title"] and float(row["$price"]) > 0 for row in rows)


def test_a_step_brings_the_next_stage_of_the_script(shop: DemoShopServer) -> None:
    assert units_of(feed_rows(shop), RUNNER) == {"WAREHOUSE": 0, "STORE": 0}
    assert step(shop.server_port).title == STAGES[1].title
    assert units_of(feed_rows(shop), RUNNER) == {"WAREHOUSE": 14, "STORE": 6}


def test_the_bad_feed_reads_999_for_everything_that_is_sold_out(shop: DemoShopServer) -> None:
    while STAGES[read_stage(shop.server_port).number].fault == "none":
        sold_out = sum(not any(units_of_pair) for units_of_pair in pairs(feed_rows(shop)))
        step(shop.server_port)
    assert sum(999 in pair for pair in pairs(feed_rows(shop))) == sold_out


def pairs(rows: list[dict[str, Any]]) -> list[tuple[int, int]]:
    quantities = [row["$inventory_quantity"] for row in rows]
    return list(zip(quantities[::2], quantities[1::2], strict=True))


def test_a_shop_that_is_started_again_is_where_it_was(tmp_path: Path, shop: DemoShopServer) -> None:
    step(shop.server_port)
    step(shop.server_port)
    for again in open_shop(tmp_path / "demo_shop"):
        assert read_stage(again.server_port).number == 2


def test_steps_go_on_after_the_end_of_the_script(shop: DemoShopServer) -> None:
    for _ in range(len(STAGES) + 3):
        told = step(shop.server_port)
    assert told.number == len(STAGES) + 3
    assert told.story.startswith("Back in stock")


def test_maintenance_is_a_web_page_where_a_feed_should_be(shop: DemoShopServer) -> None:
    while "Maintenance" not in step(shop.server_port).title:
        pass
    content_type, body = get(shop, "/feed.jsonl")
    assert content_type.startswith("text/html") and body.startswith(b"<!doctype html>")


@pytest.mark.parametrize("header", [{"Origin": "https://elsewhere.example"}, {"Host": "elsewhere.example"}])
def test_a_page_of_another_site_cannot_step_the_shop(shop: DemoShopServer, header: dict[str, str]) -> None:
    request = urllib.request.Request(f"{shop.address}/step", method="POST", headers=header)
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request, timeout=10)
    assert read_stage(shop.server_port).number == 0


def test_links_of_the_feed_lead_to_a_page_and_a_picture(shop: DemoShopServer) -> None:
    row = next(row for row in feed_rows(shop) if row["$id"] == RUNNER)
    kind, page = get(shop, row["$link"].removeprefix(shop.address))
    assert kind.startswith("text/html") and row["$title"] in page.decode() and b"sold out" in page
    kind, picture = get(shop, row["$image_link"].removeprefix(shop.address))
    assert kind == "image/png" and picture.startswith(b"\x89PNG")


def test_unknown_pages_are_not_found(shop: DemoShopServer) -> None:
    for path in ("/products/nothing", "/images/nothing.png", "/else"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            get(shop, path)


def test_the_waiting_list_can_be_downloaded(shop: DemoShopServer) -> None:
    _, content = get(shop, "/waiting_list.csv")
    rows = list(csv.DictReader(content.decode().splitlines()))
    assert len(rows) > 3_000 and rows[0]["variant_id"]


def test_stepping_from_the_command_line_says_what_happens(tmp_path: Path, shop: DemoShopServer) -> None:
    write_port(tmp_path / "ports" / "demo-shop", shop.server_port)
    told = step_shop(load_settings({"RESTOCK_VAR": str(tmp_path)}))
    assert "Stage 1 of 5: Restock" in told and "20 units" in told


def test_stepping_without_a_shop_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="make up"):
        step_shop(load_settings({"RESTOCK_VAR": str(tmp_path)}))
