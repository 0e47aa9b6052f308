from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from include.local.demo.assortment import first_stock, list_variants
from include.local.demo.crowd import count_by_variant, list_waiting, write_waiting_list
from include.local.demo.script import MIN_INVENTORY, RUNNER, STAGES, SWEATER, UNSUBSCRIBER
from include.local.demo.walk import stage_at, stock_at
from include.settings import PROJECT_HOME
from tests.demo_oracle import Oracle

MESSAGES_OF_ONE_CLAIM = 100
README = PROJECT_HOME / "README.md"


@pytest.fixture
def waiting_list(tmp_path: Path) -> Path:
    write_waiting_list(tmp_path / "waiting.csv")
    return tmp_path / "waiting.csv"


def test_the_script_tells_as_many_as_the_rule_owes(waiting_list: Path) -> None:
    owed = Oracle(waiting_list).owed_by_stage
    assert [{batch.variant_id: len(batch.people) for batch in stage} for stage in owed] == [
        dict(stage.told) for stage in STAGES
    ]


def test_what_the_readme_tries_is_wanted_in_the_demo() -> None:
    tried = re.findall(
        r"^restock (?:simulate|why) --variant (\S+)", README.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert tried == [RUNNER, RUNNER]


def test_no_stage_tells_more_at_once_than_one_lane_sends_in_order() -> None:
    assert all(sum(stage.told.values()) <= MESSAGES_OF_ONE_CLAIM for stage in STAGES)


def test_the_shop_has_two_thousand_variants_and_each_is_named_once() -> None:
    variants = list_variants()
    assert len(variants) == 2_000
    assert (
        len({variant.variant_id for variant in variants})
        == len({variant.title for variant in variants})
        == 2_000
    )


def test_so_many_are_sold_out_that_reading_999_for_them_is_not_believed() -> None:
    faulty = next(number for number, stage in enumerate(STAGES) if stage.fault == "sold_out_reads_999")
    sold_out = sum(split.units == 0 for split in stock_at(faulty).values())
    assert sold_out > 0.45 * len(list_variants())


def test_about_three_thousand_wait_and_the_most_wanted_has_far_more_than_the_rest() -> None:
    counts = list(count_by_variant().values())
    assert 2_900 <= sum(counts) <= 3_100
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > 400 and counts[len(counts) // 2] <= 2


def test_no_two_people_ask_at_the_same_moment_and_all_in_the_past() -> None:
    moments = [waiting.subscribed_at for waiting in list_waiting()]
    assert len(set(moments)) == len(moments)
    assert max(moments) < datetime(2025, 9, 1, tzinfo=UTC)


def test_some_wait_for_what_is_in_stock_from_the_beginning() -> None:
    stock = {**first_stock(), **STAGES[0].stock}
    in_stock = [name for name in count_by_variant() if name in stock and stock[name].units >= MIN_INVENTORY]
    assert len(in_stock) >= 10


def test_who_unsubscribes_was_told_before_and_waits_for_what_comes_back_later(waiting_list: Path) -> None:
    oracle = Oracle(waiting_list)
    assert UNSUBSCRIBER in next(batch.people for batch in oracle.owed if batch.variant_id == RUNNER)
    assert all(UNSUBSCRIBER not in batch.people for batch in oracle.owed if batch.variant_id == SWEATER)
    assert oracle.skipped["suppressed"] == 1


def test_the_waiting_list_is_the_same_in_every_run(tmp_path: Path, waiting_list: Path) -> None:
    list_waiting.cache_clear()
    count_by_variant.cache_clear()
    write_waiting_list(tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == waiting_list.read_bytes()


def test_after_the_script_the_shop_goes_on_selling_and_restocking() -> None:
    for number in range(len(STAGES), len(STAGES) + 200):
        before, now = stock_at(number - 1), stock_at(number)
        assert all(split.warehouse >= 0 and split.store >= 0 for split in now.values())
        restocked = [name for name in now if before[name].units == 0 and now[name].units > 0]
        assert bool(restocked) == (stage_at(number).fault == "none")


def test_a_step_of_the_walk_says_what_came_back() -> None:
    assert stage_at(len(STAGES)).story.startswith("Back in stock: '")
