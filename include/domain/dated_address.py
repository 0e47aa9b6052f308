"""Addresses that hold the time of a window: such a feed can be asked for the past (SEMANTICS 2.8)."""

import re
from datetime import UTC, datetime

FORM = "{window_start:%Y/%m/%d/%H%M}"
ALLOWED = f"Allowed are window_start and window_end with a form of strftime, in UTC, as in {FORM}"

_PLACE = re.compile(r"\{(?P<inside>[^{}]*)\}")
_INSIDE = re.compile(r"(?P<name>window_start|window_end):(?P<form>(?:%[YmdHMSjGVuyF]|[^%{}])+)")


def is_dated(address: str) -> bool:
    """Whether the address differs from window to window."""
    return _PLACE.search(address) is not None


def check_dated_address(address: str) -> str:
    """The address as it is; raises ValueError that says what is allowed between braces."""
    rest = _PLACE.sub("", address)
    if "{" in rest or "}" in rest:
        raise ValueError(f"{address!r} has a brace without its partner. {ALLOWED}")
    for place in _PLACE.finditer(address):
        inside = _INSIDE.fullmatch(place["inside"])
        if inside is None or "%" not in inside["form"]:
            raise ValueError(f"{place[0]} is not understood. {ALLOWED}")
    return address


def address_of(address: str, start: datetime, end: datetime) -> str:
    """The address of one window."""
    times = {"window_start": start.astimezone(UTC), "window_end": end.astimezone(UTC)}

    def spell(place: re.Match[str]) -> str:
        name, _, form = place["inside"].partition(":")
        return times[name].strftime(form)

    return _PLACE.sub(spell, address)
