from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from include.domain.demand import buying_percent, lost_revenue, reorder_units
from include.domain.orders import OrderLine
from include.domain.report_days import REPORTS
from include.domain.report_period import Period
from include.domain.window import Window
from include.errors import DataCheckFailed, NotFound, SnapshotRefused
from include.messaging.senders.base import Outcome
from include.services import catalog
from include.services.orders import record_order_lines
from include.services.report_build import build_report
from include.services.report_figures import read_figures
from include.services.report_plan import list_report_shops, note_due_days
from include.services.reports import report_rows
from include.services.why import explain_request
from tests.builders import INTERVAL, START, RowsConnector, World, a_row

TODAY = START.date()
BY_DAY = ("activity", "skips", "deliverability", "data_quality", "attribution")


def plan(world: World, asked: tuple[date, date] | None = None, is_full: bool = False) -> int:
    (shop,) = list_report_shops(world.engine, world.now)
    return note_due_days(world.engine, shop, world.now, asked, is_full)


def build(world: World, asked: tuple[date, date] | None = None, is_full: bool = False) -> None:
    plan(world, asked, is_full)
    for name in REPORTS:
        build_report(world.engine, name, world.now)


def rows(world: World, name: str, days: int = 400) -> list[dict[str, Any]]:
    last_on = world.now.date() + timedelta(days=1)
    return report_rows(world.engine, "demo", name, last_on - timedelta(days=days), last_on, world.now)


def everything(world: World) -> dict[str, list[dict[str, Any]]]:
    return {name: rows(world, name) for name in REPORTS}


def buy(world: World, order_id: str, variant_id: str, email: str | None, **changes: Any) -> None:
    known: dict[str, Any] = {
        "line_number": 1,
        "quantity": Decimal(2),
        "amount": Decimal("19.80"),
        "currency": "EUR",
        "ordered_at": world.now,
    }
    line = OrderLine(order_id=order_id, variant_id=variant_id, email_key=email, **{**known, **changes})
    with world.engine.begin() as connection:
        record_order_lines(connection, "demo", [line], world.now)


def told_world(world: World) -> None:
    world.use_flow()
    world.set_rules(customers_per_unit=2)
    world.sync(a_row("LAMP", 0, title="=Lamp", price="9.90"), a_row("VASE", 0))
    world.ask_many("LAMP", 5)
    world.ask("v@example.org", "VASE")
    world.sync(a_row("LAMP", 2, title="=Lamp", price="9.90"), a_row("VASE", 0))
    world.tell()


def test_activity_counts_what_happened_on_the_day(world: World) -> None:
    told_world(world)
    build(world)
    lamp = next(row for row in rows(world, "activity") if row["restock_count"])
    counts = {name: value for name, value in lamp.items() if name.endswith(("_count", "_units"))}
    assert counts == {
        "request_count": 0,
        "ended_count": 4,
        "waiting_count": 1,
        "restock_count": 1,
        "restocked_units": 2,
        "batch_count": 1,
        "released_count": 4,
        "notified_count": 4,
        "skipped_count": 0,
        "order_count": 0,
        "ordered_units": 0,
    }


def test_who_waits_is_counted_on_from_day_to_day(world: World) -> None:
    told_world(world)
    build(world)
    lamp = [(row["request_count"], row["waiting_count"]) for row in rows(world, "activity") if row["title"]]
    assert lamp[0] == (5, 5)
    assert sum(requests for requests, _ in lamp) == 6
    world.pass_time(days=2)
    world.ask("later@example.org", "VASE")
    world.ask("earlier@example.org", "VASE", subscribed_at=START - timedelta(days=50))
    build(world)
    vase = [row for row in rows(world, "activity") if row["variant_id"] == "VASE"]
    assert [(row["report_on"], row["waiting_count"]) for row in vase] == [
        (TODAY - timedelta(days=50), 1),
        (TODAY, 2),
        (TODAY + timedelta(days=2), 3),
    ]


def test_the_day_is_that_of_the_shop(world: World) -> None:
    world.now = START.replace(hour=23, minute=30)
    world.ask("night@example.org", "LAMP")
    build(world)
    assert [row["report_on"] for row in rows(world, "activity")] == [TODAY + timedelta(days=1)]


def test_who_cannot_be_reached_counts_as_skipped(world: World) -> None:
    world.use_flow()
    world.sync(a_row("LAMP", 0))
    world.ask("sms@example.org", "LAMP", channels=("SMS",))
    world.ask("mail@example.org", "LAMP")
    world.sync(a_row("LAMP", 2))
    world.tell()
    build(world)
    for name in ("activity", "batches"):
        (row,) = rows(world, name)
        assert (row["released_count"], row["notified_count"], row["skipped_count"]) == (1, 1, 1)
    (reason,) = rows(world, "skips")
    assert (reason["subject"], reason["reason"], reason["skipped_count"]) == ("request", "undeliverable", 1)


def test_the_queue_lists_everyone_who_waits_with_their_place(world: World) -> None:
    told_world(world)
    assert [(row["variant_id"], row["place"]) for row in rows(world, "queue")] == [("LAMP", 1), ("VASE", 1)]
    assert "example.org" not in str(rows(world, "queue"))


def test_a_batch_is_shown_with_what_decided_it(world: World) -> None:
    told_world(world)
    (batch,) = rows(world, "batches")
    assert (batch["units"], batch["customers_per_unit"], batch["allowed_count"]) == (2, "2", 4)
    assert (batch["waiting_count"], batch["released_count"], batch["notified_count"]) == (5, 4, 4)


def test_a_restock_says_how_soon_somebody_was_told(world: World) -> None:
    told_world(world)
    world.pass_time(minutes=61)
    world.sync(a_row("LAMP", 0, title="=Lamp"), a_row("VASE", 0))
    world.sync(a_row("LAMP", 1, title="=Lamp"), a_row("VASE", 1))
    world.pass_time(minutes=10)
    world.tell()
    told = [
        (row["variant_id"], row["waiting_count"], row["notified_count"], row["minutes_to_first_message"])
        for row in rows(world, "restocks")
    ]
    assert told == [("LAMP", 5, 4, 0), ("LAMP", 1, 1, 10), ("VASE", 1, 1, 10)]


def test_the_skips_report_and_why_agree(world: World) -> None:
    world.use_flow()
    world.set_rules(max_alerts_per_day=1)
    world.sync(a_row("LAMP", 0), a_row("VASE", 0))
    for number in range(4):
        world.ask(f"s{number}@example.org", "LAMP", channels=("SMS",))
        world.ask(f"m{number}@example.org", "LAMP")
        world.ask(f"m{number}@example.org", "VASE")
    with world.engine.begin() as connection:
        connection.execute(
            text("INSERT INTO suppression VALUES ('demo', 'EMAIL', 'm0@example.org', 'manual', :now)"),
            {"now": world.now},
        )
    world.sync(a_row("LAMP", 9), a_row("VASE", 9))
    world.tell()
    build(world)
    told = Counter(
        sentence.rpartition("because of '")[2].removesuffix("'.")
        for (number,) in world.query("SELECT subscription_id FROM subscription")
        if "was skipped" in (sentence := explain_request(world.engine, number, world.now).sentence)
    )
    counted: Counter[str] = Counter()
    for row in rows(world, "skips"):
        if row["subject"] == "request":
            counted[row["reason"]] += row["skipped_count"]
    assert counted == told
    assert len(told) > 1


def test_data_quality_shows_refusals_and_what_a_late_pull_changed(world: World) -> None:
    windows = [Window.scheduled(START + n * INTERVAL, START + (n + 1) * INTERVAL) for n in range(4)]
    levels = [(0, 0), (2, 1), (3, 0), (9, 9)]
    for window, (lamps, vases) in zip(windows, levels, strict=True):
        pulled = RowsConnector([a_row("LAMP", lamps), a_row("VASE", vases)])
        catalog.pull_window(world.engine, world.shop, pulled, world.folder, window, window.end)
    world.now = windows[3].end
    for number in (0, 2, 1):
        world.sync(a_row("LAMP", levels[number][0]), a_row("VASE", levels[number][1]), window=windows[number])
    build(world)
    world.set_rules(gates_from_rows=1)
    with pytest.raises(SnapshotRefused):
        world.sync(a_row("VASE", 9), window=windows[3])
    build(world)
    (row,) = rows(world, "data_quality")
    assert (row["snapshot_count"], row["complete_count"], row["refused_count"]) == (4, 3, 1)
    assert (row["late_count"], row["late_restocks_added"], row["late_restocks_moved"]) == (1, 1, 1)
    assert row["last_refusal"]


def test_deliverability_counts_messages_errors_and_suppressions(world: World) -> None:
    world.mail.answers = {"p0001@example.org": Outcome("address_refused", code="550", detail="no such user")}
    world.queue_alerts(people=3)
    world.dispatch()
    build(world)
    (row,) = rows(world, "deliverability")
    assert (row["channel"], row["sent_count"], row["failed_count"]) == ("EMAIL", 2, 1)
    assert (row["invalid_count"], row["failed_percent"]) == (1, Decimal("33.33"))


def test_an_order_credits_the_last_alert_before_it_within_five_days(world: World) -> None:
    told_world(world)
    world.pass_time(days=4)
    buy(world, "1", "LAMP", "p0000@example.org")
    buy(world, "2", "LAMP", "stranger@example.org")
    buy(world, "3", "VASE", "p0000@example.org")
    world.pass_time(days=2)
    buy(world, "4", "LAMP", "p0001@example.org")
    build(world)
    (line,) = rows(world, "attribution")
    assert (line["order_id"], line["amount"], line["hours_to_order"]) == ("1", Decimal("19.80"), 96)
    (lamp,) = [row for row in rows(world, "activity") if row["order_count"]]
    assert (lamp["ordered_units"], lamp["revenue"], lamp["currency"]) == (2, Decimal("19.80"), "EUR")


def test_an_order_of_two_variants_is_one_order_among_the_key_figures(world: World) -> None:
    world.use_flow()
    world.sync(a_row("LAMP", 0), a_row("VASE", 0))
    for variant_id in ("LAMP", "VASE"):
        world.ask("both@example.org", variant_id)
    world.sync(a_row("LAMP", 2), a_row("VASE", 2))
    world.tell()
    world.pass_time(hours=1)
    for line_number, variant_id in enumerate(("LAMP", "VASE"), 1):
        buy(world, "1", variant_id, "both@example.org", line_number=line_number)
    build(world)
    assert len(rows(world, "attribution")) == 2
    with world.engine.connect() as connection:
        figures = read_figures(connection, "activity", "demo", Period(TODAY, TODAY))
    counts = {figure.name: figure.value for figure in figures}
    assert (counts["order_count"], counts["revenue"]) == (1, 39.6)


def test_what_comes_back_is_subtracted_on_the_day_of_the_order(world: World) -> None:
    told_world(world)
    world.pass_time(days=1)
    ordered_at = world.now
    buy(world, "1", "LAMP", "p0000@example.org")
    build(world)
    world.pass_time(days=20)
    buy(
        world,
        "1",
        "LAMP",
        "p0000@example.org",
        ordered_at=ordered_at,
        returned_quantity=Decimal(1),
        returned_amount=Decimal("9.90"),
    )
    build(world)
    (line,) = rows(world, "attribution")
    assert (line["report_on"], line["quantity"], line["amount"]) == (ordered_at.date(), 1, Decimal("9.90"))


def test_another_attribution_rule_counts_every_day_again(world: World) -> None:
    told_world(world)
    world.pass_time(days=7)
    buy(world, "1", "LAMP", "p0000@example.org")
    build(world)
    assert rows(world, "attribution") == []
    world.set_rules(customers_per_unit=2, attribution_days=8)
    build(world)
    assert [row["attribution_days"] for row in rows(world, "attribution")] == [8]


def test_demand_is_what_its_specification_says(world: World) -> None:
    told_world(world)
    build(world)
    lamp, vase = rows(world, "demand")
    assert (lamp["wanted_units"], lamp["waiting_value"]) == (1, Decimal("9.90"))
    assert (lamp["buying_percent"], lamp["lost_revenue"], lamp["reorder_units"]) == (None, None, 0)
    assert (vase["price"], vase["reorder_units"]) == (None, 1)
    world.pass_time(hours=1)
    buy(world, "1", "LAMP", "p0000@example.org")
    world.pass_time(days=1)
    for number in range(9):
        world.ask(f"w{number}@example.org", "LAMP", wanted_quantity=3)
    build(world)
    lamp = rows(world, "demand")[0]
    percent = buying_percent(told_count=4, order_count=1)
    assert (lamp["wanted_units"], lamp["buying_percent"]) == (28, percent)
    assert lamp["lost_revenue"] == lost_revenue(28, Decimal("9.90"), percent)
    assert lamp["reorder_units"] == reorder_units(28, 2, percent) == 5


def test_orders_that_credit_no_alert_yet_are_no_reason_to_order_nothing(world: World) -> None:
    told_world(world)
    buy(world, "1", "VASE", "somebody@example.org")
    world.pass_time(days=1)
    world.ask("w@example.org", "LAMP", wanted_quantity=30)
    build(world)
    lamp = next(row for row in rows(world, "demand") if row["variant_id"] == "LAMP")
    assert (lamp["buying_percent"], lamp["lost_revenue"]) == (None, None)
    assert lamp["reorder_units"] == lamp["wanted_units"] - lamp["units"] > 0


def test_building_again_changes_nothing_and_writes_no_day_that_is_settled(world: World) -> None:
    told_world(world)
    world.pass_time(days=10)
    build(world)
    before = everything(world)
    assert plan(world) == 1
    for name in REPORTS:
        build_report(world.engine, name, world.now)
    assert everything(world) == before


def test_a_report_that_does_not_add_up_says_both_numbers_and_changes_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from include.services import report_build

    told_world(world)
    build(world)
    before = rows(world, "activity")
    run_query = report_build.run_query

    def forget_some(connection: Any, name: str, /, **given: Any) -> Any:
        done = run_query(connection, name, **given)
        if name == "activity.build_days":
            connection.execute(text("UPDATE report_activity SET request_count = request_count + 7"))
        return done

    monkeypatch.setattr(report_build, "run_query", forget_some)
    plan(world)
    with pytest.raises(
        DataCheckFailed, match=r"activity of shop 'demo' from .* requests: \d+ in the report, 1 in"
    ):
        build_report(world.engine, "activity", world.now)
    monkeypatch.undo()
    assert rows(world, "activity") == before
    assert world.value("SELECT count(*) FROM report_due WHERE report = 'activity'") == 1
    build_report(world.engine, "activity", world.now)
    assert rows(world, "activity") == before


def test_an_unknown_report_names_those_that_exist(world: World) -> None:
    with pytest.raises(NotFound, match="activity, demand"):
        build_report(world.engine, "activty", world.now)


def test_units_that_a_guard_held_back_came_back_with_the_restock(world: World) -> None:
    world.set_rules(confirm_pulls=2, min_restock=3)
    for units in (0, 2, 4, 5):
        world.sync(a_row("LAMP", units))
    build(world)
    assert [(row["units_before"], row["units_after"]) for row in rows(world, "restocks")] == [(0, 5)]
    assert [row["restocked_units"] for row in rows(world, "activity")] == [5]
