from __future__ import annotations

import pytest

from include.domain.rules import RuleSet, describe_variables, parse_rule_set
from include.errors import ConfigurationError


def test_missing_variables_take_their_default() -> None:
    assert parse_rule_set({}) == RuleSet()
    assert parse_rule_set({"restock_min_inventory": None}).min_inventory == 1


def test_the_defaults_of_the_variables_are_the_rules_defaults() -> None:
    spelled = {name: default for name, (default, _) in describe_variables().items()}
    assert parse_rule_set(spelled) == RuleSet()


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("min_inventory", "abc", "a whole number from 1"),
        ("min_inventory", "0", "a whole number from 1"),
        ("min_inventory", "1.5", "a whole number from 1"),
        ("min_inventory", "", "a whole number from 1"),
        ("customers_per_unit", "everyone", "'all' or a whole number from 1"),
        ("customers_per_unit", "0", "'all' or a whole number from 1"),
        ("wait_minutes", "0", "a number of minutes above 0"),
        ("wait_minutes", "nan", "a number of minutes above 0"),
        ("wait_minutes", "inf", "a number of minutes above 0"),
    ],
)
def test_a_bad_variable_is_named_with_its_value_and_what_is_allowed(
    field: str, value: str, allowed: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_rule_set({f"restock_{field}": value})
    assert f"Variable restock_{field} is '{value}'" in str(caught.value)
    assert allowed in str(caught.value)


def test_all_bad_variables_are_named_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_rule_set({"restock_min_inventory": "abc", "restock_wait_minutes": "-1"})
    assert "restock_min_inventory" in str(caught.value) and "restock_wait_minutes" in str(caught.value)


def test_fractions_of_a_minute_are_allowed() -> None:
    assert parse_rule_set({"restock_wait_minutes": " 0.25 "}).wait_minutes == 0.25


def test_a_variable_that_is_no_rule_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="restock_min_inventry"):
        parse_rule_set({"restock_min_inventry": "3"})


def upper_limits() -> list[tuple[str, str]]:
    """Every number that a Variable may not exceed, but for those that nobody would."""
    found = []
    for name, schema in RuleSet.model_json_schema()["properties"].items():
        for form in (schema, *schema.get("anyOf", ())):
            if 100 < form.get("maximum", 0) <= 10**6:
                found.append((name, f"{form['maximum']:.0f}"))
    return found


@pytest.mark.parametrize(("field", "most"), upper_limits())
def test_what_is_allowed_names_the_largest_number(field: str, most: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_rule_set({f"restock_{field}": f"{most}1"})
    assert most in str(caught.value).partition("Allowed is ")[2]
