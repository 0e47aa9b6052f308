from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from include.domain.report_days import ended_days
from include.domain.shop import Shop
from include.domain.window import Window
from include.orchestration import catalog_sync, reports

EIGHT = datetime(2026, 3, 1, 8, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


@pytest.fixture
def given_run(monkeypatch: pytest.MonkeyPatch) -> type[SimpleNamespace]:
    class Run(SimpleNamespace):
        def __init__(
            self, run_type: str, start: datetime | None, end: datetime | None, **more: datetime
        ) -> None:
            interval = {"data_interval_start": start, "data_interval_end": end}
            super().__init__(run_type=run_type, run_id=f"{run_type}__1", **interval, **more)
            for module in (catalog_sync, reports):
                monkeypatch.setattr(module, "get_current_context", lambda: {"dag_run": self})

    return Run


def shop_with(schedule: str) -> Shop:
    return Shop.model_validate(
        {
            "id": "demo",
            "platform": "feed",
            "schedule": schedule,
            "currency": "EUR",
            "time_zone": "Europe/Berlin",
            "feed": {"url": "https://shop.example/feed"},
        }
    )


@pytest.mark.parametrize("run_type", ["scheduled", "backfill"])
def test_a_scheduled_and_a_backfilled_run_answer_for_the_same_window(
    given_run: type[SimpleNamespace], run_type: str
) -> None:
    given_run(run_type, EIGHT, EIGHT + QUARTER)
    assert catalog_sync.run_window(QUARTER) == Window.scheduled(EIGHT, EIGHT + QUARTER)


def test_a_backfill_that_begins_off_the_grid_finds_the_windows_of_the_schedule(
    given_run: type[SimpleNamespace],
) -> None:
    given_run("backfill", EIGHT + timedelta(minutes=7), EIGHT + timedelta(minutes=22))
    assert catalog_sync.run_window(QUARTER) == Window.scheduled(EIGHT, EIGHT + QUARTER)


def test_the_intervals_of_a_cron_schedule_are_taken_as_they_are(given_run: type[SimpleNamespace]) -> None:
    given_run("scheduled", EIGHT + timedelta(minutes=7), EIGHT + timedelta(hours=23))
    window = catalog_sync.run_window(None)
    assert (window.start, window.end) == (EIGHT + timedelta(minutes=7), EIGHT + timedelta(hours=23))


@pytest.mark.parametrize("start", [None, EIGHT])
def test_a_run_by_hand_is_an_observation_of_its_own_even_where_airflow_gives_it_an_interval(
    given_run: type[SimpleNamespace], start: datetime | None
) -> None:
    given_run("manual", start, start and start + QUARTER)
    assert catalog_sync.run_window(QUARTER) == Window.manual("manual__1")


def test_a_duration_and_a_cron_expression_both_give_real_intervals() -> None:
    from airflow.sdk import CronDataIntervalTimetable, DeltaDataIntervalTimetable

    assert catalog_sync.shop_timetable(shop_with("15 minutes")) == DeltaDataIntervalTimetable(QUARTER)
    cron = catalog_sync.shop_timetable(shop_with("*/15 * * * *"))
    assert cron == CronDataIntervalTimetable("*/15 * * * *", timezone="Europe/Berlin")


def test_reports_answer_for_their_interval_and_by_hand_for_the_day_of_their_start(
    given_run: type[SimpleNamespace],
) -> None:
    given_run("scheduled", EIGHT - timedelta(days=1), EIGHT)
    assert reports.run_span() == (EIGHT - timedelta(days=1), EIGHT)
    given_run("manual", EIGHT - timedelta(days=1), EIGHT, run_after=EIGHT)
    assert ended_days(*reports.run_span(), ZoneInfo("UTC")) == (EIGHT.date(), EIGHT.date())
