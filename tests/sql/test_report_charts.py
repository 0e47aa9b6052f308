"""The rows that charts are drawn from, and the files that they become."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from include.db.queries import run_query
from include.domain.report_period import Period
from include.errors import NotFound
from include.reports.chart_style import as_spec
from include.reports.charts import AGE_BUCKETS, FIRST_MESSAGE_BUCKETS, MOST_BARS
from include.services.report_build import build_report
from include.services.report_charts import SOURCES, STEPS, draw_chart, write_charts_of_interval
from include.services.report_plan import list_report_shops, note_due_days
from tests.builders import START, World, a_row

FIRST_OF_MARCH = Period(date(2026, 3, 1), date(2026, 3, 1))


def rows(world: World, name: str, **given: Any) -> list[dict[str, Any]]:
    with world.engine.connect() as connection:
        found = run_query(connection, f"chart.{name}", shop_id="demo", **given)
        return [dict(row._mapping) for row in found]


def told(world: World) -> World:
    world.use_flow()
    world.set_rules(customers_per_unit=2)
    world.sync(a_row("LAMP", 0, title="Lamp"))
    world.ask_many("LAMP", 5)
    world.ask("sms@example.org", "LAMP", channels=("SMS",))
    world.sync(a_row("LAMP", 2, title="Lamp"))
    world.tell()
    (shop,) = list_report_shops(world.engine, world.now)
    note_due_days(world.engine, shop, world.now)
    for report in {report for reports in SOURCES.values() for report in reports}:
        build_report(world.engine, report, world.now)
    return world


def test_outcomes_are_what_left_and_who_was_skipped(world: World) -> None:
    world = told(world)
    world.release()
    found = {
        row["outcome"]: row["message_count"] for row in rows(world, "outcomes", **FIRST_OF_MARCH._asdict())
    }
    assert found["sent"] == world.value("SELECT count(*) FROM message WHERE state = 'sent'")


def test_the_time_to_the_first_message_is_in_its_bucket(world: World) -> None:
    (row,) = rows(told(world), "first_message", **FIRST_OF_MARCH._asdict())
    assert row == {"bucket": FIRST_MESSAGE_BUCKETS[0], "restock_count": 1}


def test_the_most_wanted_are_named_and_all_others_one_row(world: World) -> None:
    for number in range(MOST_BARS + 3):
        world.ask_many(f"V{number:02}", 30 - number)
    world.ask_for_any("any@example.org", "P1")
    found = rows(world, "demand", most=MOST_BARS)
    assert [row["title"] for row in found[:2]] == ["V00", "V01"]
    assert (found[-1]["title"], found[-1]["variant_count"], found[-1]["waiting_count"]) == (
        None,
        4,
        15 + 14 + 13 + 1,
    )
    assert sum(row["waiting_count"] for row in found) == world.states()["waiting"]


def test_a_request_for_any_variant_is_named_as_such(world: World) -> None:
    world.ask_for_any("any@example.org", "P1")
    assert rows(world, "demand", most=MOST_BARS)[0]["title"] == "P1 (any variant)"


def test_everybody_who_waits_is_in_one_bucket_of_age(world: World) -> None:
    for days in (0, 3, 10, 40, 100, 400):
        world.ask(f"p{days}@example.org", "LAMP", subscribed_at=world.now - timedelta(days=days))
    found = {row["bucket"]: row["waiting_count"] for row in rows(world, "queue_age", now=world.now)}
    assert found == dict.fromkeys(AGE_BUCKETS, 1)


def test_stock_people_and_batches_of_a_variant_over_time(world: World) -> None:
    world = told(world)
    given = {"variant_id": "LAMP", "time_zone": "Europe/Berlin", "steps": STEPS}
    found = rows(world, "stock", start_at=START - timedelta(days=40), end_at=world.now, **given)
    assert len(found) <= 2 * (STEPS + 1) + 1
    last = {row["kind"]: row["amount"] for row in found}
    waiting = [row["amount"] for row in found if row["kind"] == "waiting"]
    assert last == {"stock": 2, "waiting": world.states()["waiting"], "batch": 4}
    assert (waiting[0], max(waiting)) == (0, 5)
    (batch,) = [row for row in found if row["kind"] == "batch"]
    assert batch["at"] == datetime(2026, 3, 1, 9, 30)


def test_a_short_history_fills_the_chart(world: World) -> None:
    world = told(world)
    world.pass_time(minutes=30)
    with world.engine.connect() as connection:
        spec = as_spec(draw_chart(connection, "stock", "demo", FIRST_OF_MARCH, world.now))
    first, last = spec["vconcat"][0]["encoding"]["x"]["scale"]["domain"]
    assert (first[:13], last) == ("2026-03-01T09", "2026-03-01T10:00:00.000Z")


def test_the_files_of_a_day_are_written_for_each_shop_and_removed_when_old(
    world: World, tmp_path: Path
) -> None:
    start = datetime(2026, 2, 28, 23, tzinfo=START.tzinfo)
    counts = write_charts_of_interval(world.engine, start, start + timedelta(days=1), tmp_path, world.now)
    assert counts == {"written": 10, "removed": 0}
    files = sorted(path.name for path in (tmp_path / "demo" / "charts").iterdir())
    assert files[:2] == ["demand_2026-03-01.png", "demand_2026-03-01.svg"]
    later = world.now + timedelta(days=100)
    again = write_charts_of_interval(world.engine, later, later, tmp_path, later)
    assert again["removed"] == 10


def test_an_unknown_chart_or_shop_is_told(world: World) -> None:
    with world.engine.connect() as connection:
        with pytest.raises(NotFound, match="There are: stock, demand"):
            draw_chart(connection, "pie", "demo", FIRST_OF_MARCH, world.now)
        with pytest.raises(NotFound, match="No shop 'nowhere'"):
            draw_chart(connection, "demand", "nowhere", FIRST_OF_MARCH, world.now)
