from sqlalchemy import text

from tests.builders import World, a_row


def restocked_world(world: World, units: int = 20, people: int = 0, **rules: object) -> list[str]:
    world.use_flow()
    world.set_rules(**rules)
    world.sync(a_row("LAMP", 0))
    emails = world.ask_many("LAMP", people) if people else []
    world.sync(a_row("LAMP", units))
    return emails


def test_twenty_units_at_five_per_unit_tell_the_hundred_oldest(world: World) -> None:
    emails = restocked_world(world, units=20, people=130, customers_per_unit=5)
    assert world.tell() == emails[:100]


def test_everyone_is_told_when_customers_per_unit_is_all(world: World) -> None:
    emails = restocked_world(world, units=1, people=30)
    assert world.tell() == emails


def test_the_next_batch_follows_from_what_is_left_after_the_wait(world: World) -> None:
    emails = restocked_world(world, units=20, people=200, customers_per_unit=5, wait_minutes=30)
    assert world.tell() == emails[:100]
    world.sync(a_row("LAMP", 7))
    assert world.tell() == []
    world.sync(a_row("LAMP", 7))
    world.pass_time(minutes=1)
    assert world.tell() == emails[100:135]


def test_a_restock_during_the_wait_changes_nothing_until_it_ends(world: World) -> None:
    emails = restocked_world(world, units=2, people=40, customers_per_unit=5, wait_minutes=60)
    assert world.tell() == emails[:10]
    world.sync(a_row("LAMP", 50))
    assert world.tell() == []
    world.pass_time(minutes=60)
    world.sync(a_row("LAMP", 4))
    assert world.tell() == emails[10:30]


def test_below_the_minimum_nobody_is_told(world: World) -> None:
    restocked_world(world, units=4, people=10, customers_per_unit=5, min_inventory=5)
    assert world.tell() == []
    assert world.states() == {"waiting": 10}


def test_batches_stop_when_the_stock_falls_below_the_minimum(world: World) -> None:
    emails = restocked_world(
        world, units=10, people=100, customers_per_unit=5, min_inventory=5, wait_minutes=10
    )
    assert world.tell() == emails[:50]
    world.sync(a_row("LAMP", 4))
    world.pass_time(minutes=10)
    assert world.tell() == []


def test_a_repeated_run_returns_its_batches_and_releases_no_further_ones(world: World) -> None:
    restocked_world(world, units=1, people=10, customers_per_unit=5, wait_minutes=1)
    first = world.release("run-a")
    world.pass_time(minutes=2)
    world.sync(a_row("LAMP", 9))
    assert world.release("run-a") | {"considered": 1} == first
    assert world.states() == {"released": 5, "waiting": 5}


def test_nobody_is_released_from_stale_stock_and_a_fresh_look_lets_them_go(world: World) -> None:
    restocked_world(world, units=20, people=3)
    world.pass_time(hours=3)
    assert world.tell() == []
    assert world.value("SELECT hold_reason FROM variant_stock") == "stale_stock"
    assert world.value("SELECT next_check_at FROM variant_stock") is None
    world.window_start = world.now
    world.sync(a_row("LAMP", 20))
    assert len(world.tell()) == 3


def test_people_in_flight_count_against_the_next_batch(world: World) -> None:
    restocked_world(world, units=2, people=40, customers_per_unit=5, wait_minutes=10)
    world.release()
    world.pass_time(minutes=10)
    assert world.release()["released"] == 0
    assert world.value("SELECT hold_reason FROM variant_stock") == "in_flight"
    world.move()
    world.dispatch()
    world.pass_time(minutes=10)
    assert world.release()["released"] == 10


def test_who_cant_be_reached_takes_no_place(world: World) -> None:
    restocked_world(world, units=0)
    world.ask("gone@example.org", "LAMP")
    world.pass_time(seconds=1)
    world.ask("here@example.org", "LAMP")
    world.pass_time(seconds=1)
    world.ask("later@example.org", "LAMP")
    with world.engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO suppression VALUES ('demo', 'EMAIL', 'gone@example.org', 'unsubscribed', now())"
        )
    world.set_rules(customers_per_unit=1)
    world.sync(a_row("LAMP", 1))
    assert world.tell() == ["here@example.org"]
    assert world.query("SELECT state, reason FROM subscription ORDER BY subscription_id") == [
        ("skipped", "suppressed"),
        ("notified", None),
        ("waiting", None),
    ]


def test_without_a_live_message_nobody_is_released(world: World) -> None:
    from tests.builders import a_back_in_stock_flow

    restocked_world(world, units=5, people=2)
    world.use_flow(a_back_in_stock_flow(status="draft"))
    assert world.tell() == []
    assert world.value("SELECT hold_reason FROM variant_stock") == "no_live_message"
    world.use_flow()
    assert len(world.tell()) == 2


def test_sold_out_again_before_the_message_keeps_the_place(world: World) -> None:
    restocked_world(world, units=1, people=2, customers_per_unit=1)
    world.release()
    world.sync(a_row("LAMP", 0))
    world.move()
    assert world.dispatch()["skipped"] == 1
    assert world.states() == {"waiting": 2}
    world.pass_time(hours=1)
    world.sync(a_row("LAMP", 1))
    world.pass_time(hours=1)
    assert world.tell() == ["p0000@example.org"]


def test_people_who_wait_are_not_told_of_stock_that_was_always_there(world: World) -> None:
    world.use_flow()
    world.ask("import@example.org", "LAMP", in_stock="next_restock")
    world.sync(a_row("LAMP", 5))
    assert world.tell() == []
    world.sync(a_row("LAMP", 0))
    world.sync(a_row("LAMP", 5))
    assert world.tell() == ["import@example.org"]


def test_a_refused_feed_holds_everyone_until_a_good_one(world: World) -> None:
    import pytest

    from include.errors import SnapshotRefused

    restocked_world(world, units=5, people=2)
    with pytest.raises(SnapshotRefused, match="stands twice"):
        world.sync(a_row("LAMP", 5), a_row("LAMP", 6))
    assert world.tell() == []
    world.sync(a_row("LAMP", 5))
    assert len(world.tell()) == 2


def test_asking_while_it_is_in_stock_joins_the_next_batch(world: World) -> None:
    world.use_flow()
    world.sync(a_row("LAMP", 5))
    world.ask("late@example.org", "LAMP")
    assert world.tell() == ["late@example.org"]


def test_lowering_the_minimum_tells_those_who_wait_for_what_is_there(world: World) -> None:
    emails = restocked_world(world, units=20, people=3, min_inventory=30)
    assert world.tell() == []
    world.set_rules(min_inventory=10)
    assert world.tell() == emails


def test_a_batch_looks_at_whom_it_tells_not_at_the_whole_queue(world: World) -> None:
    world.use_flow()
    world.sync(a_row("LAMP", 0))
    world.ask_many("LAMP", 3_000)
    world.sync(a_row("LAMP", 10))
    with world.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
    before = people_read(world)
    assert world.release(customers_per_unit=2)["released"] == 20
    assert people_read(world) - before < 100


def people_read(world: World) -> int:
    with world.engine.begin() as connection:
        connection.execute(text("SELECT pg_stat_force_next_flush()"))
    return int(
        world.value(
            "SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_user_tables WHERE relname = 'profile'"
        )
    )
