"""The pure rules of opening and the SQL that carries them out say the same."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.domain.rules import RuleSet
from include.domain.stock import VariantStock, first_sight, observe, sellable_units
from tests.builders import World, a_row

NewWorld = Callable[[], AbstractContextManager[World]]
QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]

quantities = st.decimals(min_value=-3, max_value=12, places=1)
rule_sets = st.builds(
    RuleSet,
    min_inventory=st.integers(1, 6),
    min_restock=st.integers(1, 4),
    confirm_pulls=st.integers(1, 3),
    min_out_minutes=st.sampled_from([0, 20, 40]),
    gates_from_rows=st.just(10**6),
)
walks = st.lists(st.lists(quantities, min_size=4, max_size=4), min_size=1, max_size=8)


def as_variables(rules: RuleSet) -> dict[str, object]:
    return dict(rules.model_dump())


def expected_walk(levels: list[Decimal], rules: RuleSet, moments: list) -> VariantStock:
    state = first_sight(sellable_units(levels[0]), rules, moments[0])
    for level, moment in zip(levels[1:], moments[1:], strict=True):
        is_unchanged = level == levels[moments.index(moment) - 1]
        waits = state.confirmations > 0 and not state.is_open
        if not is_unchanged or waits:
            state = observe(state, sellable_units(level), rules, moment)
    return state


@settings(max_examples=25, deadline=None, suppress_health_check=QUIET)
@given(rules=rule_sets, walk=walks)
def test_detect_opens_and_closes_as_the_rule_says(new_world: NewWorld, rules: RuleSet, walk) -> None:
    with new_world() as world:
        world.set_rules(**as_variables(rules))
        moments = []
        for step in walk:
            world.sync(*[a_row(f"V{index}", str(level)) for index, level in enumerate(step)])
            moments.append(world.now)
        for index in range(4):
            state = expected_walk([step[index] for step in walk], rules, moments)
            actual = world.query(
                "SELECT units, is_open, confirmations, cycle, opened_at, closed_at, restocked_at, added_units"
                " FROM variant_stock WHERE shop_id = :shop AND variant_id = :variant",
                shop=world.shop.id,
                variant=f"V{index}",
            )[0]
            assert tuple(actual) == (
                state.units,
                state.is_open,
                state.confirmations,
                state.cycle,
                state.opened_at,
                state.closed_at,
                state.restocked_at,
                state.added_units,
            )
            assert state.cycle == world.value(
                "SELECT count(*) FROM restock_event WHERE shop_id = :shop AND variant_id = :variant",
                shop=world.shop.id,
                variant=f"V{index}",
            )
