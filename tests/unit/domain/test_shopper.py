from __future__ import annotations

from datetime import timedelta
from statistics import median

import pytest

from include.domain.shopper import ShopperModel, choose
from include.errors import ConfigurationError

MANY = [f"shopper {number}" for number in range(4_000)]


def test_the_same_shopper_makes_the_same_choice() -> None:
    assert choose(ShopperModel(), "A", 0) == choose(ShopperModel(), "A", 0)


def test_another_seed_shopper_or_turn_makes_another_choice() -> None:
    model = ShopperModel()
    others = [choose(ShopperModel(seed=2), "A", 0), choose(model, "B", 0), choose(model, "A", 1)]
    assert choose(model, "A", 0).delay not in {other.delay for other in others}


def test_a_higher_share_adds_shoppers_and_takes_none_away() -> None:
    few, many = (
        {name for name in MANY if choose(ShopperModel(returning=share), name, 0).comes}
        for share in (0.2, 0.5)
    )
    assert few < many
    assert len(few) / len(MANY) == pytest.approx(0.2, abs=0.02)
    assert len(many) / len(MANY) == pytest.approx(0.5, abs=0.03)


def test_half_come_within_the_median_and_half_are_patient_for_longer_than_theirs() -> None:
    choices = [choose(ShopperModel(visit_minutes=40, patience_days=30), name, 0) for name in MANY]
    assert median(choice.delay for choice in choices) / timedelta(minutes=1) == pytest.approx(40, rel=0.1)
    assert median(choice.patience for choice in choices) / timedelta(days=1) == pytest.approx(30, rel=0.1)


def test_without_spread_everybody_comes_after_the_same_time() -> None:
    model = ShopperModel(visit_minutes=40, visit_spread=0)
    assert {choose(model, name, 0).delay for name in MANY[:50]} == {timedelta(minutes=40)}


def test_the_longest_times_stay_within_what_a_calendar_holds() -> None:
    choice = choose(ShopperModel(visit_minutes=1e300, patience_days=1e300), "A", 0)
    assert choice.delay == choice.patience == timedelta(days=3650)


@pytest.mark.parametrize(
    "assumption",
    [
        {"returning": 1.1},
        {"asking_again": -0.1},
        {"visit_minutes": 0},
        {"patience_days": float("nan")},
        {"visit_spread": 6},
    ],
)
def test_an_impossible_assumption_is_refused_by_its_name(assumption: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match=f"{next(iter(assumption))} is .*; allowed is"):
        ShopperModel(**assumption)  # type: ignore[arg-type]
