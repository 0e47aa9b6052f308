from __future__ import annotations

import csv
from datetime import timedelta

from include.services.reports import build_reports
from tests.builders import START, World, a_row


def told_world(world: World) -> None:
    world.use_flow()
    world.set_rules(customers_per_unit=2)
    world.sync(a_row("LAMP", 0, title="=Lamp"), a_row("VASE", 0))
    world.ask_many("LAMP", 5)
    world.ask("v@example.org", "VASE")
    world.sync(a_row("LAMP", 2, title="=Lamp"), a_row("VASE", 0))
    world.tell()


def build(world: World) -> dict[str, int]:
    midnight = START.replace(hour=0)
    return build_reports(
        world.engine, midnight, midnight + timedelta(days=1), world.folder / "exports", world.now
    )


def read(world: World, name: str) -> list[dict[str, str]]:
    with (world.folder / "exports" / f"{name}_{START.date()}.csv").open(
        newline="", encoding="utf-8"
    ) as stream:
        return list(csv.DictReader(stream))


def test_activity_counts_what_happened_on_the_day(world: World) -> None:
    told_world(world)
    build(world)
    lamp = read(world, "activity")[0]
    assert (lamp["variant_id"], lamp["restock_count"], lamp["restocked_units"]) == ("LAMP", "1", "2")
    assert (lamp["released_count"], lamp["notified_count"], lamp["skipped_count"]) == ("4", "4", "0")


def test_who_cannot_be_reached_counts_as_skipped(world: World) -> None:
    world.use_flow()
    world.sync(a_row("LAMP", 0))
    world.ask("sms@example.org", "LAMP", channels=("SMS",))
    world.ask("mail@example.org", "LAMP")
    world.sync(a_row("LAMP", 2))
    world.tell()
    build(world)
    for name in ("activity", "batches"):
        (row,) = read(world, name)
        assert (row["released_count"], row["notified_count"], row["skipped_count"]) == ("1", "1", "1")


def test_the_queue_lists_everyone_who_waits_with_their_place(world: World) -> None:
    told_world(world)
    build(world)
    assert [(row["variant_id"], row["place"]) for row in read(world, "queue")] == [
        ("LAMP", "1"),
        ("VASE", "1"),
    ]
    assert "example.org" not in str(read(world, "queue"))


def test_a_batch_is_shown_with_what_decided_it(world: World) -> None:
    told_world(world)
    build(world)
    (batch,) = read(world, "batches")
    assert (batch["units"], batch["customers_per_unit"], batch["allowed_count"]) == ("2", "2", "4")
    assert (batch["waiting_count"], batch["released_count"], batch["notified_count"]) == ("5", "4", "4")


def test_no_cell_is_a_formula(world: World) -> None:
    told_world(world)
    build(world)
    assert read(world, "activity")[0]["title"] == "'=Lamp"


def test_building_a_day_again_changes_nothing(world: World) -> None:
    told_world(world)
    first = build(world)
    before = {name: read(world, name) for name in first}
    assert build(world) == first
    assert {name: read(world, name) for name in first} == before
