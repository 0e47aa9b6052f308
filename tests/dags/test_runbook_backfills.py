"""The runbook's airflow commands are taken by Airflow and start what the page says."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING

from include.settings import PROJECT_HOME

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag

    from tests.dags.conftest import Installation

PAGE = PROJECT_HOME / "docs" / "runbook.md"


def test_the_backfills_of_the_runbook_start_their_runs(
    installation: Installation, airflow_database: str, load_dags: Callable[[], DagBag]
) -> None:
    from airflow.cli.cli_parser import get_parser
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import sync_bag_to_db
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import func, select

    DagBundlesManager().sync_bundles_to_db()
    sync_bag_to_db(load_dags(), "dags-folder", None)
    commands = re.findall(r"^airflow (.+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    for command in commands:
        given = get_parser().parse_args(shlex.split(command))
        given.func(given)
    with create_session() as session:
        counted = select(DagRun.dag_id, func.count()).group_by(DagRun.dag_id)
        runs = dict(session.execute(counted).tuples().all())
    assert len(commands) == 2
    assert runs["reports"] == 2
    assert runs["catalog_sync__demo"] > 90
