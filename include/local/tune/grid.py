"""The settings that are compared: ranges of Restock's own rules, and the documented rules of other tools."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import time
from itertools import product

from pydantic import ValidationError

from include.domain.pace import Pace
from include.domain.rules import RuleSet
from include.domain.variant_rules import allowed_values
from include.errors import ConfigurationError

OTHERS = "klaviyo,klaviyo:5/60,klaviyo:1/60,braze:1000/10,braze:5/60,magento"
MAGENTO_RUNS_AT = time(0)
FORMS = "klaviyo, klaviyo:PER-UNIT/MINUTES, braze:PEOPLE/MINUTES, magento"
WALKED = (
    "min_inventory",
    "customers_per_unit",
    "wait_minutes",
    "sizing",
    "allow_overtaking",
    "subtract_invited_hours",
    "ordering",
)


@dataclass(frozen=True)
class Ranges:
    """Values separated by commas; every combination is a setting. `rules` adds to, or changes, DEFAULT_RULES."""

    per_unit: str = "all,1,2"
    wait: str = "60"
    min_inventory: str = "1"
    rules: Mapping[str, str] = field(default_factory=dict)


DEFAULT_RULES = {"sizing": "people,wanted_units", "subtract_invited_hours": "0,4,24"}


def own_paces(ranges: Ranges) -> list[Pace]:
    """Restock's settings; raises ConfigurationError."""
    values = {
        "min_inventory": ranges.min_inventory,
        "customers_per_unit": ranges.per_unit,
        "wait_minutes": ranges.wait,
        **DEFAULT_RULES,
        **ranges.rules,
    }
    unknown = sorted(values.keys() - set(WALKED))
    if unknown:
        raise ConfigurationError(
            f"--rule {', '.join(unknown)[:80]}: tune does not walk this; allowed are {', '.join(WALKED)}."
        )
    split = [_split(name, text) for name, text in values.items()]
    settings = [_rules(dict(zip(values, chosen, strict=True))) for chosen in product(*split)]
    # Where everyone is told, most rules mean nothing: such settings have one name, and are walked once.
    return list({_name(rules): Pace(_name(rules), rules) for rules in settings}.values())


def other_paces(names: str) -> list[Pace]:
    """Other tools' ways, such as "klaviyo:5/60"; "" for none."""
    return [_other_pace(text.strip()) for text in names.split(",") if text.strip()]


def _name(rules: RuleSet) -> str:
    is_everyone = rules.people_allowed() is None
    is_by_units = rules.sizing == "wanted_units"
    parts = {
        " by wanted units": is_by_units,
        ", overtaking": is_by_units and rules.allow_overtaking and not is_everyone,
        f", held {rules.subtract_invited_hours:g} h": rules.subtract_invited_hours > 0 and not is_everyone,
        f", {rules.ordering} first": rules.ordering != "oldest" and not is_everyone,
        f", from {rules.min_inventory} units": rules.min_inventory > 1,
    }
    told = "".join(part for part, is_so in parts.items() if is_so)
    return f"restock {'all' if is_everyone else f'{rules.customers_per_unit}/{rules.wait_minutes:g}'}{told}"


def _other_pace(text: str) -> Pace:
    tool, _, numbers = text.partition(":")
    if tool == "magento" and not numbers:
        return Pace(text, RuleSet(), daily_at=MAGENTO_RUNS_AT)
    if tool == "klaviyo" and not numbers:
        return Pace(text, RuleSet())
    count, slash, minutes = numbers.partition("/")
    if tool not in ("klaviyo", "braze") or not slash or not count.isdecimal() or int(count) < 1:
        raise ConfigurationError(f"--against '{text[:40]}' is no known way; allowed are {FORMS}.")
    if tool == "klaviyo":
        return Pace(text, _rules({"customers_per_unit": count, "wait_minutes": minutes}))
    return Pace(text, _rules({"wait_minutes": minutes}), fixed_count=int(count))


def _rules(given: Mapping[str, str]) -> RuleSet:
    try:
        return RuleSet.model_validate(given)
    except ValidationError as error:
        name = str(error.errors()[0]["loc"][0])
        allowed = allowed_values(RuleSet.model_fields[name])
        raise ConfigurationError(f"{name} is '{given[name][:40]}'; allowed is {allowed}.") from None


def _split(name: str, text: str) -> Sequence[str]:
    values = [value.strip() for value in text.split(",")]
    if not all(values):
        raise ConfigurationError(f"{name} is '{text[:40]}'; give values separated by commas, such as 1,2,5.")
    return values
