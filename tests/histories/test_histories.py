"""Thousands of random histories of a shop, each variant one of them, against the reference model."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from include.domain.rules import RuleSet
from include.domain.variant_rules import VariantRules
from tests.builders import World
from tests.histories import invariants
from tests.histories.play import Play
from tests.histories.story import VARIANT_COUNT, tell_story

NewWorld = Callable[[], AbstractContextManager[World]]

by_variant = {
    "min_inventory": st.integers(1, 4),
    "customers_per_unit": st.sampled_from(["all", 1, 2, 3]),
    "wait_minutes": st.sampled_from([5.0, 15.0, 30.0, 60.0]),
    "min_restock": st.integers(1, 3),
    "confirm_pulls": st.integers(1, 2),
    "min_out_minutes": st.sampled_from([0.0, 20.0, 40.0]),
}
rule_sets = st.builds(
    RuleSet,
    **by_variant,
    confirm_absent=st.integers(1, 3),
    gates_from_rows=st.just(10**6),
    max_alerts_per_day=st.just(10_000),
)


def test_random_histories_are_what_the_reference_model_says(
    new_world: NewWorld, pytestconfig: pytest.Config
) -> None:
    histories = pytestconfig.getoption("histories")

    @settings(
        max_examples=max(1, histories // VARIANT_COUNT),
        deadline=None,
        # Each `make test` plays the same ones; `make fuzz` looks for new ones.
        derandomize=histories <= 2_000,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    @given(
        seed=st.integers(0, 2**32),
        rules=rule_sets,
        others=st.lists(st.builds(VariantRules, **by_variant), max_size=9),
    )
    def play(seed: int, rules: RuleSet, others: list[VariantRules]) -> None:
        with new_world() as world:
            Play(world, tell_story(seed), rules, others).run()
            invariants.check(world)

    play()
