"""The pure rules of opening and the SQL that carries them out say the same."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import fields
from decimal import Decimal

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from include.catalog.base import CatalogRow
from include.db.queries import run_query
from include.domain.history import FirstSight
from include.domain.rules import RuleSet
from include.domain.stock import VariantStock, first_sight, observe, sellable_units
from include.services.past import RuleHistory, read_pasts
from include.services.retelling import LateSnapshot, tell_again, walk_again
from tests.builders import World, a_row, a_shop
from tests.examples import examples

NewWorld = Callable[[], AbstractContextManager[World]]
QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
# Worlds are slow to build: a failing example is told as it was found.
AS_FOUND = [Phase.explicit, Phase.reuse, Phase.generate]

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


@settings(max_examples=examples(16), deadline=None, suppress_health_check=QUIET)
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


overrides = st.fixed_dictionaries(
    {
        "V0": st.fixed_dictionaries({"min_inventory": st.integers(1, 4)}),
        "V1": st.fixed_dictionaries({"confirm_pulls": st.integers(1, 3), "min_restock": st.integers(1, 3)}),
        "V2": st.fixed_dictionaries(
            {
                "oversell": st.sampled_from(["count_units", "always_in_stock"]),
                "included_locations": st.just(["a"]),
            }
        ),
    }
)
present = st.tuples(st.integers(-1, 4), st.booleans())
pulls = st.lists(st.lists(st.none() | present, min_size=5, max_size=5), min_size=2, max_size=7)
PLACES = (("V0", "a"), ("V1", "a"), ("V2", "a"), ("V2", "b"), ("SET", "a"))


def feed_of(pull: list[tuple[int, bool] | None]) -> list[CatalogRow]:
    rows = [a_row("ALWAYS", 1)]
    for (variant, location), sight in zip(PLACES, pull, strict=True):
        if sight is not None:
            rows.append(a_row(variant, sight[0], location, continue_selling=sight[1]))
    return rows


def tell_everything_again(world: World) -> dict[str, VariantStock]:
    with world.engine.begin() as connection:
        observations = run_query(connection, "late.list_observations", shop_id="demo", snapshot_id=0).all()
        names = [row.variant_id for row in connection.execute(text("SELECT variant_id FROM variant"))]
        pasts = read_pasts(connection, "demo", 0, names)
        rules = RuleHistory.read(connection, "demo")
    moments = [row.observed_at for row in observations]
    nothing = LateSnapshot(0, moments[-1], False, moments, {}, {})
    told = tell_again(pasts, names, nothing, rules)
    for one in told:
        walk_again(one, nothing, rules, FirstSight())
    return {one.past.variant_id: one.state for one in told}


@settings(max_examples=examples(16), deadline=None, suppress_health_check=QUIET, phases=AS_FOUND)
@given(rules=rule_sets, later=rule_sets, own=overrides, later_own=overrides, before=pulls, after=pulls)
def test_the_history_told_again_ends_where_detect_and_rule_changes_led(
    new_world: NewWorld, rules: RuleSet, later: RuleSet, own, later_own, before, after
) -> None:
    with new_world() as world:
        world.shop = a_shop(bundles=[{"variant": "SET", "components": {"V0": 1, "V1": 2}}])
        for rule_set, changed, walk in ((rules, own, before), (later, later_own, after)):
            world.pass_time(seconds=1)
            variables = as_variables(rule_set) | {
                "rule_overrides": [{"variant": name, "rules": values} for name, values in changed.items()]
            }
            world.set_rules(**variables)
            for pull in walk:
                world.sync(*feed_of(pull))
        names = [field.name for field in fields(VariantStock)]
        stored = world.query(f"SELECT variant_id, {', '.join(names)} FROM variant_stock")
        assert tell_everything_again(world) == {row[0]: VariantStock(*row[1:]) for row in stored}
