"""dags/config/shops.yaml → validated shops; every problem of the file is told at once."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args
from zoneinfo import available_timezones

from croniter import CroniterError, croniter
from pydantic import BaseModel, ValidationError

from include.catalog.registry import PLATFORMS, find_settings
from include.catalog.shops_yaml import LocatedYaml, Place, read_yaml
from include.domain.feed_fields import CatalogField, FieldRule
from include.domain.shop import (
    CURRENCIES,
    FEED,
    FEED_FORMATS,
    Bundle,
    CountedLocations,
    FeedSettings,
    Shop,
    looks_like_cron,
)
from include.errors import ConfigurationError, NotFound

SECTIONS: dict[Place, type[BaseModel]] = {
    (): Shop,
    ("feed",): FeedSettings,
    ("locations",): CountedLocations,
    ("bundles",): Bundle,
}
WORDS = {"currency": CURRENCIES, "format": FEED_FORMATS}
NEEDED = {"string_type": "it needs a text", "model_type": "it needs members", "dict_type": "it needs members"}
ANY_DAY = datetime(2024, 1, 1)


@dataclass(frozen=True)
class ShopsFile:
    """The shops that a file describes without a mistake, in its order, and what is wrong with the others."""

    path: Path
    shops: tuple[Shop, ...]
    problems: tuple[tuple[int, str], ...] = ()

    @property
    def report(self) -> str | None:
        """All problems with their lines; None where there is none."""
        if not self.problems:
            return None
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        listed = "\n".join(f"  line {line}: {text}" for line, text in self.problems)
        return f"{self.path} has {count}:\n{listed}"

    def find(self, shop_id: str) -> Shop:
        """One shop; raises ConfigurationError where it is described with a mistake, NotFound where not at all."""
        for shop in self.shops:
            if shop.id == shop_id:
                return shop
        if any(text.startswith(f"shop {shop_id!r}: ") for _, text in self.problems):
            raise ConfigurationError(str(self.report))
        known = ", ".join(shop.id for shop in self.shops) or "none"
        more = f" A problem may hide it:\n{self.report}" if self.problems else ""
        raise NotFound(f"{self.path} has no shop {shop_id!r}. It has: {known}.{more}")


def read_shops_file(path: Path) -> ShopsFile:
    """The good shops of a YAML file and the problems of the others: one bad shop must not stop the rest.

    Raises ConfigurationError where the file as a whole can't be read.
    """
    located = read_yaml(_read_text(path), path.name)
    problems = list(_problems_of_file(located))
    shops: list[Shop] = []
    for index, entry in enumerate(_entries(located)):
        found = list(_problems_of_schedule(located, index, entry))
        found += _problems_of_members(located, index, entry)
        found += _problems_of_platform(located, index, entry)
        try:
            shop = Shop.model_validate(_with_options(located, index, entry, found))
        except ValidationError as error:
            found += _problems_of_shop(located, index, entry, error)
        if not found:
            shops.append(shop)
        problems += found
    return ShopsFile(path, tuple(shops), tuple(sorted(set(problems))))


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
        if place[:1] != ("shops",) or len(place) < 3:
            yield located.line_of(place), _written_twice(place)


def _problems_of_members(located: LocatedYaml, index: int, entry: Any) -> Iterator[tuple[int, str]]:
    """Members that stand twice, and an id that another shop has too: then neither can be told from the other."""
    for place in located.repeated:
        if place[:2] == ("shops", index) and len(place) > 2:
            yield located.line_of(place), f"{_shop_name(entry, index)}{_written_twice(place[2:])}"
    ids = [other.get("id") if isinstance(other, dict) else None for other in _entries(located)]
    shop_id = ids[index]
    if isinstance(shop_id, str) and (
        others := [n for n, other in enumerate(ids) if other == shop_id and n != index]
    ):
        lines = ", ".join(str(located.line_of(("shops", other, "id"))) for other in others)
        yield (
            located.line_of(("shops", index, "id")),
            f"shop {shop_id!r}: the id is also taken by the shop at line {lines}; neither is pulled until one changes",
        )


def _problems_of_platform(located: LocatedYaml, index: int, entry: Any) -> Iterator[tuple[int, str]]:
    """A platform that no connector reads, its section without it, or one that needs a Connection and names none."""
    platform = entry.get("platform") if isinstance(entry, dict) else None
    if not isinstance(platform, str):
        return
    line, name = located.line_of(("shops", index, "platform")), _shop_name(entry, index)
    if platform not in PLATFORMS:
        allowed = f"Allowed are {', '.join(PLATFORMS)}{_hint(platform, list(PLATFORMS))}"
        yield line, f"{name}platform: {platform!r} is not known. {allowed}"
        return
    for other in (PLATFORMS.keys() & entry.keys()) - {platform}:
        yield (
            located.line_of(("shops", index, other)),
            f"{name}{other}: the shop's platform is {platform}; take the section out, or change the platform",
        )
    if getattr(find_settings(platform), "needs_connection", False) and not entry.get("conn_id"):
        yield (
            line,
            f"{name}platform {platform!r} needs conn_id, the Airflow Connection with the shop's credentials",
        )


def _with_options(located: LocatedYaml, index: int, entry: Any, found: list[tuple[int, str]]) -> Any:
    """The entry with its platform's own section understood; what is wrong with that goes to `found`."""
    if not isinstance(entry, dict):
        return entry
    rest = {name: value for name, value in entry.items() if name == FEED or name not in PLATFORMS}
    if "options" in rest:
        found.append(
            (located.line_of(("shops", index, "options")), _unknown("options", _members(("options",))))
        )
    platform = entry.get("platform")
    settings = find_settings(platform) if isinstance(platform, str) else None
    if settings is None:
        return rest
    try:
        return {**rest, "options": settings.model_validate(entry.get(str(platform), {}))}
    except ValidationError as error:
        found += _problems_of_shop(located, index, entry, error, (str(platform),))
        return {**rest, "options": None}


def _written_twice(place: Place) -> str:
    return f"{_name(place)} is written twice; only one may stay"


def _problems_of_shop(
    located: LocatedYaml, index: int, entry: Any, error: ValidationError, section: Place = ()
) -> Iterator[tuple[int, str]]:
    for problem in error.errors(include_url=False):
        place: Place = (*section, *(part for part in problem["loc"] if part != "[key]"))
        text = _explain(place, problem)  # type: ignore[arg-type]
        yield located.line_of(("shops", index, *place)), f"{_shop_name(entry, index)}{text}"


def _shop_name(entry: Any, index: int) -> str:
    shop_id = entry.get("id") if isinstance(entry, dict) else None
    return f"shop {shop_id!r}: " if isinstance(shop_id, str) else f"shop number {index + 1}: "


def _explain(place: Place, problem: dict[str, Any]) -> str:
    kind, seen = problem["type"], problem["input"]
    if kind == "missing":
        return f"{_name(place)} is missing"
    if place[:2] == ("feed", "fields") and len(place) > 3 and kind == "extra_forbidden":
        return _unknown(
            _name(place), [FieldRule.model_fields[name].alias or name for name in FieldRule.model_fields]
        )
    if place[:2] == ("feed", "fields") and kind == "literal_error":
        return _unknown(_name(place), list(get_args(CatalogField)))
    if kind == "extra_forbidden":
        return _unknown(_name(place), _members(place[:-1]))
    subject = f"{_name(place)}: " if place else ""
    if kind == "literal_error":
        allowed = str(problem["ctx"]["expected"]).replace("'", "").replace(" or ", ", ").split(", ")
        return f"{subject}{_shown(seen)} is not known. Allowed are {', '.join(allowed)}" + _hint(
            seen, allowed
        )
    if kind == "value_error":
        return f"{subject}{problem['ctx']['error']}{_hint(seen, _words(place))}"
    needed = NEEDED.get(kind, problem["msg"].lower())
    return f"{subject}{_shown(seen)} does not fit: {needed}"


def _members(section: Place) -> list[str]:
    place = tuple(part for part in section if isinstance(part, str))
    if place and (settings := find_settings(place[0])):
        return list(settings.model_fields)
    members = (name for name in SECTIONS.get(place, Shop).model_fields if name != "options")
    return [*members, *(name for name in PLATFORMS if name != FEED)] if not place else list(members)


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
