from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from include.local.postgres import EmbeddedPostgres
from include.settings import PROJECT_HOME

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag

# Airflow reads its configuration when it is imported: this file is read before any test of this folder. The
# database that it names here does not exist; tests that need one take the fixture `airflow_database`.
AIRFLOW_HOME = Path(tempfile.mkdtemp(prefix="restock-airflow-"))
NOWHERE = "postgresql+psycopg2://nobody@127.0.0.1:1/nowhere"
for name in [name for name in os.environ if name.startswith(("AIRFLOW", "RESTOCK"))]:
    del os.environ[name]
os.environ.update(
    {
        "AIRFLOW_HOME": str(AIRFLOW_HOME),
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT_HOME / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(AIRFLOW_HOME / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__FERNET_KEY": "",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": NOWHERE,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": NOWHERE.replace("+psycopg2", "+psycopg_async"),
    }
)

_numbers = itertools.count(1)

SHOPS = """\
shops:
  - id: demo
    platform: feed
    schedule: 15 minutes
    currency: EUR
    time_zone: Europe/Berlin
    feed:
      url: file://{feed}
"""


@pytest.fixture(scope="session", autouse=True)
def airflow_home() -> Iterator[Path]:
    yield AIRFLOW_HOME
    shutil.rmtree(AIRFLOW_HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def airflow_template(postgres_server: EmbeddedPostgres) -> str:
    postgres_server.create_database("airflow_template")
    environment = {**os.environ, **_metadata(postgres_server.url("airflow_template"))}
    command = [sys.executable, "-m", "airflow", "db", "migrate"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return "airflow_template"


@pytest.fixture
def airflow_database(
    postgres_server: EmbeddedPostgres, airflow_template: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    from airflow import settings

    database = f"airflow_{next(_numbers)}"
    postgres_server.create_database(database, template=airflow_template)
    for name, value in _metadata(postgres_server.url(database)).items():
        monkeypatch.setenv(name, value)
    settings.configure_vars()
    settings.configure_orm()
    yield postgres_server.url(database)
    settings.dispose_orm()
    postgres_server.drop_database(database)


@dataclass
class Installation:
    """A project folder's worth of settings: one shop whose feed is a file, its own var folder and databases."""

    folder: Path
    database_url: str

    @property
    def feed(self) -> Path:
        return self.folder / "feed.jsonl"

    @property
    def mails(self) -> list[Path]:
        return sorted((self.folder / "var" / "recorded").glob("*.eml"))

    def stock(self, **quantities: int) -> None:
        rows = [
            {"$id": name, "$inventory_quantity": units, "$title": name} for name, units in quantities.items()
        ]
        self.feed.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def installation(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Installation:
    installation = Installation(tmp_path, database_url)
    shops = tmp_path / "shops.yaml"
    shops.write_text(SHOPS.format(feed=installation.feed))
    monkeypatch.setenv("RESTOCK_VAR", str(tmp_path / "var"))
    monkeypatch.setenv("RESTOCK_SHOPS", str(shops))
    monkeypatch.setenv("AIRFLOW_CONN_RESTOCK_DB", database_url)
    account = {
        "conn_type": "smtp",
        "host": "127.0.0.1",
        "port": 1,
        "extra": {"from_email": "shop@shop.example"},
    }
    monkeypatch.setenv("AIRFLOW_CONN_RESTOCK_SMTP", json.dumps(account))
    return installation


@pytest.fixture
def load_dags() -> Callable[[], DagBag]:
    def load_dags() -> DagBag:
        from airflow.dag_processing.dagbag import DagBag

        return DagBag(PROJECT_HOME / "dags")

    return load_dags


@pytest.fixture
def run_dag(airflow_database: str, load_dags: Callable[[], DagBag]) -> Callable[..., RunOfDag]:
    def run_dag(dag_id: str, **arguments: Any) -> RunOfDag:
        dag = load_dags().dags[dag_id]
        # `dag.test` of Airflow 3.3 takes a deadline's definition for its id and fails.
        dag.deadline = None
        run = dag.test(logical_date=None, **arguments)
        instances = run.get_task_instances()
        return RunOfDag(
            str(run.state),
            {(instance.task_id, instance.map_index): str(instance.state) for instance in instances},
            {instance.task_id: instance.try_number for instance in instances},
        )

    return run_dag


@dataclass(frozen=True)
class RunOfDag:
    """How a run and its tasks ended; -1 is the map index of a task that is not mapped."""

    state: str
    task_states: dict[tuple[str, int], str]
    tries: dict[str, int]

    def state_of(self, task_id: str, map_index: int = -1) -> str:
        return self.task_states[task_id, map_index]


def _metadata(url: str) -> dict[str, str]:
    return {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url.replace("+psycopg", "+psycopg2"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": url.replace("+psycopg", "+psycopg_async"),
    }
