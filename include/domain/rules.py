"""The thresholds that people edit as Airflow Variables, and their one validation (SEMANTICS 4.9)."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints, ValidationError

from include.domain.overrides import RuleOverride, read_overrides
from include.domain.variant_rules import VariantRules, allowed_values, none_if_empty, rule
from include.errors import ConfigurationError

VARIABLE_PREFIX = "restock_"


def _read_json(value: Any) -> Any:
    return json.loads(value or "{}") if isinstance(value, str) else value


Rate = Annotated[float, Field(gt=0, le=1_000_000)]
Domain = Annotated[str, StringConstraints(pattern=r"^[^\sA-Z@]+\.[^\sA-Z@]+$", max_length=253)]


class RuleSet(VariantRules):
    """Every rule with its default; each field is the Variable `restock_<field>`."""

    confirm_absent: int = rule(
        2,
        "a whole number from 1 to 100",
        "Full pulls in a row without a variant until it counts as sold out.",
        ge=1,
        le=100,
    )
    min_rows_percent: float = rule(
        50.0,
        "a number from 0 to 100",
        "A full pull with fewer rows than this share of the last one is refused.",
        ge=0,
        le=100,
    )
    max_rejected_percent: float = rule(
        1.0,
        "a number from 0 to 100",
        "A pull with a larger share of unreadable rows is refused.",
        ge=0,
        le=100,
    )
    max_zero_rise_points: float = rule(
        40.0,
        "a number from 0 to 100",
        "A pull whose share of sold-out variants rises by more points is refused.",
        ge=0,
        le=100,
    )
    max_risen_points: float = rule(
        40.0,
        "a number from 0 to 100",
        "A pull in which a larger share of variants rises from zero is refused.",
        ge=0,
        le=100,
    )
    gates_from_rows: int = rule(
        50, "a whole number from 1", "Shares are judged only from this many rows.", ge=1, le=10**9
    )
    max_alerts_per_day: int = rule(
        20, "a whole number from 1", "Alerts that one address gets in 24 hours at most.", ge=1, le=10_000
    )
    on_doubt: Literal["resend", "hold"] = rule(
        "resend",
        "'resend' or 'hold'",
        "What becomes of a message when a crash left it unknown whether it was sent: it goes again under the "
        "same Message-ID, or a person decides (restock messages doubts).",
    )
    email_per_second: Annotated[Rate | None, BeforeValidator(none_if_empty)] = rule(
        None,
        "empty (no limit) or a number of mails per second above 0, fractions included",
        "E-mails that leave per second at most, by all lanes of all machines together.",
    )
    email_per_domain: Annotated[dict[Domain, Rate], BeforeValidator(_read_json)] = rule(
        {},
        'empty or JSON of domains in lower case with mails per second above 0, such as {"gmail.com": 20}',
        "E-mails per second at most to a recipient domain; what is above waits in its order.",
    )

    rule_overrides: Annotated[tuple[RuleOverride, ...], BeforeValidator(read_overrides)] = rule(
        (),
        'empty or a JSON list such as [{"variant": "LAMP-RED", "rules": {"min_inventory": 5}}]',
        "Other rules for a shop, collection, product or variant; the narrowest holds. Two collections that "
        'disagree need a "priority"; "shop" beside another limits it to that shop.',
    )


def variable_name(field: str) -> str:
    """The Airflow Variable that holds a rule."""
    return VARIABLE_PREFIX + field


def describe_variables() -> dict[str, tuple[str, str]]:
    """Variable name -> (default as text, description with what is allowed)."""
    return {
        variable_name(name): (
            _as_text(field.default),
            f"{field.description} Allowed: {allowed_values(field)}.",
        )
        for name, field in RuleSet.model_fields.items()
    }


def parse_rule_set(values: Mapping[str, str | None]) -> RuleSet:
    """The rule set that Variables spell; missing ones take their default.

    Raises ConfigurationError naming every bad Variable, its value and what is allowed.
    """
    unknown = sorted(set(values) - set(describe_variables()))
    if unknown:
        raise ConfigurationError(
            f"No rule is called {', '.join(unknown)}. Rules: {', '.join(describe_variables())}."
        )
    given = {
        name.removeprefix(VARIABLE_PREFIX): value.strip()
        for name, value in values.items()
        if value is not None
    }
    try:
        return RuleSet.model_validate(given)
    except ValidationError as error:
        problems = {str(problem["loc"][0]): problem for problem in reversed(error.errors())}
        named = [
            _describe_problem(field, given[field], problems[field]) for field in given if field in problems
        ]
        raise ConfigurationError(" ".join(named)) from None


def _describe_problem(field: str, value: str, problem: Any) -> str:
    name = variable_name(field)
    if field == "rule_overrides":
        return f"Variable {name}: {problem['ctx']['error']}. Nobody is told until it is mended."
    return (
        f"Variable {name} is '{value[:80]}'. "
        f"Allowed is {allowed_values(RuleSet.model_fields[field])}. Nobody is told until it is mended."
    )


def _as_text(default: object) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, float):
        return f"{default:g}"
    return str(default) if default else ""
