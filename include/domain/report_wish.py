"""What somebody who subscribes to a report asks for, and whether that is possible (SEMANTICS 9.3)."""

import json
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import time
from typing import Annotated, Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from include.domain.report_period import Frequency
from include.errors import ConfigurationError

VARIABLE = "restock_report_subscriptions"
MOST_RECIPIENTS = 50

COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
}
_CONDITION = re.compile(r"\s*([a-z_]+)\s*(>=|<=|>|<|=)\s*(-?\d{1,12}(?:\.\d{1,4})?)\s*", re.ASCII)
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")

ALLOWED = {
    "name": "letters, digits, '-' and '_', up to 60, none twice in a shop",
    "shop": "a shop of the shops file",
    "report": "the name of a report",
    "to": f"1 to {MOST_RECIPIENTS} addresses of the form name@domain",
    "every": "'daily', 'weekly' or 'monthly'",
    "at": "a time of day such as 07:00",
    "time_zone": "a time zone such as Europe/Berlin; without one, the shop's",
    "when": "a condition on a key figure of the report, such as notified_count > 100",
    "attach": "'csv' or 'none'",
    "chart": "true or false",
    "skip_empty": "true or false",
}


class Condition(NamedTuple):
    """A key figure compared with a number."""

    figure: str
    comparison: str
    number: float

    def __str__(self) -> str:
        # Never 1e+06: what is kept has to be read again.
        number = f"{self.number:.4f}".rstrip("0").rstrip(".")
        return f"{self.figure} {self.comparison} {number}"

    def holds(self, figures: Mapping[str, float]) -> bool:
        """Whether it is so for these figures; it is not where the figure is unknown."""
        figure = figures.get(self.figure)
        return figure is not None and COMPARISONS[self.comparison](figure, self.number)


def parse_condition(text: str) -> Condition:
    """A condition such as 'notified_count > 100'; raises ValueError."""
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise ValueError(f"no condition such as notified_count > 100 ({', '.join(COMPARISONS)})")
    return Condition(found[1], found[2], float(found[3]))


def _check_zone(name: str | None) -> str | None:
    try:
        ZoneInfo(name or "UTC")
    except (ValueError, OSError, KeyError):
        raise ValueError("no time zone") from None
    return name


def _read_clock(value: Any) -> Any:
    if isinstance(value, str):
        if not _CLOCK.fullmatch(value):
            raise ValueError("no time of day")
        return time.fromisoformat(value)
    if not isinstance(value, time):
        # Pydantic would take 7 for seven seconds after midnight.
        raise ValueError("no time of day")
    return value


def _read_condition(value: Any) -> Any:
    if isinstance(value, str):
        return parse_condition(value)
    # A tuple is a condition that was read before; JSON has lists.
    if not isinstance(value, tuple | None):
        raise ValueError("no condition")
    return value


class ReportWish(BaseModel):
    """One subscription as an operator describes it; the address check is the caller's."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,60}$")]
    shop: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    report: Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,60}$")]
    to: Annotated[tuple[str, ...], Field(min_length=1, max_length=MOST_RECIPIENTS)]
    every: Frequency = "daily"
    at: Annotated[time, BeforeValidator(_read_clock)] = time(7)
    time_zone: Annotated[str | None, AfterValidator(_check_zone)] = None
    when: Annotated[Condition | None, BeforeValidator(_read_condition)] = None
    attach: Literal["csv", "none"] = "csv"
    chart: bool = True
    skip_empty: bool = False


def parse_wish(values: Mapping[str, Any], where: str) -> ReportWish:
    """One subscription; raises ConfigurationError that says where, which field and what is allowed, no address."""
    try:
        return ReportWish.model_validate(dict(values))
    except ValidationError as error:
        fields = sorted({str(problem["loc"][0]) for problem in error.errors()})
        raise ConfigurationError(
            "; ".join(_complain(where, field, values) for field in fields) + "."
        ) from None


def parse_wishes(text: str) -> list[ReportWish]:
    """What the Variable spells: a JSON list of subscriptions, all problems in one ConfigurationError."""
    try:
        listed = json.loads(text or "[]")
    except ValueError as error:
        raise ConfigurationError(f"Variable {VARIABLE} is no JSON: {error}. Its form: {_FORM}") from None
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        raise ConfigurationError(f"Variable {VARIABLE} is no JSON list of objects. Its form: {_FORM}")
    wishes, problems = [], []
    for number, entry in enumerate(listed, 1):
        try:
            wishes.append(parse_wish(entry, f"Variable {VARIABLE}, entry {number}"))
        except ConfigurationError as error:
            problems.append(str(error))
    problems += _repeated(wishes)
    if problems:
        raise ConfigurationError(" ".join(problems))
    return wishes


def check_domains(domains: Sequence[str], allowed: Sequence[str], where: str) -> None:
    """Refuse recipients outside of the allowed domains; raises ConfigurationError that names domains only."""
    refused = sorted({domain for domain in domains if allowed and domain not in allowed})
    if refused:
        raise ConfigurationError(
            f"{where}: no report may go to {', '.join(refused)}. Allowed are {', '.join(allowed)} "
            "(Variable restock_report_domains)."
        )


_FORM = '[{"name": "morning", "shop": "demo", "report": "activity", "to": ["crm@shop.example"], "every": "daily"}]'


def _complain(where: str, field: str, values: Mapping[str, Any]) -> str:
    if field not in ALLOWED:
        return f"{where}: '{field[:60]}' is unknown; allowed are {', '.join(ALLOWED)}"
    if field not in values:
        return f"{where}: '{field}' is missing; it is {ALLOWED[field]}"
    shown = "" if field == "to" else f" is {str(values[field])[:60]!r}"
    return f"{where}: '{field}'{shown or ' is wrong'}; allowed is {ALLOWED[field]}"


def _repeated(wishes: Sequence[ReportWish]) -> list[str]:
    names = [(wish.shop, wish.name) for wish in wishes]
    twice = sorted({name for name in names if names.count(name) > 1})
    return [f"Variable {VARIABLE}: '{name}' stands twice for shop '{shop}'." for shop, name in twice]
