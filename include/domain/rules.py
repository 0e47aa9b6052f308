"""The thresholds that people edit as Airflow Variables, and their one validation (SEMANTICS 4.9)."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError
from pydantic.fields import FieldInfo

from include.errors import ConfigurationError

VARIABLE_PREFIX = "restock_"
WHOLE_CHANNEL = ""


def _rule(default: Any, allowed: str, description: str, **limits: Any) -> Any:
    return Field(default, description=description, json_schema_extra={"allowed": allowed}, **limits)


def _none_if_empty(value: Any) -> Any:
    return None if value == "" else value


def _read_json(value: Any) -> Any:
    return json.loads(value or "{}") if isinstance(value, str) else value


Rate = Annotated[float, Field(gt=0, le=1_000_000)]
Domain = Annotated[str, StringConstraints(pattern=r"^[^\sA-Z@]+\.[^\sA-Z@]+$", max_length=253)]


class RuleSet(BaseModel):
    """Every rule with its default; each field is the Variable `restock_<field>`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    min_inventory: int = _rule(
        1, "a whole number from 1", "Units that must be back before anyone is told.", ge=1, le=10**12
    )
    customers_per_unit: Annotated[int, Field(ge=1, le=10**9)] | Literal["all"] = _rule(
        "all",
        "'all' or a whole number from 1",
        "How many people are told per unit in stock: 'all' tells everyone who waits, 5 tells 100 for 20 units.",
    )
    wait_minutes: float = _rule(
        60.0,
        "a number of minutes above 0, fractions included",
        "Minutes between two batches of one variant; stock is read again when they end.",
        gt=0,
        le=525_600,
    )
    min_restock: int = _rule(
        1, "a whole number from 1", "Units that must have come back since it was sold out.", ge=1, le=10**12
    )
    confirm_pulls: int = _rule(
        1, "a whole number from 1 to 100", "Observations in a row that must show the restock.", ge=1, le=100
    )
    min_out_minutes: float = _rule(
        0.0, "a number of minutes from 0", "A shorter time out of stock is no restock.", ge=0, le=525_600
    )
    confirm_absent: int = _rule(
        2,
        "a whole number from 1 to 100",
        "Full pulls in a row without a variant until it counts as sold out.",
        ge=1,
        le=100,
    )
    min_rows_percent: float = _rule(
        50.0,
        "a number from 0 to 100",
        "A full pull with fewer rows than this share of the last one is refused.",
        ge=0,
        le=100,
    )
    max_rejected_percent: float = _rule(
        1.0,
        "a number from 0 to 100",
        "A pull with a larger share of unreadable rows is refused.",
        ge=0,
        le=100,
    )
    max_zero_rise_points: float = _rule(
        40.0,
        "a number from 0 to 100",
        "A pull whose share of sold-out variants rises by more points is refused.",
        ge=0,
        le=100,
    )
    max_risen_points: float = _rule(
        40.0,
        "a number from 0 to 100",
        "A pull in which a larger share of variants rises from zero is refused.",
        ge=0,
        le=100,
    )
    gates_from_rows: int = _rule(
        50, "a whole number from 1", "Shares are judged only from this many rows.", ge=1, le=10**9
    )
    max_alerts_per_day: int = _rule(
        20, "a whole number from 1", "Alerts that one address gets in 24 hours at most.", ge=1, le=10_000
    )
    on_doubt: Literal["resend", "hold"] = _rule(
        "resend",
        "'resend' or 'hold'",
        "What becomes of a message when a crash left it unknown whether it was sent: it goes again under the "
        "same Message-ID, or a person decides (restock messages doubts).",
    )
    email_per_second: Annotated[Rate | None, BeforeValidator(_none_if_empty)] = _rule(
        None,
        "empty (no limit) or a number of mails per second above 0, fractions included",
        "E-mails that leave per second at most, by all lanes of all machines together.",
    )
    email_per_domain: Annotated[dict[Domain, Rate], BeforeValidator(_read_json)] = _rule(
        {},
        'empty or JSON of domains in lower case with mails per second above 0, such as {"gmail.com": 20}',
        "E-mails per second at most to a recipient domain; what is above waits in its order.",
    )

    def people_allowed(self) -> int | None:
        """Customers per unit as a number; None means everyone."""
        return None if self.customers_per_unit == "all" else self.customers_per_unit

    def email_limits(self) -> dict[str, float]:
        """Mails per second at most by recipient domain; WHOLE_CHANNEL stands for all of them together."""
        whole = {} if self.email_per_second is None else {WHOLE_CHANNEL: self.email_per_second}
        return whole | self.email_per_domain


def variable_name(field: str) -> str:
    """The Airflow Variable that holds a rule."""
    return VARIABLE_PREFIX + field


def describe_variables() -> dict[str, tuple[str, str]]:
    """Variable name -> (default as text, description with what is allowed)."""
    return {
        variable_name(name): (_as_text(field.default), f"{field.description} Allowed: {_allowed(field)}.")
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
        fields = dict.fromkeys(str(problem["loc"][0]) for problem in error.errors())
        raise ConfigurationError(" ".join(_describe_problem(name, given[name]) for name in fields)) from None


def _describe_problem(field: str, value: str) -> str:
    return (
        f"Variable {variable_name(field)} is '{value[:80]}'. "
        f"Allowed is {_allowed(RuleSet.model_fields[field])}. Nobody is told until it is mended."
    )


def _allowed(field: FieldInfo) -> str:
    extra = field.json_schema_extra
    return str(extra["allowed"]) if isinstance(extra, dict) else ""


def _as_text(default: object) -> str:
    if isinstance(default, float):
        return f"{default:g}"
    return str(default) if default else ""
