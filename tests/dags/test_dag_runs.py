from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, text

from include.db.engine import connect
from include.domain.report_days import REPORTS
from include.domain.request import Request
from include.domain.window import Window
from include.errors import TemporaryError
from include.services.requests import take_requests

if TYPE_CHECKING:
    from tests.dags.conftest import Installation, RunOfDag

Run = Callable[..., "RunOfDag"]


def ask(engine: Engine, count: int, variant_id: str = "shirt") -> None:
    now = datetime.now(UTC)
    requests = [
        Request(
            f"p{place}@example.org", f"p{place}@example.org", variant_id, now - timedelta(minutes=60 - place)
        )
        for place in range(count)
    ]
    with engine.begin() as connection:
        take_requests(connection, "demo", requests, "test", "notify", now)


def value(engine: Engine, statement: str) -> Any:
    with engine.connect() as connection:
        return connection.execute(text(statement)).scalar_one()


def test_a_restock_travels_from_the_feed_to_the_mailbox(
    installation: Installation, engine: Engine, run_dag: Run
) -> None:
    installation.stock(shirt=0, hat=3)
    assert run_dag("catalog_sync__demo").state == "success"
    ask(engine, 3)
    installation.stock(shirt=20, hat=3)
    for dag_id in ("catalog_sync__demo", "restock_release", "flow__back_in_stock", "dispatch_messages"):
        assert run_dag(dag_id).state == "success"
    assert len(installation.mails) == 3
    assert value(engine, "SELECT count(*) FROM subscription WHERE state = 'notified'") == 3
    for dag_id in ("restock_release", "flow__back_in_stock", "dispatch_messages"):
        assert run_dag(dag_id).state == "success"
    assert len(installation.mails) == 3


def test_a_refused_feed_fails_its_task_without_a_retry_and_changes_nothing(
    installation: Installation, engine: Engine, run_dag: Run
) -> None:
    installation.stock(**{f"v{number}": 5 for number in range(100)})
    run_dag("catalog_sync__demo")
    installation.stock(v0=5)
    run = run_dag("catalog_sync__demo")
    assert run.state == "failed"
    assert run.state_of("load") == "failed"
    assert run.state_of("detect") == "upstream_failed"
    assert run.tries["load"] == 1
    assert value(engine, "SELECT sum(quantity) FROM stock_level") == 500


def test_a_refused_feed_passes_a_run_that_a_person_gave_a_reason(
    installation: Installation, engine: Engine, run_dag: Run
) -> None:
    installation.stock(**{f"v{number}": 5 for number in range(100)})
    run_dag("catalog_sync__demo")
    installation.stock(v0=5)
    run = run_dag("catalog_sync__demo", run_conf={"accept_reason": "the shop was cut down to one article"})
    assert run.state == "success"
    assert value(engine, "SELECT accepted_reason FROM snapshot ORDER BY snapshot_id DESC LIMIT 1") == (
        "the shop was cut down to one article"
    )
    assert value(engine, "SELECT state FROM snapshot ORDER BY snapshot_id DESC LIMIT 1") == "complete"


def test_a_wrong_variable_fails_the_release_at_once_and_tells_nobody(
    installation: Installation, engine: Engine, run_dag: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_RESTOCK_MIN_INVENTORY", "abc")
    installation.stock(shirt=20)
    run_dag("catalog_sync__demo")
    ask(engine, 1)
    run = run_dag("restock_release")
    assert run.state_of("rules") == "failed"
    assert run.state_of("decide") == "upstream_failed"
    assert run.tries["rules"] == 1
    assert value(engine, "SELECT count(*) FROM subscription WHERE state = 'waiting'") == 1


def test_missing_variables_are_created_and_existing_ones_are_kept(
    installation: Installation, run_dag: Run, engine: Engine
) -> None:
    from airflow.models.variable import Variable

    Variable.set("restock_wait_minutes", "7")
    run_dag("housekeeping")
    assert Variable.get("restock_min_inventory") == "1"
    Variable.set("restock_customers_per_unit", "5")
    run_dag("restock_release")
    assert Variable.get("restock_customers_per_unit") == "5"
    rules = "SELECT wait_minutes || ' ' || customers_per_unit FROM rule_set ORDER BY rule_set_id DESC LIMIT 1"
    assert value(engine, rules) == "7 5"


def test_a_failed_step_turns_the_run_red_and_later_steps_still_run(
    installation: Installation, run_dag: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from include.errors import ConfigurationError
    from include.services import flows

    move_step, moved = flows.move_step, []

    def move_but_not_the_first(engine: Engine, flow_name: str, step_id: str, now: datetime) -> dict[str, int]:
        if step_id == "wait_for_stock":
            raise ConfigurationError("This step is broken.")
        moved.append(step_id)
        return move_step(engine, flow_name, step_id, now)

    monkeypatch.setattr(flows, "move_step", move_but_not_the_first)
    run = run_dag("flow__back_in_stock")
    assert moved == ["tell_by_email"]
    assert run.state_of("tell_by_email") == "success"
    assert run.state_of("report_failed_step") == "failed"
    assert run.state == "failed"


def test_a_window_that_was_never_pulled_says_so_and_skips(
    installation: Installation, engine: Engine, run_dag: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from include.orchestration import catalog_sync

    long_ago = datetime(2026, 3, 1, 8, tzinfo=UTC)
    window = Window.scheduled(long_ago, long_ago + timedelta(minutes=15))
    monkeypatch.setattr(catalog_sync, "run_window", lambda interval: window)
    installation.stock(shirt=20)
    run = run_dag("catalog_sync__demo")
    assert set(run.task_states.values()) == {"skipped"}
    assert value(engine, "SELECT count(*) FROM snapshot") == 0


def test_housekeeping_wakes_what_the_trigger_missed(
    installation: Installation, engine: Engine, run_dag: Run, airflow_database: str
) -> None:
    installation.stock(shirt=20)
    run_dag("catalog_sync__demo")
    ask(engine, 1)
    with engine.begin() as connection:
        connection.execute(text("UPDATE variant_stock SET next_check_at = now() - interval '2 minutes'"))
    assert run_dag("housekeeping").state == "success"
    metadata = connect(airflow_database)
    events = (
        "SELECT string_agg(asset.name, ',') FROM asset_event JOIN asset ON asset.id = asset_event.asset_id"
    )
    assert value(metadata, f"{events} WHERE asset.name LIKE 'restock_due/%'") == "restock_due/release"
    metadata.dispose()


def test_every_lane_is_a_task_of_its_own(installation: Installation, run_dag: Run) -> None:
    run = run_dag("dispatch_messages")
    mail_lanes = [("send_email", number) for number in range(4)]
    assert sorted(run.task_states) == [*mail_lanes, ("send_sms", 0)]


def test_a_run_by_hand_reports_today_and_a_report_is_a_mapped_task(
    installation: Installation, run_dag: Run
) -> None:
    installation.stock(shirt=0)
    run_dag("catalog_sync__demo")
    berlin = ZoneInfo("Europe/Berlin")
    before = datetime.now(berlin).date()
    run = run_dag("reports", run_conf={"bom": True})
    assert run.state == "success"
    assert [run.state_of("report", place) for place in range(len(REPORTS))] == ["success"] * len(REPORTS)
    exports = installation.folder / "var" / "exports" / "demo"
    names = sorted(path.name for path in exports.iterdir() if path.is_file())
    today = date.fromisoformat(names[0].rpartition("_")[2].partition(".")[0])
    assert today in (before, datetime.now(berlin).date())
    assert names == sorted(f"{name}_{today}.{suffix}" for name in REPORTS for suffix in ("csv", "json"))
    assert (exports / f"data_quality_{today}.csv").read_bytes().startswith(b"\xef\xbb\xbfshop_id,report_on,")


def test_a_report_that_does_not_add_up_fails_its_task_alone(
    installation: Installation, engine: Engine, run_dag: Run
) -> None:
    installation.stock(shirt=0)
    run_dag("catalog_sync__demo")
    with engine.begin() as connection:
        connection.execute(
            text("CREATE RULE lose AS ON INSERT TO report_data_quality DO INSTEAD NOTHING"),
        )
    run = run_dag("reports")
    assert run.state == "failed"
    states = {name: run.state_of("report", place) for place, name in enumerate(REPORTS)}
    assert {name for name, state in states.items() if state != "success"} == {"data_quality"}


def test_a_temporary_error_is_tried_again_after_the_time_it_asks_for() -> None:
    from airflow.sdk import RetryAction

    from include.orchestration.defaults import ReactToErrorClass

    decision = ReactToErrorClass().evaluate(TemporaryError("Busy.", retry_after=90), 1, 3)
    assert decision.action is RetryAction.RETRY
    assert decision.retry_delay == timedelta(seconds=90)
    assert ReactToErrorClass().evaluate(ValueError("a bug"), 1, 3).action is RetryAction.DEFAULT
