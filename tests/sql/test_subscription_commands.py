"""`restock subscriptions` at the terminal."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from include.cli import app
from include.errors import ConfigurationError, NotFound
from tests.builders import World, a_row

SHOPS = """
shops:
  - id: demo
    platform: feed
    schedule: 15 minutes
    currency: EUR
    time_zone: Europe/Berlin
    feed: {url: feeds/lamp.jsonl}
"""


@pytest.fixture
def run(world: World, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shops = tmp_path / "shops.yaml"
    shops.write_text(SHOPS)
    monkeypatch.setenv("RESTOCK_DATABASE_URL", database_url)
    monkeypatch.setenv("RESTOCK_SHOPS", str(shops))

    def call(*words: str) -> str:
        result = CliRunner().invoke(app, ["subscriptions", *words], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return " ".join(result.output.split())

    return call


def test_a_request_is_taken_once_and_counted(run, world: World) -> None:
    given = ("add", "--shop", "demo", "--variant", "LAMP", "--email", "a@example.org")
    assert run(*given) == "Taken as request 1; `restock why 1` says what it waits for."
    assert run(*given) == "Known: it joined request 1, at its place."
    assert "1 wait: 0 for what is in stock now, 1 for what no catalog knows yet" in run(
        "count", "--shop", "demo"
    )


def test_a_request_by_phone_for_any_variant_keeps_its_consent(run, world: World) -> None:
    words = ("--phone", "+49 30 1234567", "--sms-consent", "Text me")
    assert run("add", "--shop", "demo", "--product", "LIGHTS", *words).startswith("Taken as request 1;")
    assert world.query("SELECT product_id, channels FROM subscription") == [("LIGHTS", ["SMS"])]
    assert world.query("SELECT channel, purpose, state, proof FROM consent") == [
        ("SMS", "alert", "given", {"text": "Text me"})
    ]


def test_what_is_wrong_with_a_request_is_told_without_its_address(run) -> None:
    with pytest.raises(ConfigurationError, match="country code") as refused:
        run("add", "--shop", "demo", "--variant", "LAMP", "--phone", "030 12345")
    assert "030" not in str(refused.value)


def test_what_is_in_stock_is_refused_where_the_rule_says_so(run, world: World) -> None:
    world.set_rules(in_stock_request="reject")
    world.sync(a_row("LAMP", 1))
    with pytest.raises(ConfigurationError, match="Not taken: it is in stock now"):
        run("add", "--shop", "demo", "--variant", "LAMP", "--email", "a@example.org")


def test_a_request_of_nobody_says_that_nobody_is_named(run) -> None:
    with pytest.raises(ConfigurationError, match="nobody is named"):
        run("add", "--shop", "demo", "--variant", "LAMP")


def test_a_request_that_is_not_there_is_not_called_closed(run, world: World) -> None:
    world.ask("a@example.org", "LAMP")
    with pytest.raises(NotFound, match="Shop 'demo' has no request 2"):
        run("cancel", "2", "--shop", "demo")
    with pytest.raises(NotFound, match="Shop 'other' has no request 1"):
        run("cancel", "1", "--shop", "other")
    assert world.states() == {"waiting": 1}


def test_a_list_ends_with_its_last_line(run, tmp_path: Path, database_url: str) -> None:
    file = tmp_path / "list.csv"
    file.write_text("email,variant_id,subscribed_at\nnobody,LAMP,2026-01-01\n")
    run("import", str(file), "--shop", "demo")
    listed = CliRunner().invoke(app, ["subscriptions", "refused", "--shop", "demo"]).output
    assert listed.count("\n") == 1 and listed.endswith("name@domain\n")


def test_tokens_of_links_are_honoured_and_an_operator_may_use_ids(run, world: World) -> None:
    for variant in ("LAMP", "VASE"):
        world.ask("a@example.org", variant)
    assert run("keep", world.token("keep", 1)).startswith("It goes on")
    assert run("cancel", world.token("cancel", 1)) == "Cancelled."
    assert run("cancel", "1", "--shop", "demo") == "It was not open."
    assert run("cancel", "2", "--shop", "demo") == "Cancelled."
    assert run("keep", world.token("keep", 1)).startswith("It has ended")


def test_refused_lines_are_listed(run, world: World, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text("email,variant_id,subscribed_at\nnobody,LAMP,2026-01-01\n")
    run("import", str(file), "--shop", "demo")
    assert "line 2: email is no valid address" in run("refused", "--shop", "demo")
