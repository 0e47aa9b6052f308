"""Public holidays of the recipient's country, and with them the quiet times of one moment (SEMANTICS 5)."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from functools import cache
from zoneinfo import ZoneInfo

from babel.core import get_global
from holidays import country_holidays, list_supported_countries

from include.domain.checks import QuietUntil
from include.domain.rules import RuleSet, variable_name
from include.domain.schedule import IsHoliday, choose_zone, next_allowed, no_holiday
from include.errors import ConfigurationError


def check_countries(rules: RuleSet) -> None:
    """Raise ConfigurationError for a country whose holidays are not known."""
    known = list_supported_countries(include_aliases=False)
    unknown = [code for code in rules.holiday_countries() if code not in known]
    if unknown:
        raise ConfigurationError(
            f"Variable {variable_name('quiet_holidays')} is '{rules.quiet_holidays[:80]}'. No holidays are known "
            f"for {', '.join(unknown)}. Allowed are {', '.join(sorted(known))}. Nobody is told until it is mended."
        )


def quiet_times(rules: RuleSet, now: datetime) -> QuietUntil:
    """When the quiet ends for a channel and a place, seen from `now`; each is worked out once."""
    known: dict[tuple[str, str | None, str], datetime | None] = {}

    def quiet_until(channel: str, own_zone: str | None, shop_zone: str) -> datetime | None:
        hours = rules.quiet_hours(channel)
        if hours is None:
            return None
        place = channel, own_zone, shop_zone
        if place not in known:
            zone = choose_zone(own_zone, shop_zone)
            allowed = next_allowed(now, zone, hours, holidays_of(zone, rules.holiday_countries()))
            known[place] = None if allowed == now else allowed
        return known[place]

    return quiet_until


def holidays_of(zone: ZoneInfo, countries: Sequence[str]) -> IsHoliday:
    """Whether a day is a public holiday where this zone lies, for the countries that count."""
    country = country_of(zone) if countries else None
    return _calendar(country) if country in countries else no_holiday


def country_of(zone: ZoneInfo) -> str | None:
    """The country of a time zone; None for zones such as UTC."""
    name = get_global("zone_aliases").get(zone.key, zone.key)
    country: str | None = get_global("zone_territories").get(name)
    return country


@cache
def _calendar(country: str) -> Callable[[date], bool]:
    return lambda day: day in _public_holidays(country, day.year)


@cache
def _public_holidays(country: str, year: int) -> frozenset[date]:
    return frozenset(country_holidays(country, years=year))
