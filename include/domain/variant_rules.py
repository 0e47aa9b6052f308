"""The thresholds that may differ by shop, collection, product and variant (SEMANTICS 4.9)."""

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.fields import FieldInfo


def rule(default: Any, allowed: str, description: str, **limits: Any) -> Any:
    """A threshold with its default, what is allowed, and what it does."""
    return Field(default, description=description, json_schema_extra={"allowed": allowed}, **limits)


def allowed_values(field: FieldInfo) -> str:
    """What is allowed for a threshold, for people."""
    extra = field.json_schema_extra
    return str(extra["allowed"]) if isinstance(extra, dict) else ""


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
        "a number of minutes above 0, fractions included",
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
        0.0, "a number of minutes from 0", "A shorter time out of stock is no restock.", ge=0, le=525_600
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
