from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from include.settings import PROJECT_HOME

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag

    from tests.dags.conftest import Installation, RunOfDag

Load = Callable[[], "DagBag"]


@pytest.fixture
def flows_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "flows"
    shutil.copytree(PROJECT_HOME / "dags" / "flows", folder)
    monkeypatch.setenv("RESTOCK_FLOWS", str(folder))
    return folder


def test_a_broken_flow_file_becomes_a_dag_that_says_so_and_removes_no_other(
    flows_folder: Path, load_dags: Load
) -> None:
    (flows_folder / "win_back.yaml").write_text("name: win_back\nsteps: []\n")
    bag = load_dags()
    assert not bag.import_errors
    assert "tell_by_email" in bag.dags["flow__back_in_stock"].task_ids
    broken = bag.dags["flow__win_back"]
    assert broken.task_ids == ["show_problems"]
    assert "broken" in broken.tags
    assert "flows/win_back.yaml:1: title is missing" in str(broken.doc_md)


def test_a_flow_keeps_its_dag_while_its_file_is_broken(flows_folder: Path, load_dags: Load) -> None:
    file = flows_folder / "back_in_stock.yaml"
    file.write_text(file.read_text().replace("template: back_in_stock", "template: back_in_stok"))
    assert "Did you mean 'back_in_stock'?" in str(load_dags().dags["flow__back_in_stock"].doc_md)


def test_the_dag_of_a_broken_flow_fails_with_its_problems(
    flows_folder: Path, installation: Installation, run_dag: Callable[..., RunOfDag]
) -> None:
    (flows_folder / "win_back.yaml").write_text("name: win_back\n")
    run = run_dag("flow__win_back")
    assert run.state_of("show_problems") == "failed"
    assert run.tries["show_problems"] == 1


def test_a_broken_shops_file_becomes_a_dag_that_says_so_and_removes_no_other_file(
    tmp_path: Path, load_dags: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    shops = tmp_path / "shops.yaml"
    shops.write_text("shops:\n  - id: demo\n    platform: fead\n")
    monkeypatch.setenv("RESTOCK_SHOPS", str(shops))
    bag = load_dags()
    assert not bag.import_errors
    assert "fead" in str(bag.dags["catalog_sync"].doc_md)
    assert {"restock_release", "dispatch_messages", "flow__back_in_stock"} <= set(bag.dags)


def test_a_bad_shop_removes_no_other_shops_dag(
    tmp_path: Path, load_dags: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    shops = tmp_path / "shops.yaml"
    good = "platform: feed, schedule: 15 minutes, currency: EUR, time_zone: UTC, feed: {url: a.csv}"
    shops.write_text(f"shops:\n  - {{id: good, {good}}}\n  - {{id: bad, {good}, locale: xx}}\n")
    monkeypatch.setenv("RESTOCK_SHOPS", str(shops))
    bag = load_dags()
    assert bag.dags["catalog_sync__good"].task_ids == ["load", "pull", "detect"]
    assert "catalog_sync__bad" not in bag.dags
    assert "line 3: shop 'bad': locale: 'xx'" in str(bag.dags["catalog_sync"].doc_md)


def test_a_shops_file_that_is_gone_says_so(
    tmp_path: Path, load_dags: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESTOCK_SHOPS", str(tmp_path / "none.yaml"))
    assert "does not exist" in str(load_dags().dags["catalog_sync"].doc_md)
