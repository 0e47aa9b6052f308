"""What the tasks of `reports` are given: their span of time and where files go."""

from datetime import UTC, datetime, time

from airflow.sdk import ObjectStoragePath, get_current_context

from include.orchestration.catalog_sync import INTERVAL_RUNS
from include.settings import load_settings


def run_day(now: datetime) -> tuple[datetime, datetime]:
    """The data interval of a scheduled or backfilled run; today until now for a run started by hand."""
    run = get_current_context()["dag_run"]
    if run.run_type in INTERVAL_RUNS and run.data_interval_start and run.data_interval_end:
        return run.data_interval_start, run.data_interval_end
    return datetime.combine(now.date(), time.min, UTC), now


def artefact_root() -> ObjectStoragePath:
    """Where report files are written."""
    return ObjectStoragePath(load_settings().artefact_url)
