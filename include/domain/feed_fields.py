"""Where a feed keeps a catalog field, and what is done to its value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

CatalogField = Literal[
    "variant_id",
    "quantity",
    "location_id",
    "product_id",
    "title",
    "url",
    "image_url",
    "price",
    "compare_at_price",
    "collections",
    "is_published",
    "is_tracked",
    "continue_selling",
]


class FieldRule(BaseModel):
    """One entry of `feed.fields`: a name alone, or a name with what is done, in this order.

    `otherwise` stands in for an empty value; `any_of` makes true of the listed words and false of all others; `times`
    multiplies; `split` parts a text into several; `prefix` and `suffix` go around it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    source: str = Field(alias="from", min_length=1)
    otherwise: str | None = None
    any_of: tuple[str, ...] | None = None
    times: Decimal | None = None
    split: str | None = Field(default=None, min_length=1)
    prefix: str = ""
    suffix: str = ""

    @model_validator(mode="before")
    @classmethod
    def _accept_a_name(cls, value: Any) -> Any:
        return {"from": value} if isinstance(value, str) else value

    @property
    def is_plain(self) -> bool:
        """Whether the value is taken as it is."""
        return self.model_dump(exclude_defaults=True).keys() == {"source"}

    def apply(self, value: Any) -> Any:
        """What becomes of a value; one that can't be multiplied stays, so that the row's refusal shows it."""
        if _is_empty(value):
            value = self.otherwise
        if value is None:
            return None
        if self.any_of is not None:
            return _folded(value) in {_folded(word) for word in self.any_of}
        if self.times is not None:
            value = _multiplied(value, self.times)
        if self.split is not None and isinstance(value, str):
            return [part.strip() for part in value.split(self.split) if part.strip()]
        return f"{self.prefix}{value}{self.suffix}" if self.prefix or self.suffix else value


@dataclass(frozen=True)
class FieldMapping:
    """All of `feed.fields`: the feed's names, and the rules that do more than name."""

    names: Mapping[CatalogField, str] = field(default_factory=dict)
    rules: Mapping[CatalogField, FieldRule] = field(default_factory=dict)

    @classmethod
    def of(cls, fields: Mapping[CatalogField, FieldRule]) -> "FieldMapping":
        """The mapping that settings describe."""
        names = {name: rule.source for name, rule in fields.items()}
        return cls(names, {name: rule for name, rule in fields.items() if not rule.is_plain})


def _is_empty(value: Any) -> bool:
    return value is None or value == [] or (isinstance(value, str) and not value.strip())


def _folded(value: Any) -> str:
    return str(value).strip().casefold()


def _multiplied(value: Any, times: Decimal) -> Any:
    if isinstance(value, bool) or len(str(value)) > 40:
        return value
    try:
        return format(Decimal(str(value).strip()) * times, "f")
    except InvalidOperation:
        return value
