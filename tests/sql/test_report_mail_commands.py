from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from include.cli import app
from include.errors import ConfigurationError, NotFound
from tests.builders import World, a_row

SUBSCRIBE = "subscribe morning activity --shop demo --to crm@shop.example"


@pytest.fixture
def here(world: World, database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    monkeypatch.setenv("RESTOCK_DATABASE_URL", database_url)
    monkeypatch.setenv("RESTOCK_ARTEFACTS", str(tmp_path / "exports"))
    world.sync(a_row("LAMP", 0))
    return world


def run(words: str) -> Result:
    return CliRunner().invoke(app, ["reports", *words.split()])


def said(words: str) -> str:
    done = run(words)
    assert done.exit_code == 0, done.output + str(done.exception)
    return re.sub(r"\s+", " ", done.output)


def test_a_subscription_from_its_beginning_to_its_end(here: World) -> None:
    assert "No report is mailed" in said("subscriptions")
    assert "'morning' mails activity daily at 07:00 to 1 recipient." in said(SUBSCRIBE)
    assert "'morning' is changed." in said(
        "edit morning --shop demo --every weekly --at 06:30 --time-zone UTC"
    )
    listed = said("subscriptions --shop demo")
    assert "morning demo activity weekly at 06:30 UTC to 1 recipient" in listed
    assert listed.strip() in said("list")
    assert "@" not in listed
    assert "A test of 'morning' for" in said("test morning --shop demo")
    assert "1 on their way, test" in said("runs morning --shop demo")
    assert "is paused until" in said("pause morning --shop demo")
    assert "recipient, paused" in said("subscriptions")
    assert "goes on" in said("resume morning --shop demo")
    assert "is deleted" in said("unsubscribe morning --shop demo")
    assert "No report is mailed" in said("subscriptions")


def test_an_address_that_is_named_twice_is_one_recipient(here: World) -> None:
    assert "to 1 recipient." in said(f"{SUBSCRIBE} --to CRM@Shop.example")


def test_an_empty_text_takes_a_condition_away(here: World) -> None:
    said(f"{SUBSCRIBE} --when restock_count>3")
    assert "daily when restock_count > 3 at" in said("subscriptions")
    assert (
        CliRunner().invoke(app, ["reports", "edit", "morning", "--shop", "demo", "--when", ""]).exit_code == 0
    )
    assert " when " not in said("subscriptions")


@pytest.mark.parametrize(
    ("words", "error", "says"),
    [
        (
            f"{SUBSCRIBE} --every hourly",
            ConfigurationError,
            "'every' is 'hourly'; allowed is 'daily', 'weekly'",
        ),
        ("subscribe a activity --shop demo", ConfigurationError, "'to' is missing; it is 1 to 50 addresses"),
        ("subscribe a sales --shop demo --to a@b.example", NotFound, "No report is called 'sales'"),
        ("edit morning --shop demo", ConfigurationError, "Nothing to change was given"),
        ("pause evening --shop demo", NotFound, "no report subscription 'evening'. There are: none"),
        ("send a --shop demo --from 2026-03-02 --to 2026-03-01", ConfigurationError, "is after --to"),
    ],
)
def test_what_can_not_be_meant_is_told(here: World, words: str, error: type[Exception], says: str) -> None:
    done = run(words)
    assert isinstance(done.exception, error)
    assert says in str(done.exception)


def test_the_link_of_a_mail_is_honoured_by_the_same_command_as_a_shoppers(here: World) -> None:
    said(SUBSCRIBE)
    token = here.token("unsubscribe_report", here.value("SELECT recipient_id FROM report_recipient"))
    for answer in ("This report is not sent", "It was unsubscribed before"):
        done = CliRunner().invoke(app, ["unsubscribe", token])
        assert answer in done.output


def test_charts_are_drawn_where_exports_go(here: World, tmp_path: Path) -> None:
    said("chart --shop demo --from 2026-03-01 --to 2026-03-01")
    names = {path.name for path in (tmp_path / "exports" / "demo" / "charts").iterdir()}
    assert len(names) == 10 and "queue_age_2026-03-01.png" in names


def test_a_test_says_where_this_database_only_records(here: World) -> None:
    said(SUBSCRIBE)
    assert said("test morning --shop demo").endswith("is queued. ")
    here.bind_delivery("record_only")
    assert "Delivery is record_only" in said("test morning --shop demo")
