from __future__ import annotations

import json

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from include.domain.overrides import RuleSubject, read_overrides, resolve_rules
from include.domain.rules import RuleSet
from include.services.rules import insert_rule_set
from tests.builders import START, World

QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
names = st.sampled_from(["a", "b", "B", "ä"])
changes = st.fixed_dictionaries(
    {},
    optional={
        "min_inventory": st.integers(1, 3),
        "customers_per_unit": st.sampled_from(["all", 2, 5]),
        "wait_minutes": st.sampled_from([0.5, 30]),
    },
).filter(bool)
entries = st.builds(
    lambda scope, target, shop, priority, rules: (
        ({"shop": shop} if shop else {})
        | {scope: target, "rules": rules}
        | ({"priority": priority} if scope == "collection" else {})
    ),
    scope=st.sampled_from(["shop", "collection", "collection", "product", "variant"]),
    target=names,
    shop=st.none() | names,
    priority=st.integers(0, 2),
    rules=changes,
)


def effective_rules(connection: Connection, rule_set_id: int, subject: RuleSubject):
    return connection.execute(
        text(
            "SELECT changed, origins FROM effective_rules(:rule_set, :shop, :variant, :product, CAST(:found AS text[]))"
        ),
        {
            "rule_set": rule_set_id,
            "shop": subject.shop_id,
            "variant": subject.variant_id,
            "product": subject.product_id,
            "found": list(subject.collections),
        },
    ).one()


@settings(max_examples=150, deadline=None, suppress_health_check=QUIET)
@given(
    written=st.lists(entries, max_size=8),
    subject=st.builds(
        RuleSubject, names, names, st.none() | names, st.lists(names, unique=True, max_size=3).map(tuple)
    ),
)
def test_the_database_resolves_overrides_as_the_rule_says(
    connection: Connection, written: list[dict], subject: RuleSubject
) -> None:
    try:
        overrides = read_overrides(written)
    except ValueError:
        assume(False)
    rules = RuleSet(rule_overrides=overrides)
    expected = resolve_rules(rules, overrides, subject)
    found = effective_rules(connection, insert_rule_set(connection, rules, START), subject)
    assert (found.origins or {}) == expected.origins
    assert rules.model_copy(update=found.changed or {}) == rules.model_copy(
        update=expected.rules.model_dump(mode="json")
    )


def test_overrides_are_stored_with_their_rule_set(world: World) -> None:
    entry = {"variant": "LAMP", "rules": {"min_inventory": 5}}
    first = world.set_rules(rule_overrides=[entry])
    assert world.set_rules(rule_overrides=json.dumps([entry])) == first
    second = world.set_rules(rule_overrides="")
    assert second > first
    assert world.query("SELECT rule_set_id, scope, target, rules FROM rule_override") == [
        (first, "variant", "LAMP", {"min_inventory": 5})
    ]
