"""Prices as people write them in their language."""

import contextlib
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from babel import Locale, UnknownLocaleError
from babel.numbers import format_currency
from jinja2 import pass_context
from jinja2.runtime import Context


@pass_context
def price(context: Context, amount: Any, currency: Any = "") -> str:
    """`19.99` and `EUR` as `€19.99` or `19,99 €`, by the mail's locale; empty when it is no number."""
    if amount is None or amount == "":
        return ""
    return format_price(str(amount), str(currency or ""), str(context.get("locale") or "en"))


@lru_cache(maxsize=4096)
def format_price(amount: str, currency: str, locale: str) -> str:
    """See `price`; an amount without a currency is shown as it is."""
    try:
        number = Decimal(amount)
    except InvalidOperation:
        return ""
    if not number.is_finite():
        return ""
    return format_currency(number, currency.upper(), locale=_known_locale(locale)) if currency else amount


def _known_locale(name: str) -> Locale:
    for candidate in (name, name.replace("_", "-").partition("-")[0]):
        with contextlib.suppress(UnknownLocaleError, ValueError):
            return Locale.parse(candidate.replace("-", "_"))
    return Locale.parse("en")
