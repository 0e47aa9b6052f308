"""What needs a person is found, kept and dropped (SEMANTICS 9.5)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from include.domain.report_wish import ReportWish
from include.errors import SnapshotRefused
from include.services.channels import pause_channel
from include.services.lags import read_lags
from include.services.report_build import build_report
from include.services.report_mail import Store, mail_newest
from include.services.report_subscriptions import subscribe
from include.services.reports import report_rows
from include.services.watchdog import look, look_now
from tests.builders import World, a_back_in_stock_flow, a_row


def findings(world: World) -> set[tuple[str, str, int]]:
    look_now(world.engine, world.now)
    return {tuple(row) for row in world.query("SELECT kind, subject, amount FROM report_watchdog")}


def kinds(world: World) -> set[str]:
    return {kind for kind, _, _ in findings(world)}


def test_nothing_is_found_where_nothing_is_wrong(world: World) -> None:
    world.use_flow()
    world.sync(a_row("LAMP", 0))
    world.ask("a@example.org", "LAMP")
    assert findings(world) == set()


def test_a_variant_that_no_catalog_knows_is_named_with_its_people(world: World) -> None:
    world.use_flow()
    world.sync(a_row("LAMP", 0))
    world.ask("a@example.org", "GHOST")
    world.ask("b@example.org", "GHOST")
    assert findings(world) == {("unmatched_variant", "GHOST", 2)}
    world.sync(a_row("LAMP", 0), a_row("GHOST", 0))
    assert findings(world) == set()


def test_people_who_wait_without_a_live_message_are_named(world: World) -> None:
    world.use_flow(a_back_in_stock_flow(status="draft"))
    world.sync(a_row("LAMP", 0))
    world.ask("a@example.org", "LAMP")
    assert findings(world) == {("no_live_message", "back_in_stock", 1)}


def test_a_refused_pull_is_named_until_a_good_one_comes(world: World) -> None:
    world.use_flow()
    world.sync(*[a_row(f"V{number}", 0) for number in range(60)])
    with pytest.raises(SnapshotRefused):
        world.sync(*[a_row(f"V{number}", 0) for number in range(5)])
    refused = world.value("SELECT snapshot_id FROM snapshot WHERE state = 'rejected'")
    assert ("rejected_snapshot", str(refused), 1) in findings(world)
    world.sync(*[a_row(f"V{number}", 0) for number in range(60)])
    assert "rejected_snapshot" not in kinds(world)


def test_stale_stock_is_named(world: World) -> None:
    world.use_flow()
    world.sync(a_row("LAMP", 0))
    world.pass_time(days=2)
    assert ("stale_stock", "stock", 0) in findings(world)


def test_a_paused_channel_is_named_with_what_waits(world: World) -> None:
    world.queue_alerts(3)
    pause_channel(world.engine, "EMAIL", "moving house", world.now)
    assert ("paused_channel", "EMAIL", 3) in findings(world)


def test_what_is_sold_no_more_and_what_is_not_tracked_is_named_where_people_wait(world: World) -> None:
    world.use_flow()
    world.sync(a_row("LAMP", 0), a_row("VASE", 0))
    for item in ("LAMP", "VASE"):
        world.ask("a@example.org", item)
    world.sync(a_row("LAMP", 0, is_published=False), a_row("VASE", 0, is_tracked=False))
    assert findings(world) == {("discontinued_with_waiting", "LAMP", 1), ("stock_not_tracked", "VASE", 1)}


def test_a_product_of_which_no_variant_can_come_back_with_people_waiting(world: World) -> None:
    world.use_flow()
    world.sync(
        a_row("LAMP-1", 0, product_id="lamp", is_published=False),
        a_row("LAMP-2", 0, product_id="lamp", is_published=False),
        a_row("VASE-1", 0, product_id="vase", is_tracked=False),
        a_row("VASE-2", 0, product_id="vase", is_published=False),
        a_row("RUG-1", 0, product_id="rug"),
        a_row("RUG-2", 0, product_id="rug", is_published=False),
    )
    for product_id in ("lamp", "vase", "rug"):
        world.ask_for_any("a@example.org", product_id)
    assert findings(world) == {
        ("discontinued_with_waiting", "any variant of lamp", 1),
        ("stock_not_tracked", "any variant of vase", 1),
    }


def test_a_long_waiting_list_is_named_above_its_limit(world: World) -> None:
    world.use_flow()
    world.set_rules(watchdog_waiting_above=3)
    world.sync(a_row("LAMP", 0), a_row("VASE", 0))
    world.ask_many("LAMP", 4)
    assert findings(world) == {("long_waiting_list", "LAMP", 4)}


def test_messages_in_doubt_are_named(world: World) -> None:
    world.queue_alerts(2)
    with world.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE message SET state = 'held', reason = 'in_doubt'")
    assert ("message_in_doubt", "EMAIL", 2) in findings(world)


def test_a_finding_keeps_the_time_when_it_was_first_found(world: World) -> None:
    world.use_flow()
    world.sync(a_row("LAMP", 0))
    world.ask("a@example.org", "GHOST")
    assert look(world.engine, world.now)["new"] == 1
    first = world.now
    world.pass_time(minutes=59)
    assert look(world.engine, world.now) == {}
    world.pass_time(minutes=1)
    assert look(world.engine, world.now) == {"new": 0, "unmatched_variant": 1}
    assert world.value("SELECT found_at FROM report_watchdog") == first


def test_it_is_a_report_like_any_other_and_holds_no_address(world: World) -> None:
    world.use_flow()
    world.sync(a_row("LAMP", 0))
    world.ask("a@example.org", "GHOST")
    look_now(world.engine, world.now)
    assert build_report(world.engine, "watchdog", world.now) == {"days": 0, "rows": 0}
    today = world.now.date()
    (row,) = report_rows(world.engine, "demo", "watchdog", today, today, world.now)
    assert row["kind"] == "unmatched_variant"
    assert "@" not in str(row)


def test_lags_say_how_far_behind_everything_is(world: World) -> None:
    world.queue_alerts(1)
    world.pass_time(minutes=10)
    lags: dict[str, Any] = read_lags(world.engine, world.now)
    assert lags["dispatch"] == timedelta(minutes=10).total_seconds()
    assert lags["stock"] >= lags["dispatch"]


def test_a_mail_of_the_watchdog_is_of_its_moment(world: World, tmp_path: Path) -> None:
    world.ask("a@example.org", "LAMP")
    wish = {"name": "alarm", "shop": "demo", "report": "watchdog", "to": ["ops@shop.example"]}
    subscribe(world.engine, ReportWish.model_validate({**wish, "when": "finding_count > 0"}), world.now)
    assert mail_newest(world.engine, Store(tmp_path), world.now + timedelta(days=1)) == {"mailed": 1}
