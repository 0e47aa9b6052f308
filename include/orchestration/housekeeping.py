"""What the tasks of `housekeeping` do beyond one service."""

from datetime import UTC, datetime
from typing import Any

from airflow.sdk import Asset

from include.domain.wake import find_missed
from include.orchestration.assets import due_assets
from include.orchestration.connections import open_database
from include.orchestration.flow_files import read_flow_files


def missed_assets() -> list[Asset]:
    """The due assets of all targets whose wake-up was lost."""
    from include.services.due import read_due_times

    with open_database() as engine:
        missed = find_missed(read_due_times(engine), now=datetime.now(UTC))
    return [asset for target, asset in due_assets(read_flow_files()).items() if target in missed]


def look_around() -> dict[str, Any]:
    """The watchdog's findings (SEMANTICS 9.5)."""
    from include.services.watchdog import look

    with open_database() as engine:
        return look(engine, datetime.now(UTC))


def measure_lags() -> dict[str, float]:
    """How far behind everything is, for StatsD."""
    from include.services.lags import read_lags

    with open_database() as engine:
        return read_lags(engine, datetime.now(UTC))
