"""Operators are told of what fails, and figures reach StatsD (through the real Dags)."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Engine

from include.settings import PROJECT_HOME
from tests.fixtures.smtp_server import ScriptedSmtpServer

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag

    from tests.dags.conftest import Installation, RunOfDag

Run = Callable[..., "RunOfDag"]
ONE_DAY = ("--from-date", "2026-03-01", "--to-date", "2026-03-01")
GRAFANA = PROJECT_HOME / "docs" / "grafana" / "restock.json"


class Slack:
    """A webhook on 127.0.0.1 that keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                pass

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                outer.said.append(json.loads(content)["text"])
                self.send_response(200)
                self.end_headers()

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/services/T0/SECRET"


@pytest.fixture
def slack() -> Iterator[Slack]:
    slack = Slack()
    threading.Thread(target=slack.server.serve_forever, args=(0.05,), daemon=True).start()
    yield slack
    slack.server.shutdown()
    slack.server.server_close()


@pytest.fixture
def mailbox() -> Iterator[ScriptedSmtpServer]:
    with ScriptedSmtpServer() as server:
        yield server


@pytest.fixture
def operators(
    installation: Installation, slack: Slack, mailbox: ScriptedSmtpServer, monkeypatch: pytest.MonkeyPatch
) -> Installation:
    account = {
        "conn_type": "smtp",
        "host": "127.0.0.1",
        "port": mailbox.port,
        "extra": {"from_email": "shop@shop.example", "security": "none"},
    }
    named = {"conn_type": "generic", "extra": {"to": ["ops@shop.example"]}}
    webhook = {"conn_type": "slackwebhook", "password": slack.url}
    for name, connection in (("SMTP", account), ("OPERATORS", named), ("SLACK", webhook)):
        monkeypatch.setenv(f"AIRFLOW_CONN_RESTOCK_{name}", json.dumps(connection))
    return installation


def test_a_failed_task_is_told_by_mail_and_in_slack_once_in_a_while(
    operators: Installation, mailbox: ScriptedSmtpServer, slack: Slack, run_dag: Run
) -> None:
    for _ in range(2):
        assert run_dag("catalog_sync__demo").state == "failed"
    (mail,) = mailbox.mails
    assert mail.recipient == "ops@shop.example"
    content = mail.content.decode()
    assert "Subject: [Restock] catalog_sync__demo.pull failed" in content
    assert "docs/runbook.md" in content and "feed.jsonl" in content
    (said,) = slack.said
    assert said.startswith("catalog_sync__demo.pull failed")
    assert "@" not in said


def test_nobody_is_told_where_nobody_is_set(
    installation: Installation, mailbox: ScriptedSmtpServer, run_dag: Run
) -> None:
    assert run_dag("catalog_sync__demo").state == "failed"
    assert mailbox.mails == []


def test_what_keeps_operators_from_being_told_hides_nothing(
    operators: Installation, monkeypatch: pytest.MonkeyPatch, run_dag: Run
) -> None:
    monkeypatch.setenv(
        "AIRFLOW_CONN_RESTOCK_SLACK", json.dumps({"conn_type": "generic", "password": "http://127.0.0.1:1"})
    )
    monkeypatch.setenv("AIRFLOW_CONN_RESTOCK_SMTP", json.dumps({"conn_type": "smtp", "host": "127.0.0.1"}))
    run = run_dag("catalog_sync__demo")
    assert (run.state, run.state_of("pull")) == ("failed", "failed")


def test_a_missed_deadline_is_told_from_the_triggerer(
    operators: Installation,
    mailbox: ScriptedSmtpServer,
    slack: Slack,
    airflow_database: str,
    load_dags: Callable[[], DagBag],
) -> None:
    from airflow.cli.cli_parser import get_parser
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import sync_bag_to_db
    from airflow.models.deadline import Deadline
    from airflow.triggers.callback import CallbackTrigger
    from airflow.utils.session import create_session
    from sqlalchemy import select

    DagBundlesManager().sync_bundles_to_db()
    sync_bag_to_db(load_dags(), "dags-folder", None)
    given = get_parser().parse_args(["backfill", "create", "--dag-id", "catalog_sync__demo", *ONE_DAY])
    given.func(given)
    with create_session() as session:
        deadline = session.scalars(select(Deadline).limit(1)).one()
        deadline.handle_miss(session)
        path, kwargs = deadline.callback.data["path"], deadline.callback.data["kwargs"]

    async def run() -> list[str]:
        return [event.payload["state"] async for event in CallbackTrigger(path, kwargs).run()]

    assert asyncio.run(run())[-1] == "success"
    assert "catalog_sync__demo takes too long" in slack.said[0]
    assert "Run: backfill__" in slack.said[0]
    assert len(mailbox.mails) == 1


def test_slow_pulls_and_slow_dispatch_have_a_deadline_and_every_task_a_notifier(
    load_dags: Callable[[], DagBag],
) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    from include.orchestration.notify import TellOperators

    dags = load_dags().dags
    assert {name for name, dag in dags.items() if dag.deadline} == {
        "apply_webhooks",
        "catalog_sync__demo",
        "dispatch_messages",
    }
    for dag in dags.values():
        assert DagSerialization.to_dict(dag)
        for task in dag.tasks:
            tells = task.on_failure_callback
            assert any(
                isinstance(one, TellOperators) for one in (tells if isinstance(tells, list) else [tells])
            )


@pytest.fixture
def statsd(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    from airflow.sdk._shared.observability.metrics import stats
    from airflow.sdk.observability.metrics import statsd_logger

    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.bind(("127.0.0.1", 0))
    listener.settimeout(0.2)
    monkeypatch.setenv("AIRFLOW__METRICS__STATSD_ON", "True")
    monkeypatch.setenv("AIRFLOW__METRICS__STATSD_HOST", "127.0.0.1")
    monkeypatch.setenv("AIRFLOW__METRICS__STATSD_PORT", str(listener.getsockname()[1]))
    stats.initialize(factory=statsd_logger.get_statsd_logger, export_legacy_names=False)
    yield listener
    stats.initialize(factory=stats.NoStatsLogger, export_legacy_names=False)
    listener.close()


def heard(listener: socket.socket) -> set[str]:
    lines: set[str] = set()
    try:
        while True:
            lines |= set(listener.recv(65535).decode().splitlines())
    except TimeoutError:
        return lines


def test_figures_reach_statsd(
    installation: Installation, run_dag: Run, statsd: socket.socket, engine: Engine
) -> None:
    installation.stock(shirt=0, hat=3)
    run_dag("catalog_sync__demo")
    lines = heard(statsd)
    assert "airflow.restock.pulled:2|c" in lines
    run_dag("housekeeping")
    assert any(line.startswith("airflow.restock.lag.stock:") for line in heard(statsd))


def test_the_dashboard_shows_the_figures_that_there_are() -> None:
    from include.orchestration import metrics

    emitted = {name for names in metrics.COUNTED.values() for name in names.values()}
    emitted |= {f"{metrics.LAG}.{name}" for name in ("dispatch", "release", "stock")}
    board = json.loads(GRAFANA.read_text(encoding="utf-8"))
    asked = {
        name
        for panel in board["panels"]
        for target in panel["targets"]
        for name in re.findall(r"airflow_\w+", target["expr"])
    }
    assert asked == {f"airflow_{name.replace('.', '_')}" for name in emitted}
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    assert all(panel["title"] and panel["fieldConfig"]["defaults"].get("unit") for panel in board["panels"])
