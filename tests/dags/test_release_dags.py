from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Engine, text

from include.db.engine import connect
from tests.dags.test_dag_runs import ask, value

if TYPE_CHECKING:
    from tests.dags.conftest import Installation, RunOfDag

Run = Callable[..., "RunOfDag"]


@pytest.fixture
def restocked(installation: Installation, engine: Engine, run_dag: Run) -> Installation:
    installation.stock(shirt=0)
    run_dag("catalog_sync__demo")
    ask(engine, 3)
    installation.stock(shirt=20)
    run_dag("catalog_sync__demo")
    return installation


def test_a_large_batch_starts_a_run_that_asks_a_person(
    restocked: Installation,
    engine: Engine,
    run_dag: Run,
    airflow_database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_RESTOCK_APPROVAL_ABOVE", "2")
    assert run_dag("restock_release").state_of("asked", 0) == "success"
    assert value(engine, "SELECT state FROM batch") == "proposed"
    metadata = connect(airflow_database)
    with metadata.connect() as connection:
        runs = connection.execute(
            text("SELECT run_id, conf FROM dag_run WHERE dag_id = 'approve_batch'")
        ).all()
    metadata.dispose()
    batch_id = value(engine, "SELECT batch_id FROM batch")
    assert [tuple(run) for run in runs] == [(f"batch_{batch_id}", {"shop_id": "demo", "batch_id": batch_id})]


def test_a_dry_run_writes_nothing(restocked: Installation, engine: Engine, run_dag: Run) -> None:
    before = value(engine, "SELECT count(*) FROM rule_set")
    run = run_dag("restock_release", run_conf={"dry_run": True})
    assert run.state == "success"
    assert value(engine, "SELECT count(*) FROM batch") == 0
    assert value(engine, "SELECT count(*) FROM rule_set") == before
    assert value(engine, "SELECT count(*) FROM subscription WHERE state = 'waiting'") == 3
