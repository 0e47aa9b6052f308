"""The thresholds that may differ by shop, collection, product and variant (SEMANTICS 4.9)."""

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic.fields import FieldInfo


def rule(default: Any, allowed: str, description: str, **limits: Any) -> Any:
    """A threshold with its default, what is allowed, and what it does."""
    return Field(default, description=description, json_schema_extra={"allowed": allowed}, **limits)


def allowed_values(field: FieldInfo) -> str:
    """What is allowed for a threshold, for people."""
    extra = field.json_schema_extra
    return str(extra["allowed"]) if isinstance(extra, dict) else ""


def none_if_empty(value: Any) -> Any:
    """An empty Variable means None where None is allowed."""
    return None if value == "" else value


def _read_locations(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return json.loads(value) if value.strip() else None


Locations = Annotated[tuple[str, ...] | None, BeforeValidator(_read_locations)]


class VariantRules(BaseModel):
    """What `restock_rule_overrides` may set for some variants; a field here is overridable."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    min_inventory: int = rule(
        1, "a whole number from 1", "Units that must be back before anyone is told.", ge=1, le=10**12
    )
    customers_per_unit: Annotated[int, Field(ge=1, le=10**9)] | Literal["all"] = rule(
        "all",
        "'all' or a whole number from 1",
        "How many people are told per unit in stock: 'all' tells everyone who waits, 5 tells 100 for 20 units.",
    )
    wait_minutes: float = rule(
        60.0,
        "a number of minutes above 0, up to 525600, fractions included",
        "Minutes between two batches of one variant; stock is read again when they end.",
        gt=0,
        le=525_600,
    )
    min_restock: int = rule(
        1, "a whole number from 1", "Units that must have come back since it was sold out.", ge=1, le=10**12
    )
    confirm_pulls: int = rule(
        1, "a whole number from 1 to 100", "Observations in a row that must show the restock.", ge=1, le=100
    )
    min_out_minutes: float = rule(
        0.0,
        "a number of minutes from 0 to 525600",
        "A shorter time out of stock is no restock.",
        ge=0,
        le=525_600,
    )
    ordering: Literal["oldest", "newest", "vip_first", "lottery"] = rule(
        "oldest",
        "'oldest', 'newest', 'vip_first' or 'lottery'",
        "Whose turn it is: 'vip_first' takes people with restock_vip_property first, 'lottery' draws anew per batch.",
    )
    vip_property: Annotated[str, StringConstraints(min_length=1, max_length=100)] = rule(
        "vip",
        "a name of 1 to 100 characters",
        "Profile property of those who come first under 'vip_first'; false, no, 0 and empty do not count.",
    )
    basis: Literal["on_hand", "added"] = rule(
        "on_hand",
        "'on_hand' or 'added'",
        "Units that size a batch: all in stock, or only those added since the last batch.",
    )
    sizing: Literal["people", "wanted_units"] = rule(
        "people",
        "'people' or 'wanted_units'",
        "What fills a batch: each person once, or the units that each person wants.",
    )
    allow_overtaking: bool = rule(
        False,
        "'true' or 'false'",
        "With wanted_units: whether smaller wishes may pass one that no longer fits into the batch.",
    )
    subtract_invited_hours: float = rule(
        0.0,
        "a number of hours from 0 to 8784",
        "People told in these last hours who have not bought since still count against the stock; 0: nobody does.",
        ge=0,
        le=8_784,
    )
    approval_above: Annotated[
        Annotated[int, Field(ge=0, le=10**12)] | None, BeforeValidator(none_if_empty)
    ] = rule(
        None,
        "empty (no approval) or a whole number from 0",
        "A batch of more people waits until a person approves it in Airflow (Dag approve_batch).",
    )
    approval_hours: float = rule(
        24.0,
        "a number of hours above 0, up to 8784, fractions included",
        "How long a batch waits for approval; then nobody is told until the wait has passed.",
        gt=0,
        le=8_784,
    )
    oversell: Literal["count_units", "always_in_stock"] = rule(
        "count_units",
        "'count_units' or 'always_in_stock'",
        "A variant that is sold on when out of stock: count its real units, or call it always in stock and never "
        "announce it.",
    )
    included_locations: Locations = rule(
        None,
        'empty (what shops.yaml says, else all) or a JSON list such as ["north", "south"]',
        "Locations whose stock counts.",
    )
    excluded_locations: Locations = rule(
        None,
        'empty (what shops.yaml says, else none) or a JSON list such as ["warehouse"]',
        "Locations whose stock does not count.",
    )

    def people_allowed(self) -> int | None:
        """Customers per unit as a number; None means everyone."""
        return None if self.customers_per_unit == "all" else self.customers_per_unit
