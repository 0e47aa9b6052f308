"""Reports go out by mail through the real Dags, to a real SMTP server (SEMANTICS 9.3)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from types import SimpleNamespace
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, text

from include.domain.report_wish import VARIABLE
from include.services.outbox import set_delivery
from tests.fixtures.smtp_server import ScriptedSmtpServer

if TYPE_CHECKING:
    from tests.dags.conftest import Installation, RunOfDag

Run = Callable[..., "RunOfDag"]


@pytest.fixture
def mailbox(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedSmtpServer]:
    with ScriptedSmtpServer() as server:
        account = {
            "conn_type": "smtp",
            "host": "127.0.0.1",
            "port": server.port,
            "extra": {"from_email": "shop@shop.example", "security": "none"},
        }
        monkeypatch.setenv("AIRFLOW_CONN_RESTOCK_SMTP", json.dumps(account))
        yield server


def value(engine: Engine, statement: str) -> object:
    with engine.connect() as connection:
        return connection.execute(text(statement)).scalar_one()


def test_a_scheduled_report_arrives_once_with_picture_and_file(
    installation: Installation,
    engine: Engine,
    run_dag: Run,
    mailbox: ScriptedSmtpServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from airflow.models.variable import Variable

    now = datetime.now(UTC)
    monkeypatch.setattr("include.orchestration.report_mails.datetime", SimpleNamespace(now=lambda zone: now))
    noon = now.astimezone(ZoneInfo("Europe/Berlin")).replace(hour=12) - timedelta(days=1)
    set_delivery(engine, "live", [])
    installation.stock(shirt=0, hat=3)
    run_dag("catalog_sync__demo")
    wish = {
        "name": "morning",
        "shop": "demo",
        "report": "activity",
        "to": ["crm@shop.example"],
        "at": "00:00",
    }
    Variable.set(VARIABLE, json.dumps([wish]))
    assert run_dag("housekeeping").state == "success"
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE report_subscription SET active_since = :since"), {"since": now - timedelta(days=3)}
        )
        connection.execute(
            text(
                "INSERT INTO restock_event (shop_id, variant_id, cycle, opened_at, units_after) "
                "SELECT shop_id, 'shirt', 1, :opened_at, 3 FROM shop"
            ),
            {"opened_at": noon},
        )
    for _ in range(2):
        assert run_dag("housekeeping").state == "success"
        assert run_dag("dispatch_messages").state == "success"
    (mail,) = mailbox.mails
    message = message_from_bytes(mail.content, policy=policy.default)
    kinds = [part.get_content_type() for part in message.walk()]
    assert "image/png" in kinds and "text/csv" in kinds
    assert "restocks: 1" in message.get_body(("plain",)).get_content()  # type: ignore[union-attr]


def test_a_wrong_variable_fails_its_task_with_all_that_is_wrong_and_mails_nothing(
    installation: Installation, engine: Engine, run_dag: Run
) -> None:
    from airflow.models.variable import Variable

    Variable.set(
        VARIABLE, '[{"name": "a b", "shop": "demo", "report": "activity", "to": ["crm@shop.example"]}]'
    )
    run = run_dag("housekeeping")
    assert run.state_of("mail_reports") == "failed"
    assert run.state_of("wake_missed") == "success"
    assert value(engine, "SELECT count(*) FROM report_subscription") == 0
    assert run.tries["mail_reports"] == 1
