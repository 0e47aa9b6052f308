"""`restock sync` and `restock shops check` at the terminal."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote_plus

import pytest
from typer.testing import CliRunner

from include.catalog.base import ShopConnection
from include.cli import app
from include.errors import ConfigurationError, SnapshotRefused
from tests.fixtures.shopify.server import TOKEN, FakeShopify, serve
from tests.fixtures.shopify.store import FakeStore

SHOPS = """
shops:
  - id: acme
    platform: shopify
    conn_id: shop_acme
    schedule: 15 minutes
    currency: EUR
    time_zone: Europe/Berlin
    shopify: {allow_private: true}
  - id: papers
    platform: feed
    schedule: 15 minutes
    currency: EUR
    time_zone: Europe/Berlin
    feed: {url: "FOLDER/feed.jsonl"}
"""


@pytest.fixture
def run(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shops = tmp_path / "shops.yaml"
    shops.write_text(SHOPS.replace("FOLDER", f"file://{tmp_path}"))
    monkeypatch.setenv("RESTOCK_DATABASE_URL", database_url)
    monkeypatch.setenv("RESTOCK_VAR", str(tmp_path / "var"))

    def call(*words: str, code: int = 0, given: str | None = None) -> str:
        command = [*words, "--config", str(shops)]
        result = CliRunner().invoke(app, command, catch_exceptions=False, input=given)
        assert result.exit_code == code, result.output
        assert "canary" not in result.output
        return " ".join(result.output.split())

    return call


@pytest.fixture
def shopify():
    with serve(FakeShopify(FakeStore())) as running:
        yield running


@pytest.fixture
def uri(shopify: FakeShopify) -> str:
    return shopify.url.replace("http://", f"http://:{TOKEN}@")


def feed(folder: Path, *rows: dict[str, object]) -> None:
    (folder / "feed.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_a_sync_prints_what_changed(run, shopify: FakeShopify, uri: str) -> None:
    lamp = shopify.store.add("Brass lamp", 0, 3)
    shopify.store.add("Vase", 1, 1)
    first = run("sync", "acme", "--connection", uri)
    assert "full pull from http://127.0.0.1" in first and "waiting" in first and "events 0" in first
    shopify.store.set_stock(lamp, 0, 0)
    assert "partial pull" in run("sync", "acme", "--connection", uri)
    shopify.store.set_stock(lamp, 0, 5)
    told = run("sync", "acme", "--connection", "-", given=uri + "\n")
    assert "events 1" in told and "Brass lamp" in told and "back in stock" in told and "Vase" not in told
    assert "full pull" in run("sync", "acme", "--connection", uri, "--full")


def test_a_sync_says_how_many_changes_it_does_not_show(run, tmp_path: Path) -> None:
    feed(tmp_path, *({"id": name, "stock": 1} for name in ("LAMP", "SOFA", "VASE")))
    assert "… and 2 more; --most 3 shows all." in run("sync", "papers", "--most", "1")
    feed(tmp_path, *({"id": name, "stock": 2} for name in ("LAMP", "SOFA", "VASE")))
    assert "more" not in run("sync", "papers", "--most", "3")


def test_a_check_prints_what_was_understood_and_stores_nothing(
    run, shopify: FakeShopify, uri: str, engine
) -> None:
    shopify.store.add("Brass lamp", 0, 3)
    shopify.store.add("Vase", 1, policy="CONTINUE", tracked=False)
    told = run("shops", "check", "acme", "--connection", uri)
    assert "3 rows, 0 unreadable; 2 variants, 0 sold out; 2 locations" in told
    assert "title 100 %" in told and "fields never said: compare_at_price" in told
    assert "stock not tracked 1, sold below zero 1" in told
    assert "3 × Brass lamp, 19.90" in told
    assert "A sync would take 3 rows" in told
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM shop").scalar_one() == 0


def test_a_check_of_a_feed_says_what_is_missing_and_what_a_sync_would_refuse(run, tmp_path: Path) -> None:
    feed(tmp_path, {"id": "LAMP", "stock": 4}, {"id": "VASE", "stock": "many"}, {"id": "SOFA", "stock": 0})
    told = run("shops", "check", "papers")
    assert "2 rows, 1 unreadable; 2 variants, 1 sold out; 1 location" in told
    assert "fields never said:" in told and "title" in told.partition("fields never said:")[2]
    assert "unreadable, line 2: field 'stock' is 'many'" in told and "leave out 1" in told
    feed(tmp_path, {"id": "LAMP", "stock": 4}, {"id": "LAMP", "stock": 5})
    assert "A sync would refuse this whole" in run("shops", "check", "papers", code=1)
    feed(tmp_path, {"id": "LAMP", "number": 4})
    with pytest.raises(SnapshotRefused, match="no field for quantity"):
        run("shops", "check", "papers")


def test_an_address_that_is_none_shows_nothing_of_itself(run) -> None:
    with pytest.raises(ConfigurationError) as caught:
        run("sync", "acme", "--connection", "shpat_canary_5f1e")
    assert "is no address such as" in str(caught.value) and "canary" not in str(caught.value)


def test_what_a_shop_writes_commands_no_terminal_and_is_no_markup(run, tmp_path: Path) -> None:
    title = "\x1b[2J\x1b]0;title\x07 Lamp [/sale] [bold]5[/bold]"
    feed(tmp_path, {"id": "LAMP", "stock": 4, "title": title})
    shown = "\ufffd[2J\ufffd]0;title\ufffd Lamp [/sale]"
    assert shown in run("shops", "check", "papers")
    told = run("sync", "papers")
    assert shown in told and "[bold]5[/bold]" in told and "\x1b" not in told


def test_a_connection_comes_from_the_command_or_from_airflows_variable(
    run, shopify: FakeShopify, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shopify.store.add("Brass lamp", 0, 3)
    with pytest.raises(ConfigurationError, match=r"kept by Airflow.*--connection.*in AIRFLOW_CONN_SHOP_ACME"):
        run("sync", "acme")
    monkeypatch.setenv("AIRFLOW_CONN_SHOP_ACME", uri)
    assert "full pull" in run("sync", "acme")
    monkeypatch.setenv("AIRFLOW_CONN_SHOP_ACME", "canary")
    with pytest.raises(ConfigurationError, match="AIRFLOW_CONN_SHOP_ACME is no address") as caught:
        run("sync", "acme")
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("form", ["json", "json with its extra as text", "address with a whole extra"])
def test_a_connection_is_read_in_every_form_that_airflow_knows(
    run, shopify: FakeShopify, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    shopify.store.add("Brass lamp", 0, 3)
    parts = {"conn_type": "restock_shopify", "host": "127.0.0.1", "schema": "http", "port": shopify.port}
    extra = {"webhook_secret": "canary", "more": {"a": 1}}
    packed = json.dumps(extra)
    text = {
        "json": json.dumps({**parts, "password": TOKEN, "extra": extra}),
        "json with its extra as text": json.dumps(
            {**parts, "port": str(shopify.port), "password": TOKEN, "extra": packed}
        ),
        "address with a whole extra": f"restock-shopify://:{TOKEN}@127.0.0.1:{shopify.port}/http?__extra__="
        + quote_plus(packed),
    }[form]
    assert ShopConnection.from_text(text, "there").extra == extra
    monkeypatch.setenv("AIRFLOW_CONN_SHOP_ACME", text)
    assert "full pull" in run("sync", "acme")
    assert "Brass lamp" in run("shops", "check", "acme", "--connection", "-", given=text + "\n")


@pytest.mark.parametrize(
    "text", ['{"password": "canary"', '{"host": 17, "password": "canary"}', '{"extra": "canary"}']
)
def test_a_connection_that_is_no_good_json_shows_nothing_of_itself(run, text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        run("sync", "acme", "--connection", text)
    assert "--connection is no Connection such as" in str(caught.value) and "canary" not in str(caught.value)


def test_a_sync_that_is_refused_is_accepted_by_pulling_once_more(run, tmp_path: Path) -> None:
    feed(tmp_path, *({"id": f"LAMP-{number}", "stock": 1} for number in range(60)))
    run("sync", "papers")
    feed(tmp_path, *({"id": f"LAMP-{number}", "stock": 1} for number in range(20)))
    with pytest.raises(SnapshotRefused, match=r"restock sync papers --accept-reason TEXT\.$"):
        run("sync", "papers")
    newest = CliRunner().invoke(app, ["snapshots", "list", "--shop", "papers"]).output.split()[0]
    accept = ["snapshots", "accept", newest, "--shop", "papers", "--reason", "a clearance"]
    told = CliRunner().invoke(app, accept).exception
    assert isinstance(told, ConfigurationError)
    assert "no run loads it again" in str(told) and "restock sync papers --accept-reason TEXT" in str(told)
    assert "rows 20" in run("sync", "papers", "--accept-reason", "a clearance")
    listed = CliRunner().invoke(app, ["snapshots", "list", "--shop", "papers"]).output.splitlines()
    states = [line.split()[3] for line in listed if not line.startswith(" ")]
    assert states == ["complete", "rejected", "complete"]


def test_the_list_of_snapshots_cuts_no_window_and_no_reason(run, tmp_path: Path) -> None:
    feed(tmp_path, {"id": "LAMP", "stock": 4})
    run("sync", "papers")
    feed(tmp_path, {"id": "LAMP", "stock": "[many]"})
    with pytest.raises(SnapshotRefused):
        run("sync", "papers")
    listed = CliRunner().invoke(app, ["snapshots", "list", "--shop", "papers"]).output.splitlines()
    assert len(listed) == 3
    assert "rejected  rows 0, refused rows 1, window manual--sync-2" in listed[0]
    assert (
        listed[1].startswith("    no readable row;") and "'[many]', where a quantity is a number" in listed[1]
    )
    assert "complete  rows 1, refused rows 0, changed 1, restocks 0, window manual--sync-2" in listed[2]
