"""The settings that are compared: ranges of Restock's own rules, and the documented rules of other tools."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import time
from itertools import product

from include.domain.pace import Pace, Sizing
from include.domain.rules import RuleSet, parse_rule_set, variable_name
from include.errors import ConfigurationError

OTHERS = "klaviyo,klaviyo:5/60,klaviyo:1/60,braze:1000/10,braze:5/60,magento"
MAGENTO_RUNS_AT = time(0)
FORMS = "klaviyo, klaviyo:PER-UNIT/MINUTES, braze:PEOPLE/MINUTES, magento"


@dataclass(frozen=True)
class Ranges:
    """Values separated by commas; every combination is a setting."""

    per_unit: str = "all,1,2,5"
    wait: str = "15,60"
    min_inventory: str = "1"
    invited_hours: str = "0,4,24"
    sizing: str = "people,wanted"
    overtaking: str = "no"


def own_paces(ranges: Ranges) -> list[Pace]:
    """Restock's settings; where everyone is told, the other rules mean nothing and are not varied."""
    paces = [
        _own_pace(*values)
        for values in product(
            _split("--min", ranges.min_inventory),
            _split("--per-unit", ranges.per_unit),
            _split("--wait", ranges.wait),
            [_hours(text) for text in _split("--invited-hours", ranges.invited_hours)],
            [_one_of("--sizing", text, ("people", "wanted")) for text in _split("--sizing", ranges.sizing)],
            [
                _one_of("--overtaking", text, ("no", "yes"))
                for text in _split("--overtaking", ranges.overtaking)
            ],
        )
    ]
    return list({pace.name: pace for pace in paces}.values())


def other_paces(names: str) -> list[Pace]:
    """Other tools' ways, such as "klaviyo:5/60"; "" for none."""
    return [_other_pace(text.strip()) for text in names.split(",") if text.strip()]


def _own_pace(
    min_inventory: str, per_unit: str, wait: str, hours: float, sizing: str, overtaking: str
) -> Pace:
    rules = _rules(min_inventory, per_unit, wait)
    least = "" if rules.min_inventory == 1 else f", from {rules.min_inventory} units"
    if rules.people_allowed() is None:
        return Pace(f"restock all{least}", rules)
    held = f", held {hours:g} h" if hours else ""
    passing = ", overtaking" if overtaking == "yes" and sizing == "wanted" else ""
    return Pace(
        name=f"restock {per_unit}/{rules.wait_minutes:g} {sizing}{held}{passing}{least}",
        rules=rules,
        subtract_invited_hours=hours,
        sizing=_as_sizing(sizing),
        allow_overtaking=overtaking == "yes",
    )


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
        return Pace(text, _rules("1", count, minutes))
    return Pace(text, _rules("1", "all", minutes), fixed_count=int(count))


def _rules(min_inventory: str, per_unit: str, wait: str) -> RuleSet:
    given = {"min_inventory": min_inventory, "customers_per_unit": per_unit, "wait_minutes": wait}
    return parse_rule_set({variable_name(name): value for name, value in given.items()})


def _split(option: str, text: str) -> Sequence[str]:
    values = [value.strip() for value in text.split(",")]
    if not all(values):
        raise ConfigurationError(
            f"{option} is '{text[:40]}'; give values separated by commas, such as 1,2,5."
        )
    return values


def _hours(text: str) -> float:
    try:
        hours = float(text)
    except ValueError:
        hours = -1
    if not 0 <= hours <= 8760:
        raise ConfigurationError(f"--invited-hours has '{text[:40]}'; allowed are hours from 0 to 8760.")
    return hours


def _one_of(option: str, text: str, allowed: tuple[str, ...]) -> str:
    if text not in allowed:
        raise ConfigurationError(f"{option} has '{text[:40]}'; allowed are {' and '.join(allowed)}.")
    return text


def _as_sizing(text: str) -> Sizing:
    return "wanted" if text == "wanted" else "people"
