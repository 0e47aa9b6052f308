from __future__ import annotations

import json

import pytest

from include.domain.overrides import RuleSubject, resolve_rules
from include.domain.rules import RuleSet, parse_rule_set
from include.errors import ConfigurationError

LAMP = RuleSubject("demo", "LAMP-RED", "LAMP", ("lights", "sale"))


def parse(*entries: object) -> RuleSet:
    return parse_rule_set({"restock_rule_overrides": json.dumps(list(entries))})


def problem_of(text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        parse_rule_set({"restock_rule_overrides": text})
    assert "Variable restock_rule_overrides" in str(caught.value)
    return str(caught.value)


def test_the_narrowest_override_holds_rule_by_rule() -> None:
    rules = parse(
        {"variant": "LAMP-RED", "rules": {"min_inventory": 9}},
        {"product": "LAMP", "rules": {"min_inventory": 8, "wait_minutes": 5}},
        {"collection": "lights", "rules": {"min_inventory": 7, "wait_minutes": 6, "customers_per_unit": 3}},
        {"shop": "demo", "rules": {"customers_per_unit": 2, "min_restock": 4}},
    )
    effective = resolve_rules(rules, rules.rule_overrides, LAMP)
    assert effective.rules.min_inventory == 9
    assert effective.rules.wait_minutes == 5
    assert effective.rules.customers_per_unit == 3
    assert effective.rules.min_restock == 4
    assert effective.rules.confirm_pulls == 1
    assert effective.origins == {
        "min_inventory": "variant LAMP-RED",
        "wait_minutes": "product LAMP",
        "customers_per_unit": "collection lights",
        "min_restock": "shop demo",
    }


def test_a_shop_beside_another_scope_limits_it_and_holds_over_every_shop() -> None:
    rules = parse(
        {"shop": "demo", "variant": "LAMP-RED", "rules": {"min_inventory": 3}},
        {"variant": "LAMP-RED", "rules": {"min_inventory": 2}},
    )
    elsewhere = RuleSubject("other", "LAMP-RED")
    assert resolve_rules(rules, rules.rule_overrides, LAMP).rules.min_inventory == 3
    assert resolve_rules(rules, rules.rule_overrides, elsewhere).rules.min_inventory == 2


def test_two_collections_that_disagree_need_a_priority() -> None:
    lights = {"collection": "lights", "rules": {"min_inventory": 3, "wait_minutes": 5}}
    sale = {"collection": "sale", "rules": {"min_inventory": 2, "wait_minutes": 5}}
    problem = problem_of(json.dumps([lights, sale]))
    assert "entries 1 and 2 set min_inventory to 3 for collection 'lights' and to 2" in problem
    assert "collection 'sale'" in problem and '"priority"' in problem and "wait_minutes" not in problem
    rules = parse(lights, sale | {"priority": 1})
    assert resolve_rules(rules, rules.rule_overrides, LAMP).origins["min_inventory"] == "collection sale"


def test_collections_of_two_shops_never_meet() -> None:
    parse(
        {"shop": "a", "collection": "lights", "rules": {"min_inventory": 3}},
        {"shop": "b", "collection": "sale", "rules": {"min_inventory": 2}},
    )


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (
            {"collection": "lights", "rules": {"min_inventory": 0}},
            "entry 2 (collection 'lights'): min_inventory is '0', allowed is a whole number from 1",
        ),
        (
            {"variant": "LAMP", "rules": {"min_inventory": True}},
            "entry 2 (variant 'LAMP'): min_inventory is 'true', allowed is a whole number from 1",
        ),
        (
            {"variant": "LAMP", "rules": {"customers_per_unit": "some"}},
            "customers_per_unit is 'some', allowed is 'all' or a whole number from 1",
        ),
        ({"variant": "LAMP", "rules": {"min_rows_percent": 3}}, "min_rows_percent can't be set here"),
        ({"variant": "LAMP", "rules": {}}, "entry 2 (variant 'LAMP'): rules is {}"),
        ({"variant": 7, "rules": {"min_inventory": 2}}, "variant is 7"),
        ({"sku": "LAMP", "rules": {"min_inventory": 2}}, "entry 2: sku is"),
        ({"rules": {"min_inventory": 2}}, "entry 2: it names no shop, collection, product or variant"),
        (
            {"product": "P", "variant": "V", "rules": {"min_inventory": 2}},
            "product and variant stand together",
        ),
        (
            {"variant": "V", "priority": 1, "rules": {"min_inventory": 2}},
            "a priority is for collections only",
        ),
        ({"variant": "OTHER", "rules": {"min_inventory": 2}}, "entries 1 and 2 are both for variant OTHER"),
        ("LAMP", "entry 2: it is no object"),
    ],
)
def test_a_bad_entry_is_named_with_its_rule_value_and_what_is_allowed(entry: object, said: str) -> None:
    assert said in problem_of(json.dumps([{"variant": "OTHER", "rules": {"min_inventory": 2}}, entry]))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[{]", "line 1, column 3: it is no JSON"),
        ('{"variant": "LAMP"}', "it is no list; allowed is a list of"),
        ('[{"variant": "A", "variant": "B"}]', "'variant' stands twice"),
    ],
)
def test_what_is_no_list_of_overrides_says_so(text: str, said: str) -> None:
    assert said in problem_of(text)


def test_all_problems_are_named_at_once_beside_those_of_other_variables() -> None:
    entries = [
        {"variant": "A", "rules": {"min_inventory": 0, "wait_minutes": -1}},
        {"variant": "B", "rules": {"min_inventory": "x"}},
    ]
    with pytest.raises(ConfigurationError) as caught:
        parse_rule_set({"restock_rule_overrides": json.dumps(entries), "restock_min_inventory": "abc"})
    for part in (
        "variant 'A'): min_inventory",
        "wait_minutes is '-1'",
        "variant 'B')",
        "restock_min_inventory",
    ):
        assert part in str(caught.value)


def test_a_stored_rule_set_reads_as_it_was() -> None:
    rules = parse({"shop": "demo", "collection": "lights", "priority": 2, "rules": {"min_inventory": "3"}})
    assert RuleSet.model_validate(rules.model_dump(mode="json")) == rules
    assert rules.rule_overrides[0].rules == {"min_inventory": 3}
