"""Runs that meet: parallel, cleared while a zombie still works, cut off in the middle (SEMANTICS 2.2, 4.8, 6.2)."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from include.db.engine import connect
from include.services import catalog, release, rules
from include.services.dispatch import dispatch_lane
from include.services.shops import register_shop
from tests.builders import Mailbin, RowsConnector, World, a_row, a_shop

LOOKS = 20_000


class GatedConnector(RowsConnector):
    """Stands still in the middle of reading until it is let through."""

    def __init__(self, *rows: Any) -> None:
        super().__init__(rows)
        self.is_reading = threading.Event()
        self.gate = threading.Event()

    def read(self, archive: Any) -> Iterator[Any]:
        self.is_reading.set()
        assert self.gate.wait(30)
        yield from super().read(archive)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(max_workers=8) as threads:
        yield threads


def load(world: World, connector: RowsConnector, window: Any, engine: Engine | None = None) -> dict[str, Any]:
    engine = engine or world.engine
    catalog.pull_window(engine, world.shop, connector, world.folder, window, world.now)
    return catalog.load_snapshot(engine, world.shop, connector, world.folder, window, world.now)


def detect(world: World, connector: RowsConnector, window: Any, snapshot_id: int) -> dict[str, int]:
    return catalog.detect_changes(
        world.engine, world.shop, connector, world.folder, window, snapshot_id, world.now
    )


def wait_until_blocked(world: World, count: int = 1) -> None:
    for _ in range(LOOKS):
        if world.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") >= count:
            return
    raise AssertionError("nothing waits for a lock")


def cut_off_what_is_blocked(world: World) -> None:
    world.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")


@contextmanager
def rows_held(world: World, statement: str) -> Iterator[None]:
    other = connect(world.engine.url.render_as_string(hide_password=False))
    with other.connect() as connection:
        connection.execute(text(statement))
        yield
    other.dispose()


def cut_off_in_the_middle(
    world: World, threads: ThreadPoolExecutor, held: str, work: Callable[[], Any]
) -> None:
    """Let `work` run into rows that somebody holds, and cut its connection there, as a kill does."""
    with rows_held(world, held):
        started = threads.submit(work)
        wait_until_blocked(world)
        cut_off_what_is_blocked(world)
        with pytest.raises(OperationalError):
            started.result(30)


def stock(world: World) -> list[Any]:
    return world.query("SELECT variant_id, units, is_open, cycle FROM variant_stock ORDER BY variant_id")


def history(world: World) -> list[Any]:
    return world.query("SELECT variant_id, quantity FROM stock_change ORDER BY observed_at, variant_id")


def test_a_shop_that_is_loading_holds_up_no_other_shop(world, threads, tmp_path):
    other = World(world.engine, tmp_path / "other", a_shop("other"))
    gated = GatedConnector(a_row("LAMP", 1))
    loading = threads.submit(load, world, gated, world.next_window())
    assert gated.is_reading.wait(30)
    assert other.sync(a_row("VASE", 3))["changed"] == 1
    assert not loading.done()
    gated.gate.set()
    assert loading.result(30)["state"] == "complete"


def test_a_snapshot_that_is_loading_is_read_by_nobody(world, threads):
    world.use_flow()
    world.sync(a_row("LAMP", 0))
    world.ask("a@example.org", "LAMP")
    before, gated = (stock(world), history(world)), GatedConnector(a_row("LAMP", 9))
    loading = threads.submit(load, world, gated, world.next_window())
    assert gated.is_reading.wait(30)
    assert world.tell() == [] and (stock(world), history(world)) == before
    assert world.query("SELECT DISTINCT state FROM snapshot WHERE state <> 'loading'") == [("complete",)]
    gated.gate.set()
    assert loading.result(30)["state"] == "complete"
    assert world.tell() == [] and (stock(world), history(world)) == before


def test_many_shops_sync_at_once(world, threads, tmp_path):
    worlds = [World(world.engine, tmp_path / name, a_shop(name)) for name in "abcdef"]
    done = [threads.submit(each.sync, a_row("LAMP", 0), a_row("VASE", 4)) for each in worlds]
    assert [entry.result(60)["changed"] for entry in done] == [2] * 6


def test_a_cleared_load_waits_for_its_zombie_and_takes_what_that_wrote(world, threads):
    window = world.next_window()
    zombie, successor = GatedConnector(a_row("LAMP", 1)), RowsConnector([a_row("LAMP", 1)])
    first = threads.submit(load, world, zombie, window)
    assert zombie.is_reading.wait(30)
    second = threads.submit(load, world, successor, window)
    wait_until_blocked(world)
    zombie.gate.set()
    assert first.result(30) == second.result(30)
    assert world.value("SELECT count(*) FROM snapshot") == 1


def test_a_zombie_that_was_cut_off_writes_nothing_after_the_run_that_took_over(world, threads):
    window = world.next_window()
    zombie, successor = GatedConnector(a_row("LAMP", 9)), RowsConnector([a_row("LAMP", 2)])
    first = threads.submit(load, world, zombie, window)
    assert zombie.is_reading.wait(30)
    world.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid()"
    )
    snapshot_id = load(world, successor, window)["snapshot_id"]
    detect(world, successor, window, snapshot_id)
    before = (stock(world), history(world))
    zombie.gate.set()
    with pytest.raises(OperationalError):
        first.result(30)
    assert (stock(world), history(world)) == before


@pytest.mark.parametrize("zombies_rows", [[("LAMP", 9)], []])
def test_a_zombie_that_wakes_up_late_changes_nothing(world, zombies_rows):
    window = world.next_window()
    rows = RowsConnector([a_row("LAMP", 2)])
    snapshot_id = load(world, rows, window)["snapshot_id"]
    detect(world, rows, window, snapshot_id)
    world.sync(a_row("LAMP", 0))
    before = (stock(world), history(world))
    zombie = RowsConnector([a_row(name, units) for name, units in zombies_rows])
    assert load(world, zombie, window)["snapshot_id"] == snapshot_id
    detect(world, zombie, window, snapshot_id)
    assert (stock(world), history(world)) == before


def test_two_detects_of_one_snapshot_write_its_changes_once(world, threads):
    world.sync(a_row("LAMP", 0))
    world.ask("a@example.org", "LAMP")
    window, rows = world.next_window(), RowsConnector([a_row("LAMP", 5)])
    snapshot_id = load(world, rows, window)["snapshot_id"]
    done = [threads.submit(detect, world, rows, window, snapshot_id) for _ in range(4)]
    assert {str(entry.result(30)) for entry in done} == {
        str({"changed": 1, "opened": 1, "closed": 0, "events": 1, "held": 0})
    }
    assert world.value("SELECT count(*) FROM restock_event") == 1


def test_a_load_that_was_cut_off_is_done_again_whole(world, threads):
    window = world.next_window()
    rows = RowsConnector([a_row("LAMP", 3), a_row("VASE", 0)])
    held = "SELECT pg_advisory_xact_lock(hashtextextended('restock.stock.demo', 0))"
    catalog.pull_window(world.engine, world.shop, rows, world.folder, window, world.now)
    cut_off_in_the_middle(world, threads, held, lambda: load(world, rows, window))
    assert load(world, rows, window)["rows"] == 2


def test_a_detect_that_was_cut_off_is_done_again_whole(world, threads):
    world.sync(a_row("LAMP", 0), a_row("VASE", 0))
    window, rows = world.next_window(), RowsConnector([a_row("LAMP", 3), a_row("VASE", 4)])
    snapshot_id = load(world, rows, window)["snapshot_id"]
    held = "SELECT FROM variant_stock WHERE variant_id = 'VASE' FOR UPDATE"
    cut_off_in_the_middle(world, threads, held, lambda: detect(world, rows, window, snapshot_id))
    assert [row.units for row in stock(world)] == [0, 0]
    assert detect(world, rows, window, snapshot_id)["opened"] == 2
    assert [row.units for row in stock(world)] == [3, 4]


def test_a_decision_that_was_cut_off_is_made_once(world, threads):
    world.use_flow()
    world.sync(a_row("LAMP", 0))
    world.ask_many("LAMP", 10)
    world.sync(a_row("LAMP", 4))
    rule_set_id = world.set_rules(customers_per_unit=1)
    decide = lambda: release.release_due(world.engine, rule_set_id, "run", world.now)  # noqa: E731
    held = "SELECT FROM subscription WHERE subscription_id = 4 FOR UPDATE"
    cut_off_in_the_middle(world, threads, held, decide)
    assert world.states() == {"waiting": 10}
    assert decide()["released"] == decide()["released"] == 4
    assert world.states() == {"released": 4, "waiting": 6}


def test_one_run_cleared_while_it_decides_releases_once(world, threads):
    world.use_flow()
    world.sync(a_row("LAMP", 0))
    world.ask_many("LAMP", 10)
    world.sync(a_row("LAMP", 4))
    rule_set_id = world.set_rules(customers_per_unit=1)
    done = [
        threads.submit(release.release_due, world.engine, rule_set_id, "run", world.now) for _ in range(5)
    ]
    assert [entry.result(30)["released"] for entry in done] == [4] * 5
    assert world.states() == {"released": 4, "waiting": 6}


def test_one_flow_step_moved_by_two_runs_queues_each_message_once(world, threads):
    world.use_flow()
    world.sync(a_row("LAMP", 0))
    world.ask_many("LAMP", 200)
    world.sync(a_row("LAMP", 500))
    world.release()
    moved = [threads.submit(world.move) for _ in range(4)]
    assert sum(entry.result(30)["messages"] for entry in moved) == 200


@pytest.mark.parametrize("lanes", [2, 4])
def test_lanes_on_one_channel_send_each_message_once(world, threads, lanes):
    emails = world.queue_alerts(people=600, units=1000)
    bins = [Mailbin() for _ in range(lanes)]
    done = [
        threads.submit(world.dispatch, f"lane-{number}", sender=mail, recorder=Mailbin())
        for number, mail in enumerate(bins)
    ]
    assert sum(entry.result(60)["sent"] for entry in done) == 600
    assert Counter(recipient for mail in bins for recipient in mail.recipients) == Counter(emails)


def test_a_lane_whose_database_goes_away_repeats_nothing_thanks_to_its_journal(world, threads, tmp_path):
    emails = world.queue_alerts(people=300, units=1000)
    journals, mail, sent = tmp_path / "journals", Mailbin(), itertools.count(1)
    kept, own = mail.send, connect(world.engine.url.render_as_string(hide_password=False))

    def send(batch: Any) -> Iterator[Any]:
        for envelope, outcome in kept(batch):
            if next(sent) == 120:
                world.query(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            yield envelope, outcome

    mail.send = send
    lane = world.lane(sender=mail, journals=journals)
    lane.engine = own
    with pytest.raises(OperationalError):
        dispatch_lane(lane, world.now.replace(hour=23))
    own.dispose()
    world.dispatch("lane-2", journals=journals)
    assert Counter([*mail.recipients, *world.mail.recipients]) == Counter(emails)
    assert world.states() == {"notified": 300}


def test_rules_stored_for_the_first_time_while_a_shop_loads_do_not_block_each_other(world, threads):
    window, rows = world.next_window(), RowsConnector([a_row("LAMP", 1)])
    catalog.pull_window(world.engine, world.shop, rows, world.folder, window, world.now)
    done: list[Future[Any]] = []
    with rows_held(world, "SELECT pg_advisory_xact_lock(hashtextextended('restock.stock.demo', 0))"):
        done.append(threads.submit(load, world, rows, window))
        wait_until_blocked(world)
        done.append(
            threads.submit(rules.store_rule_set, world.engine, {"restock_min_inventory": "3"}, world.now)
        )
        wait_until_blocked(world, count=2)
    assert [bool(entry.result(30)) for entry in done] == [True, True]
    with world.engine.connect() as connection:
        assert rules.rules_in_force(connection, world.now)[1].min_inventory == 3


def test_registering_a_shop_twice_at_once_registers_one(world, threads):
    def register() -> None:
        with world.engine.begin() as connection:
            register_shop(connection, a_shop("new"), world.now)

    for entry in [threads.submit(register) for _ in range(6)]:
        entry.result(30)
    assert world.value("SELECT count(*) FROM shop WHERE shop_id = 'new'") == 1
