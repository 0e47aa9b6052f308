"""What editing a report subscription does to its mails (SEMANTICS 9.3)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from include.cli import app
from include.domain.report_wish import ReportWish
from include.services.report_mail import Store, mail_newest
from include.services.report_subscriptions import edit, subscribe
from tests.builders import World

WEDNESDAY = datetime(2026, 3, 18, 12, tzinfo=UTC)


@pytest.fixture
def store(world: World, tmp_path: Path) -> Store:
    wish = {"name": "morning", "shop": "demo", "report": "activity", "to": ["crm@shop.example"]}
    subscribe(world.engine, ReportWish.model_validate(wish), world.now)
    return Store(tmp_path / "exports")


def test_another_frequency_begins_with_the_next_period(world: World, store: Store) -> None:
    assert mail_newest(world.engine, store, WEDNESDAY) == {"mailed": 1}
    edit(world.engine, "demo", "morning", {"every": "weekly"}, WEDNESDAY)
    assert mail_newest(world.engine, store, WEDNESDAY + timedelta(minutes=15)) == {}
    assert mail_newest(world.engine, store, WEDNESDAY + timedelta(days=5)) == {"mailed": 1}


def test_an_earlier_time_of_day_loses_no_day(world: World, store: Store) -> None:
    edit(world.engine, "demo", "morning", {"at": datetime(2026, 1, 1, 18).time()}, WEDNESDAY)
    assert mail_newest(world.engine, store, WEDNESDAY) == {"mailed": 1}
    edit(world.engine, "demo", "morning", {"at": datetime(2026, 1, 1, 7).time()}, WEDNESDAY)
    assert mail_newest(world.engine, store, WEDNESDAY) == {"mailed": 1}


def test_what_nobody_gets_any_more_can_be_edited(
    world: World, store: Store, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESTOCK_DATABASE_URL", database_url)
    with world.engine.begin() as connection:
        connection.execute(text("UPDATE report_recipient SET ended_at = now(), end_reason = 'unsubscribed'"))
    words = ["reports", "edit", "morning", "--shop", "demo", "--at", "08:00"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.exception
    assert world.query("SELECT to_char(send_at, 'HH24:MI') FROM report_subscription") == [("08:00",)]
    assert world.query("SELECT end_reason FROM report_recipient") == [("unsubscribed",)]
