"""One row of a feed, value by value: the definition of what is accepted, whatever the format.

The fast paths of the formats take a shortcut for the plain cases and come here for all others; a test holds
both to the same results.
"""

import re
from collections.abc import Mapping
from decimal import ROUND_FLOOR, Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import msgspec

from include.catalog.base import CatalogRow, RejectedRow, excerpt_of
from include.catalog.feed.fields import FIELDS, PATH, FieldNames, plain_name, value_at
from include.domain.feed_fields import CatalogField, FieldRule
from include.errors import RowRejected

NO_RULES: Mapping[CatalogField, FieldRule] = MappingProxyType({})
LARGEST_QUANTITY = 10**12
LONGEST_QUANTITY = 40
LONGEST_PRICE = 40
PRICES: tuple[CatalogField, ...] = ("price", "compare_at_price")
UNSETTLED = ""
MOST_DECIMALS = 6
SMALLEST = Decimal(1).scaleb(-MOST_DECIMALS)
LONGEST_ID = 255
LONGEST_KEPT = 256
LONGEST_INTEGER = 14_000  # bits; Python writes no longer ones as text

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_PRICE = re.compile(
    r"(?:[A-Z]{3}|[$€£¥₹]|Fr\.|kr)?\s?([0-9+.,'eE \u00a0-]*[0-9.])\s?(?:[A-Z]{3}|[$€£¥₹]|kr|zł|Kč)?"
)
_YES = {"true": True, "yes": True, "y": True, "t": True, "1": True, "continue": True}
_NO = {"false": False, "no": False, "n": False, "f": False, "0": False, "deny": False}
TRUTHS = _YES | _NO
_POLICIES = TRUTHS | {"0": False, "1": False, "2": False}


class RowReader:
    """Makes rows of the values of one feed, whose `names` stand in the reasons for a refusal; `rules` change values."""

    def __init__(self, names: FieldNames, rules: Mapping[CatalogField, FieldRule] = NO_RULES) -> None:
        self.names = names
        self._rules = rules
        self.is_plain = not rules and not any(PATH in name for name in names.values())
        self._selling_name = names.get("continue_selling", "continue_selling")
        self._labels = tuple(f"field {names.get(field, field)!r}" for field in FIELDS)

    def pick(self, found: Mapping[str, Any]) -> dict[CatalogField, Any]:
        """The values of the catalog fields in one decoded object, nested ones by their paths."""
        if self.is_plain:
            return {field: found.get(name) for field, name in self.names.items()}
        return {field: value_at(found, name) for field, name in self.names.items()}

    def read(
        self, values: Mapping[Any, Any], line_number: int, origin: str | bytes
    ) -> CatalogRow | RejectedRow:
        """As `build`; a refused row is kept with its reason and the beginning of its `origin`."""
        try:
            return self.build(values, line_number)
        except RowRejected as refusal:
            return RejectedRow(line_number, str(refusal), excerpt_of(origin))

    def build(self, values: Mapping[Any, Any], line_number: int) -> CatalogRow:
        """The row that `values`, by catalog field, make; raises RowRejected with the reason."""
        if self._rules:
            values = {**values, **{name: self._ruled(name, values.get(name)) for name in self._rules}}
        get = values.get
        variant, amount, place, product, title, url, image, price, former, groups, shown, tracked, _ = (
            self._labels
        )
        is_tracked = truth(get("is_tracked"), tracked, default=True)
        return CatalogRow(
            line_number,
            identifier(get("variant_id"), variant),
            optional_identifier(get("location_id"), place) or "",
            quantity(get("quantity"), amount, is_tracked=is_tracked),
            optional_identifier(get("product_id"), product),
            optional_text(get("title"), title),
            optional_text(get("url"), url),
            optional_text(get("image_url"), image),
            optional_price(get("price"), price),
            optional_price(get("compare_at_price"), former),
            collections(get("collections"), groups),
            truth(get("is_published"), shown, default=True),
            is_tracked,
            continue_selling(get("continue_selling"), self._selling_name),
        )

    def _ruled(self, field: CatalogField, value: Any) -> Any:
        rule = self._rules[field]
        if field in PRICES and rule.times is not None and type(value) is str and not _is_endless(value):
            # `1.299,00 EUR` is no number to multiply, yet a price: left as it is, it would pass for the product.
            value = settle_price(value) or value
        return rule.apply(value)


def identifier(value: Any, name: str) -> str:
    """An id as text without blanks around it; whole numbers are taken as they are written."""
    found = optional_identifier(value, name)
    if found is None:
        raise RowRejected(f"{name} is empty: a row needs the variant's id")
    return found


def optional_identifier(value: Any, name: str) -> str | None:
    """As `identifier`, None where the value is empty."""
    if value is None:
        return None
    if type(value) is int and value.bit_length() < LONGEST_INTEGER:
        value = str(value)
    if not isinstance(value, str):
        raise RowRejected(f"{name} is {_shown(value)}, where an id is text or a whole number")
    cleaned = clean(value.strip(), name)
    if len(cleaned) > LONGEST_ID:
        raise RowRejected(f"{name} has {len(cleaned):,} characters; at most {LONGEST_ID} are allowed")
    return cleaned or None


def quantity(value: Any, name: str, *, is_tracked: bool = True) -> str:
    """A quantity as plain decimal text (SEMANTICS 1.2); untracked stock may leave it out."""
    if type(value) is int and value.bit_length() > LONGEST_INTEGER:
        raise RowRejected(f"{name} is a number of absurd length; at most {LARGEST_QUANTITY:,} is believed")
    text = "" if value is None else str(value).strip()
    if not text and not is_tracked:
        return "0"
    if not text:
        raise RowRejected(f"{name} is empty: a row needs a quantity")
    if isinstance(value, bool) or len(text) > LONGEST_QUANTITY or not _NUMBER.fullmatch(text):
        raise RowRejected(f"{name} is {_shown(value)}, where a quantity is a number such as 12 or -0.5")
    number = Decimal(text)
    if abs(number) > LARGEST_QUANTITY:
        raise RowRejected(f"{name} is {_shown(value)}; at most {LARGEST_QUANTITY:,} is believed")
    return _plain_decimal(number)


def optional_text(value: Any, name: str) -> str | None:
    """Text or a number as it is written; None where it is empty."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return clean(value, name)
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return str(value)
    raise RowRejected(f"{name} is {_shown(value)}, where text is needed")


def optional_price(value: Any, name: str) -> str | None:
    """A price as decimal text, without its currency; None where it is empty."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    is_price = type(value) in (str, int, float, Decimal) and not _is_endless(value)
    price = settle_price(str(value)) if is_price else UNSETTLED
    if price == UNSETTLED:
        raise RowRejected(f"{name} is {_shown(value)}, where a price is a number such as 19.90")
    return price


@lru_cache(maxsize=8192)
def settle_price(text: str) -> str | None:
    """The number in `19.90`, `19,90 EUR`, `€ 1.299,00` or `$1,299.00`; UNSETTLED where there is none.

    None where the text is blank. Only for texts of at most LONGEST_PRICE characters: they are remembered.
    """
    text = text.strip()
    match = _PRICE.fullmatch(text)
    if match is None or len(text) > LONGEST_PRICE:
        return UNSETTLED if text else None
    number = match[1] if _NUMBER.fullmatch(match[1]) else _without_separators(match[1])
    return number if number is not None and abs(Decimal(number)) <= LARGEST_QUANTITY else UNSETTLED


def _is_endless(value: Any) -> bool:
    return (
        len(value) > LONGEST_PRICE if type(value) is str else type(value) is int and value.bit_length() > 99
    )


def _without_separators(number: str) -> str | None:
    for thousands, decimals in ((",", "."), (".", ","), ("'", "."), (" ", ","), ("\u00a0", ",")):
        whole, _, fraction = number.partition(decimals)
        groups = whole.lstrip("+-").split(thousands)
        is_plain = len(groups) == 1 and decimals == ","
        is_grouped = groups[0] != "0" and len(groups[0]) <= 3 and {len(group) for group in groups[1:]} == {3}
        digits = "".join(groups) + fraction
        if (is_plain or is_grouped) and digits.isascii() and digits.isdigit() and groups[0]:
            sign = "-" if whole.startswith("-") else ""
            return f"{sign}{''.join(groups)}{'.' if fraction else ''}{fraction}"
    return None


def collections(value: Any, name: str) -> tuple[str, ...]:
    """A list of names; text is split at `|`, or at commas where it has none, or read as a JSON list."""
    if value is None or value == "":
        return ()
    if isinstance(value, str):
        return split_collections(clean(value, name), name)
    if isinstance(value, list | tuple) and all(isinstance(item, str | int) for item in value):
        return tuple(clean(str(item), name) for item in value)
    raise RowRejected(f"{name} is {_shown(value)}, where a list of names is needed")


def split_collections(text: str, name: str) -> tuple[str, ...]:
    """The names in one text: `Shoes|Sale`, `Shoes, Sale` or `["Shoes", "Sale"]`."""
    if len(text) > LONGEST_KEPT:
        return _split(text, name)
    return _split_once(text, name)


def _split(text: str, name: str) -> tuple[str, ...]:
    if text.lstrip().startswith("["):
        try:
            return tuple(clean(item, name) for item in msgspec.json.decode(text, type=list[str]))
        except msgspec.DecodeError:
            pass
    separator = "|" if "|" in text else ","
    return tuple(item.strip() for item in text.split(separator) if item.strip())


_split_once = lru_cache(maxsize=4096)(_split)


def truth(value: Any, name: str, *, default: bool) -> bool:
    """Yes or no, in the spellings that feeds use; `default` where it is left out."""
    if isinstance(value, bool):
        return value
    word = "" if value is None else str(value).strip().lower()
    if not word:
        return default
    if word not in TRUTHS:
        raise RowRejected(f"{name} is {_shown(value)}, where true or false is needed")
    return TRUTHS[word]


def continue_selling(value: Any, source_name: str) -> bool:
    """Whether the variant sells below zero (SEMANTICS 1.4)."""
    if value is None or value is False:
        return False
    word = value if isinstance(value, bool) else str(value).strip()
    if word in selling_words(source_name):
        return selling_words(source_name)[word]
    return truth(value, f"field {source_name!r}", default=False)


def selling_words(source_name: str) -> Mapping[Any, bool]:
    """Words that say at once whether a variant sells below zero.

    Klaviyo's inventory policies 0, 1 and 2 are about product blocks and say nothing of it.
    """
    return _POLICIES if plain_name(source_name).endswith("inventory_policy") else TRUTHS


def clean(text: str, name: str) -> str:
    """`text` itself; raises RowRejected where the database could not store it."""
    if "\0" in text:
        raise RowRejected(f"{name} contains a NUL character")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise RowRejected(
                f"{name} is not valid UTF-8 text; another encoding is told by feed.encoding"
            ) from None
    return text


def _plain_decimal(number: Decimal) -> str:
    exponent = number.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -MOST_DECIMALS:
        number = number.quantize(SMALLEST, rounding=ROUND_FLOOR)
    return format(number, "f")


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return repr(value if len(value) <= 40 else f"{value[:39]}…")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float | Decimal):
        return str(value)[:40]
    return "a list" if isinstance(value, list | tuple) else "an object"
