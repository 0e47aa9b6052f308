"""dags/config/shops.yaml → validated shops; every problem of the file is told at once."""

from collections.abc import Iterator
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args
from zoneinfo import available_timezones

from croniter import CroniterError, croniter
from pydantic import BaseModel, ValidationError

from include.catalog.shops_yaml import LocatedYaml, Place, read_yaml
from include.domain.shop import (
    CURRENCIES,
    PLATFORMS,
    CatalogField,
    CountedLocations,
    FeedSettings,
    Shop,
    looks_like_cron,
)
from include.errors import ConfigurationError

SECTIONS: dict[Place, type[BaseModel]] = {(): Shop, ("feed",): FeedSettings, ("locations",): CountedLocations}
WORDS = {"currency": CURRENCIES, "platform": PLATFORMS, "format": ("auto", "json", "jsonl", "csv")}
NEEDED = {"string_type": "it needs a text", "model_type": "it needs members", "dict_type": "it needs members"}
ANY_DAY = datetime(2024, 1, 1)


def load_shops(path: Path) -> tuple[Shop, ...]:
    """The shops of a YAML file, in its order.

    Raises ConfigurationError that lists all problems: line, shop, member, what was seen, what is allowed.
    """
    located = read_yaml(_read_text(path), path.name)
    problems = list(_problems_of_file(located))
    shops: list[Shop] = []
    for index, entry in enumerate(_entries(located)):
        problems += _problems_of_schedule(located, index, entry)
        try:
            shops.append(Shop.model_validate(entry))
        except ValidationError as error:
            problems += _problems_of_shop(located, index, entry, error)
    if problems:
        raise ConfigurationError(_report(path, problems))
    return tuple(shops)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigurationError(
            f"{path} does not exist. It lists the shops; "
            "the environment variable RESTOCK_SHOPS names another file."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} can't be read as UTF-8 text: {error.__class__.__name__}.") from None


def _report(path: Path, problems: list[tuple[int, str]]) -> str:
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    listed = "\n".join(f"  line {line}: {text}" for line, text in sorted(set(problems)))
    return f"{path} has {count}:\n{listed}"


def _entries(located: LocatedYaml) -> list[Any]:
    document = located.document
    shops = document.get("shops") if isinstance(document, dict) else None
    return shops if isinstance(shops, list) else []


def _problems_of_file(located: LocatedYaml) -> Iterator[tuple[int, str]]:
    document = located.document
    if not isinstance(document, dict) or not isinstance(document.get("shops"), list):
        yield 1, "the file needs one member, shops, with a list of shops"
    if isinstance(document, dict):
        for name in document.keys() - {"shops"}:
            yield located.line_of((name,)), _unknown(name, ["shops"])
    for place in located.repeated:
        yield located.line_of(place), f"{_name(place[2:] or place)} is written twice; only one may stay"
    yield from _repeated_ids(located)


def _repeated_ids(located: LocatedYaml) -> Iterator[tuple[int, str]]:
    first_lines: dict[str, int] = {}
    for index, entry in enumerate(_entries(located)):
        shop_id = entry.get("id") if isinstance(entry, dict) else None
        if not isinstance(shop_id, str):
            continue
        line = located.line_of(("shops", index, "id"))
        if shop_id in first_lines:
            yield line, f"shop {shop_id!r}: the id is taken by the shop at line {first_lines[shop_id]}"
        first_lines.setdefault(shop_id, line)


def _problems_of_shop(
    located: LocatedYaml, index: int, entry: Any, error: ValidationError
) -> Iterator[tuple[int, str]]:
    for problem in error.errors(include_url=False):
        place: Place = tuple(part for part in problem["loc"] if part != "[key]")
        text = _explain(place, problem)  # type: ignore[arg-type]
        yield located.line_of(("shops", index, *place)), f"{_shop_name(entry, index)}{text}"


def _shop_name(entry: Any, index: int) -> str:
    shop_id = entry.get("id") if isinstance(entry, dict) else None
    return f"shop {shop_id!r}: " if isinstance(shop_id, str) else f"shop number {index + 1}: "


def _explain(place: Place, problem: dict[str, Any]) -> str:
    kind, seen = problem["type"], problem["input"]
    if kind == "missing":
        return f"{_name(place)} is missing"
    if kind == "extra_forbidden":
        return _unknown(_name(place), _members(place[:-1]))
    if place[:2] == ("feed", "fields") and kind == "literal_error":
        return _unknown(_name(place), list(get_args(CatalogField)))
    subject = f"{_name(place)}: " if place else ""
    if kind == "literal_error":
        return (
            f"{subject}{_shown(seen)} is not known. Allowed are {', '.join(WORDS[str(place[-1])])}"
            + _hint(seen, list(WORDS[str(place[-1])]))
        )
    if kind == "value_error":
        return f"{subject}{problem['ctx']['error']}{_hint(seen, _words(place))}"
    needed = NEEDED.get(kind, problem["msg"].lower())
    return f"{subject}{_shown(seen)} does not fit: {needed}"


def _members(section: Place) -> list[str]:
    return list(SECTIONS[section].model_fields)


def _words(place: Place) -> list[str]:
    if place == ("time_zone",):
        return sorted(available_timezones())
    return sorted(WORDS.get(str(place[-1]), ())) if place else []


def _unknown(name: str, allowed: list[str]) -> str:
    return f"{name} is unknown. Allowed are {', '.join(allowed)}{_hint(name.rpartition('.')[2], allowed)}"


def _hint(seen: Any, allowed: list[str]) -> str:
    by_case = {word.lower(): word for word in allowed}
    close = get_close_matches(str(seen).lower(), by_case, n=1, cutoff=0.6)
    return f". Did you mean {by_case[close[0]]!r}?" if close else ""


def _name(place: Place) -> str:
    return ".".join(str(part) for part in place)


def _shown(seen: Any) -> str:
    if isinstance(seen, dict):
        return "a group of members"
    text = "a list" if isinstance(seen, list) else repr(seen)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _problems_of_schedule(located: LocatedYaml, index: int, entry: Any) -> Iterator[tuple[int, str]]:
    schedule = entry.get("schedule") if isinstance(entry, dict) else None
    if not isinstance(schedule, str) or not looks_like_cron(schedule):
        return
    try:
        croniter(schedule, ANY_DAY).get_next()
    except (CroniterError, ValueError) as error:
        line = located.line_of(("shops", index, "schedule"))
        yield line, f"{_shop_name(entry, index)}schedule: {schedule!r} is not a cron expression: {error}"
