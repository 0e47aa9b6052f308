"""What the tasks of `reports` are given: their span of time, where files go and how they are written."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import ObjectStoragePath, Param, get_current_context

from include.domain.report_days import DAY
from include.orchestration.catalog_sync import INTERVAL_RUNS
from include.settings import load_settings

if TYPE_CHECKING:
    from include.services.report_export import ExportOptions

PARAMS = {
    "full": Param(False, type="boolean", description="Build every day again, from the first one on."),
    "format": Param("csv", enum=["csv", "parquet"], description="Format of the files."),
    "bom": Param(
        False, type="boolean", description="Mark CSV as UTF-8 for spreadsheets that guess otherwise."
    ),
}


def run_span() -> tuple[datetime, datetime]:
    """The data interval of a scheduled or backfilled run; for one started by hand the day on which it was started.

    Its tasks answer for one day also where midnight passes between them, or somebody clears them on a later one.
    """
    run = get_current_context()["dag_run"]
    if run.run_type in INTERVAL_RUNS and run.data_interval_start and run.data_interval_end:
        return run.data_interval_start, run.data_interval_end
    return run.run_after, run.run_after + DAY


def is_full_rebuild() -> bool:
    """Whether the run was asked to build every day again."""
    return bool(get_current_context()["params"]["full"])


def export_options() -> "ExportOptions":
    """How the run was asked to write files."""
    from include.services.report_export import ExportOptions

    params: Any = get_current_context()["params"]
    return ExportOptions(format=params["format"], with_bom=params["bom"])


def artefact_root() -> ObjectStoragePath:
    """Where report files are written."""
    return ObjectStoragePath(load_settings().artefact_url)
