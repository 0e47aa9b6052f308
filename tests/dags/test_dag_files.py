from __future__ import annotations

import ast
import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from include.settings import PROJECT_HOME

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag

DAG_FILES = sorted((PROJECT_HOME / "dags").glob("*.py"))
WOKEN = {
    "restock_release": "restock_due/release",
    "flow__back_in_stock": "restock_due/flow/back_in_stock",
    "dispatch_messages": "restock_due/dispatch",
    "apply_webhooks": "restock_due/webhooks",
}
LOAD_IN_A_FRESH_PROCESS = """
import sys
from airflow.dag_processing.dagbag import DagBag
from airflow import settings
before = set(sys.modules)
bag = DagBag(sys.argv[1])
assert bag.dags and not bag.import_errors, bag.import_errors
heavy = {"pandas", "numpy", "psycopg", "psycopg2", "include.db", "include.services", "requests"}
print("heavy:", *sorted(heavy & set(sys.modules) - before))
"""

Load = Callable[[], "DagBag"]


def test_loading_the_dag_files_touches_no_database_network_variable_or_connection(
    load_dags: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.sdk import Connection, Variable
    from sqlalchemy import Engine

    def refuse(*arguments: Any, **named: Any) -> Any:
        raise AssertionError("This is not for parse time.")

    for owner, name in [
        (socket.socket, "connect"),
        (socket, "create_connection"),
        (Engine, "connect"),
        (Variable, "get"),
        (Variable, "keys"),
        (Connection, "get"),
    ]:
        monkeypatch.setattr(owner, name, refuse)
    bag = load_dags()
    assert not bag.import_errors
    assert "catalog_sync__demo" in bag.dags


def test_loading_the_dag_files_imports_nothing_heavy() -> None:
    command = [sys.executable, "-c", LOAD_IN_A_FRESH_PROCESS, str(PROJECT_HOME / "dags")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT_HOME)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-1].strip() == "heavy:"


def test_these_are_the_dags(load_dags: Load) -> None:
    assert set(load_dags().dags) == {"approve_batch", "catalog_sync__demo", "housekeeping", "reports", *WOKEN}


@pytest.mark.parametrize(
    ("dag_id", "links"),
    [
        ("catalog_sync__demo", {("pull", "load"), ("load", "detect")}),
        ("restock_release", {("rules", "decide"), ("decide", "asked")}),
        ("approve_batch", {("ask", "settle")}),
        (
            "flow__back_in_stock",
            {
                ("wait_for_stock", "tell_by_email"),
                ("wait_for_stock", "report_failed_step"),
                ("tell_by_email", "report_failed_step"),
            },
        ),
        ("dispatch_messages", set()),
        ("housekeeping", {("tidy", "wake_missed"), ("watch", "mail_reports")}),
        ("reports", {("plan", "report"), ("report", "charts"), ("charts", "mail")}),
    ],
)
def test_the_graph_is_this(load_dags: Load, dag_id: str, links: set[tuple[str, str]]) -> None:
    tasks = load_dags().dags[dag_id].tasks
    assert {(task.task_id, below) for task in tasks for below in task.downstream_task_ids} == links


def test_woken_dags_have_an_asset_with_a_watcher_of_its_own_and_no_clock(load_dags: Load) -> None:
    bag = load_dags()
    found = {}
    for dag_id in WOKEN:
        (asset,) = bag.dags[dag_id].timetable.asset_condition.objects
        (watcher,) = asset.watchers
        found[dag_id] = asset.name
        assert asset.name == "restock_due/" + watcher.trigger.target.replace(":", "/")
    assert found == WOKEN


def test_due_assets_appear_nowhere_without_their_watcher(load_dags: Load) -> None:
    # Airflow takes a Dag file that names an asset without a watcher as the wish to remove the trigger.
    for dag in load_dags().dags.values():
        for task in dag.tasks:
            named = [getattr(asset, "name", "") for asset in (*task.inlets, *task.outlets)]
            assert not [name for name in named if name in WOKEN.values()]


def test_a_trigger_keeps_no_secret(load_dags: Load) -> None:
    for dag_id in WOKEN:
        (asset,) = load_dags().dags[dag_id].timetable.asset_condition.objects
        _, arguments = asset.watchers[0].trigger.serialize()
        assert set(arguments) == {"target"}


def test_every_dag_follows_the_house_rules(load_dags: Load) -> None:
    for dag in load_dags().dags.values():
        assert dag.doc_md and len(dag.doc_md) > 100, dag.dag_id
        assert dag.description and dag.description == dag.doc_md.splitlines()[0].replace("*", ""), dag.dag_id
        assert all(dag.params.get_param(name).description for name in dag.params), dag.dag_id
        assert "restock" in dag.tags and len(dag.tags) > 1, dag.dag_id
        assert dag.max_active_runs == (1000 if dag.dag_id == "approve_batch" else 1), dag.dag_id
        assert dag.catchup is False, dag.dag_id
        for task in dag.tasks:
            assert task.owner == "restock", task
            assert 0 <= task.retries <= 3, task
            assert task.execution_timeout, task
            assert task.retry_policy, task


def test_a_lane_that_fell_is_back_within_seconds_however_often_it_fell(load_dags: Load) -> None:
    for lane in load_dags().dags["dispatch_messages"].tasks:
        assert lane.retries == 3
        assert lane.retry_delay == timedelta(seconds=5)
        assert not lane.retry_exponential_backoff


def test_only_syncs_housekeeping_and_reports_run_by_the_clock(load_dags: Load) -> None:
    by_clock = {dag_id for dag_id, dag in load_dags().dags.items() if dag_id not in WOKEN and dag.schedule}
    assert by_clock == {"catalog_sync__demo", "housekeeping", "reports"}


@pytest.mark.parametrize("file", DAG_FILES, ids=lambda file: file.name)
def test_a_dag_file_is_short_has_a_page_for_operators_and_is_seen_by_airflow(file: Path) -> None:
    source = file.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 60
    assert ast.get_docstring(ast.parse(source))
    assert "dag" in source.lower() and "airflow" in source.lower()


@pytest.mark.parametrize("file", DAG_FILES, ids=lambda file: file.name)
def test_a_dag_file_imports_services_only_inside_task_bodies(file: Path) -> None:
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            assert not ast.unparse(node).startswith("from include.services"), ast.unparse(node)


def test_what_parsing_makes_survives_the_way_through_the_metadata_database(load_dags: Load) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    for dag in load_dags().dags.values():
        copy = DagSerialization.from_dict(DagSerialization.to_dict(dag))
        assert copy.dag_id == dag.dag_id
        assert {task.task_id for task in copy.tasks} == set(dag.task_ids)
