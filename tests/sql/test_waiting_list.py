from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from pathlib import Path

import pytest

from include.errors import ConfigurationError, NotFound
from include.services.waiting_list import export_waiting_list, import_waiting_list
from tests.builders import World, a_row

HEADER = "email,variant_id,subscribed_at,channels,wanted_quantity,first_name\n"


def a_file(world: World, text: str, header: str = HEADER) -> Path:
    world.folder.mkdir(parents=True, exist_ok=True)
    file = world.folder / "waiting.csv"
    file.write_text(header + text, encoding="utf-8")
    return file


def test_an_import_keeps_the_dates_and_the_same_file_again_adds_nothing(world: World) -> None:
    file = a_file(
        world, "a@example.org,LAMP,2026-01-02T03:04:05+01:00,,,Ann\nb@example.org,LAMP,2026-01-01,,2,\n"
    )
    assert import_waiting_list(world.engine, "demo", file, world.now).new == 2
    again = import_waiting_list(world.engine, "demo", file, world.now)
    assert (again.new, again.merged, again.known) == (0, 0, 2)
    assert world.query("SELECT subscribed_at, wanted_quantity FROM subscription ORDER BY 1") == [
        (datetime(2026, 1, 1, tzinfo=UTC), 2),
        (datetime(2026, 1, 2, 2, 4, 5, tzinfo=UTC), 1),
    ]


def test_an_import_after_people_were_told_does_not_ask_for_them_again(world: World) -> None:
    world.use_flow()
    world.sync(a_row("LAMP", 0))
    file = a_file(world, "a@example.org,LAMP,2026-01-02,,,\n")
    import_waiting_list(world.engine, "demo", file, world.now)
    world.sync(a_row("LAMP", 5))
    assert world.tell() == ["a@example.org"]
    assert import_waiting_list(world.engine, "demo", file, world.now).known == 1


def test_each_refused_line_is_kept_with_its_reason_and_without_its_address(world: World) -> None:
    file = a_file(
        world,
        "not an address,LAMP,2026-01-02,,,\n"
        "a@example.org,,2026-01-02,,,\n"
        "a@example.org,LAMP,yesterday,,,\n"
        "a@example.org,LAMP,2999-01-01,,,\n"
        "a@example.org,LAMP,2026-01-02,PIGEON,,\n"
        "a@example.org,LAMP,2026-01-02,,0,\n"
        "a@example.org,LAMP,2026-01-02,,,Ann,surplus\n"
        "good@example.org,LAMP,2026-01-02,,,\n",
    )
    result = import_waiting_list(world.engine, "demo", file, world.now)
    assert result.new == 1
    assert [line for line, _ in result.rejects] == [2, 3, 4, 5, 6, 7, 8]
    kept = world.query("SELECT line_number, reason FROM import_reject ORDER BY line_number")
    assert len(kept) == 7 and "example.org" not in str(kept)


def test_missing_columns_are_named_with_what_was_seen(world: World) -> None:
    file = a_file(world, "a@example.org,LAMP\n", header="mail,sku\n")
    with pytest.raises(
        ConfigurationError,
        match="email or phone or external_id, variant_id or product_id, subscribed_at are missing; seen: mail, sku",
    ):
        import_waiting_list(world.engine, "demo", file, world.now)


def test_an_unknown_shop_is_named(world: World) -> None:
    with pytest.raises(NotFound, match="No shop 'other'"):
        import_waiting_list(world.engine, "other", a_file(world, ""), world.now)


def test_an_import_counts_who_waits_for_what_is_in_stock_and_for_what_is_unknown(world: World) -> None:
    world.sync(a_row("LAMP", 3), a_row("VASE", 0))
    file = a_file(
        world,
        "a@example.org,LAMP,2026-01-02,,,\nb@example.org,VASE,2026-01-02,,,\nc@example.org,CUP,2026-01-02,,,\n",
    )
    result = import_waiting_list(world.engine, "demo", file, world.now)
    assert (result.waiting, result.open_now, result.unmatched) == (3, 1, 1)


def test_imported_people_are_not_told_of_what_is_in_stock_unless_asked_for(world: World) -> None:
    world.use_flow()
    world.sync(a_row("LAMP", 3))
    file = a_file(world, "a@example.org,LAMP,2026-01-02,,,\n")
    import_waiting_list(world.engine, "demo", file, world.now)
    assert world.tell() == []
    other = world.folder / "other.csv"
    other.write_text(HEADER + "b@example.org,LAMP,2026-01-03,,,\n")
    import_waiting_list(world.engine, "demo", other, world.now, in_stock="notify")
    assert world.tell() == ["b@example.org"]


def test_an_export_can_be_imported_and_holds_no_formula(world: World) -> None:
    file = a_file(world, 'a@example.org,LAMP,2026-01-02T00:00:00+00:00,"EMAIL,SMS",3,=1+1\n')
    import_waiting_list(world.engine, "demo", file, world.now)
    target = io.StringIO(newline="")
    assert export_waiting_list(world.engine, "demo", target) == 1
    row = next(csv.DictReader(io.StringIO(target.getvalue(), newline="")))
    assert row["first_name"] == "'=1+1"
    assert row["channels"] == "EMAIL,SMS" and row["wanted_quantity"] == "3"
    exported = world.folder / "exported.csv"
    exported.write_text(target.getvalue(), encoding="utf-8", newline="")
    assert import_waiting_list(world.engine, "demo", exported, world.now).known == 1


def test_a_second_request_keeps_its_place_and_takes_channels_and_quantity(world: World) -> None:
    world.ask("a@example.org", "LAMP")
    first = world.now
    world.pass_time(hours=1)
    world.ask("A@Example.org", "LAMP", channels=("SMS",), wanted_quantity=2)
    assert world.query("SELECT subscribed_at, channels, wanted_quantity FROM subscription") == [
        (first, ["EMAIL", "SMS"], 2)
    ]


def test_who_was_told_is_not_told_of_the_same_variant_again_within_a_day(world: World) -> None:
    world.use_flow()
    world.sync(a_row("LAMP", 5))
    world.ask("a@example.org", "LAMP")
    assert world.tell() == ["a@example.org"]
    world.pass_time(hours=1)
    world.ask("a@example.org", "LAMP")
    world.sync(a_row("LAMP", 5))
    assert world.tell() == []
    world.pass_time(hours=23, minutes=30)
    world.sync(a_row("LAMP", 5))
    assert world.tell() == ["a@example.org"]
