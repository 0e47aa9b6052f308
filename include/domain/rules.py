"""The thresholds that people edit as Airflow Variables, and their one validation (SEMANTICS 4.9)."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from include.domain.overrides import RuleOverride, read_overrides
from include.domain.schedule import QuietHours, parse_quiet_hours
from include.domain.variant_rules import VariantRules, allowed_values, none_if_empty, rule
from include.errors import ConfigurationError

VARIABLE_PREFIX = "restock_"
WHOLE_CHANNEL = ""


def _read_json(value: Any) -> Any:
    return json.loads(value or "{}") if isinstance(value, str) else value


def _read_list(value: Any) -> Any:
    return (
        tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
    )


Count = Annotated[int, Field(ge=1, le=10_000)]
Rate = Annotated[float, Field(gt=0, le=1_000_000)]
Domain = Annotated[str, StringConstraints(pattern=r"^[^\sA-Z@]+\.[^\sA-Z@]+$", max_length=253)]


def _check_quiet_hours(text: str) -> str:
    parse_quiet_hours(text)
    return text


QuietSpan = Annotated[str, AfterValidator(_check_quiet_hours)]
_QUIET_SPAN = "empty (none) or two different times of day such as 21:00-08:00"
Countries = Annotated[str, StringConstraints(pattern=r"^([A-Z]{2}(, ?[A-Z]{2})*)?$", max_length=1200)]


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
    max_backdate_minutes: float = rule(
        0.0,
        "a number of minutes from 0 to 525600",
        "A feed that is dated earlier than the last complete one by more minutes is refused.",
        ge=0,
        le=525_600,
    )
    max_stock_age_minutes: Annotated[
        Annotated[float, Field(gt=0, le=525_600)] | None, BeforeValidator(none_if_empty)
    ] = rule(
        None,
        "empty (two intervals of the shop, at least an hour) or a number of minutes above 0, up to 525600",
        "Older observations of stock tell nobody; max_stock_age in shops.yaml goes before. Holds from the next pull.",
    )
    max_alerts_per_day: int = rule(
        20,
        "a whole number from 1 to 10000",
        "Alerts that one address gets in 24 hours at most.",
        ge=1,
        le=10_000,
    )
    in_stock_request: Literal["notify", "next_restock", "reject"] = rule(
        "notify",
        "'notify', 'next_restock' or 'reject'",
        "What a request for something that is in stock right now does: it joins the next batch, it waits for the "
        "next restock, or it is refused.",
    )
    expire_days: int = rule(
        0,
        "a whole number from 0 (never) to 3650",
        "Days after which a request that still waits ends.",
        ge=0,
        le=3650,
    )
    still_wanted_days: int = rule(
        0,
        "a whole number from 0 (nobody is asked) to 365, smaller than expire_days",
        "Days before a request ends at which the person is asked by e-mail whether it is still wanted.",
        ge=0,
        le=365,
    )
    confirm_days: int = rule(
        7,
        "a whole number from 1 to 365",
        "Days after which a request that was not confirmed ends, in shops with double opt-in.",
        ge=1,
        le=365,
    )
    retention_days: int = rule(
        0,
        "a whole number from 0 (never) to 3650",
        "Days after which somebody who asked for nothing and got nothing is forgotten; reports keep their counts.",
        ge=0,
        le=3650,
    )
    on_doubt: Literal["resend", "hold"] = rule(
        "resend",
        "'resend' or 'hold'",
        "What becomes of a message when a crash left it unknown whether it was sent: it goes again under the "
        "same Message-ID, or a person decides (restock messages doubts).",
    )
    email_per_second: Annotated[Rate | None, BeforeValidator(none_if_empty)] = rule(
        None,
        "empty (no limit) or a number of mails per second above 0, up to 1000000, fractions included",
        "E-mails that leave per second at most, by all lanes of all machines together.",
    )
    email_per_domain: Annotated[dict[Domain, Rate], BeforeValidator(_read_json)] = rule(
        {},
        'empty or JSON of domains in lower case with mails per second above 0, such as {"gmail.com": 20}',
        "E-mails per second at most to a recipient domain; what is above waits in its order.",
    )
    sms_per_second: Annotated[Rate | None, BeforeValidator(none_if_empty)] = rule(
        None,
        "empty (no limit) or a number of SMS per second above 0, up to 1000000, fractions included",
        "SMS that leave per second at most, by all lanes of all machines together.",
    )
    quiet_hours_sms: QuietSpan = rule(
        "21:00-08:00", _QUIET_SPAN, "When no SMS leaves, on the recipient's clock; transactional ones do."
    )
    quiet_hours_email: QuietSpan = rule(
        "", _QUIET_SPAN, "When no e-mail leaves, on the recipient's clock; transactional ones do."
    )
    quiet_holidays: Countries = rule(
        "",
        "empty (none) or country codes such as DE, FR",
        "Countries whose public holidays are quiet as a whole for people in a time zone of theirs, on the "
        "channels that have quiet hours.",
    )
    smart_sending_hours_email: float = rule(
        16.0,
        "a number of hours from 0 (off) to 8760",
        "A marketing e-mail is skipped for who got any e-mail in these hours.",
        ge=0,
        le=8760,
    )
    smart_sending_hours_sms: float = rule(
        24.0,
        "a number of hours from 0 (off) to 8760",
        "A marketing SMS is skipped for who got any SMS in these hours.",
        ge=0,
        le=8760,
    )
    frequency_cap: Annotated[Count | None, BeforeValidator(none_if_empty)] = rule(
        None,
        "empty (no cap) or a whole number from 1 to 10000",
        "Messages that a person gets at most over all flows and channels; transactional ones do not count.",
    )
    frequency_cap_days: float = rule(
        7.0, "a number of days above 0, up to 365", "The days in which frequency_cap counts.", gt=0, le=365
    )
    above_frequency_cap: Literal["wait", "skip"] = rule(
        "wait", "'wait' or 'skip'", "What a message does that is above frequency_cap."
    )
    report_domains: Annotated[tuple[Domain, ...], BeforeValidator(_read_list)] = rule(
        (),
        "empty (any) or domains in lower case such as shop.example, agency.example",
        "Domains of addresses that reports may be mailed to.",
    )
    watchdog_waiting_above: int = rule(
        1_000,
        "a whole number from 1",
        "People waiting for one variant above which the watchdog names it.",
        ge=1,
        le=10**9,
    )
    notice_pause_minutes: float = rule(
        60.0,
        "a number of minutes from 0 to 10080",
        "Operators are told of failures of one Dag at most once in so many minutes.",
        ge=0,
        le=10_080,
    )

    attribution_days: float = rule(
        5.0,
        "a number of days above 0, up to 365",
        "An order credits the last alert about what was bought when it follows within these days. A change counts "
        "every past day again.",
        gt=0,
        le=365,
    )
    export_keep_days: int = rule(
        90,
        "a whole number from 0 (for ever) to 3650",
        "Days after which an exported report file is removed.",
        ge=0,
        le=3650,
    )

    @field_validator("still_wanted_days", mode="after")
    @classmethod
    def _ask_before_the_end(cls, days: int, info: ValidationInfo) -> int:
        if days and days >= info.data.get("expire_days", days + 1):
            raise ValueError("nobody can be asked before a request begins, or about one that never ends")
        return days

    rule_overrides: Annotated[tuple[RuleOverride, ...], BeforeValidator(read_overrides)] = rule(
        (),
        'empty or a JSON list such as [{"variant": "LAMP-RED", "rules": {"min_inventory": 5}}]',
        "Other rules for a shop, collection, product or variant; the narrowest holds. Two collections that "
        'disagree need a "priority"; "shop" beside another limits it to that shop.',
    )

    def quiet_hours(self, channel: str) -> QuietHours | None:
        """When nothing may leave on a channel."""
        return parse_quiet_hours(self.quiet_hours_sms if channel == "SMS" else self.quiet_hours_email)

    def smart_sending_hours(self, channel: str) -> float:
        """How long a message holds back marketing on a channel."""
        return self.smart_sending_hours_sms if channel == "SMS" else self.smart_sending_hours_email

    def holiday_countries(self) -> tuple[str, ...]:
        """Countries whose public holidays are quiet."""
        return tuple(code.strip() for code in self.quiet_holidays.split(",") if code)

    def limits(self, channel: str) -> dict[str, float]:
        """Messages per second at most by recipient domain; WHOLE_CHANNEL stands for all of them together."""
        per_second = self.sms_per_second if channel == "SMS" else self.email_per_second
        whole = {} if per_second is None else {WHOLE_CHANNEL: per_second}
        return whole if channel == "SMS" else whole | self.email_per_domain


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
    return "" if default in (None, {}, ()) else str(default)
