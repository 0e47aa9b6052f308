"""Rules for some variants: reading them, and which one holds for a variant (SEMANTICS 4.9).

`resolve_rules` is the specification of the SQL function `effective_rules`.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, ValidationError, model_validator

from include.domain.variant_rules import VariantRules, allowed_values

Scope = Literal["shop", "collection", "product", "variant"]
SCOPES: tuple[Scope, ...] = ("shop", "collection", "product", "variant")
FORM = '{"shop" | "collection" | "product" | "variant": ID, "rules": {RULE: VALUE}}'


class RuleOverride(BaseModel):
    """Rules for one shop, collection, product or variant; beside another, `shop` limits it to that shop."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shop: StrictStr | None = Field(None, min_length=1)
    collection: StrictStr | None = Field(None, min_length=1)
    product: StrictStr | None = Field(None, min_length=1)
    variant: StrictStr | None = Field(None, min_length=1)
    priority: StrictInt = Field(0, ge=-(10**6), le=10**6)
    rules: dict[str, Any] = Field(min_length=1)

    @model_validator(mode="after")
    def _has_one_target(self) -> "RuleOverride":
        named = [scope for scope in SCOPES[1:] if getattr(self, scope) is not None]
        if len(named) > 1:
            raise ValueError(f"{' and '.join(named)} stand together; write one entry for each")
        if not named and self.shop is None:
            raise ValueError("it names no shop, collection, product or variant")
        if self.priority and named != ["collection"]:
            raise ValueError("a priority is for collections only: a variant or product can have one entry")
        return self

    @property
    def scope(self) -> Scope:
        """The narrowest thing it names."""
        return next((scope for scope in reversed(SCOPES) if getattr(self, scope) is not None), "shop")

    @property
    def target(self) -> str:
        """The id of what it is for."""
        return str(getattr(self, self.scope))

    @property
    def origin(self) -> str:
        """How decisions name it."""
        return f"{self.scope} {self.target}"

    def rank(self) -> tuple[int, int, bool, str]:
        """Of two that set the same rule for a variant, the higher rank holds."""
        return SCOPES.index(self.scope), self.priority, self.shop is not None, self.target

    def matches(self, subject: "RuleSubject") -> bool:
        """Whether it speaks of this variant."""
        if self.shop is not None and self.shop != subject.shop_id:
            return False
        if self.scope == "collection":
            return self.target in subject.collections
        return self.target == {
            "shop": subject.shop_id,
            "product": subject.product_id,
            "variant": subject.variant_id,
        }.get(self.scope)


@dataclass(frozen=True)
class RuleSubject:
    """What overrides can be for: one variant with its shop, product and collections."""

    shop_id: str
    variant_id: str
    product_id: str | None = None
    collections: tuple[str, ...] = ()


@dataclass(frozen=True)
class EffectiveRules:
    """The rules of one variant; `origins` names where each came from that is not the shop-wide Variable."""

    rules: VariantRules
    origins: dict[str, str]


def resolve_rules(
    everywhere: VariantRules, overrides: tuple[RuleOverride, ...], subject: RuleSubject
) -> EffectiveRules:
    """Each rule from the narrowest override that sets it: variant > product > collection > shop > global."""
    values = {name: getattr(everywhere, name) for name in VariantRules.model_fields}
    origins: dict[str, str] = {}
    for override in sorted((one for one in overrides if one.matches(subject)), key=RuleOverride.rank):
        values |= override.rules
        origins |= dict.fromkeys(override.rules, override.origin)
    return EffectiveRules(VariantRules.model_validate(values), origins)


def read_overrides(value: Any) -> Any:
    """Overrides from the Variable's JSON; raises ValueError listing every problem with its entry."""
    entries = _read_list(value)
    problems: list[str] = []
    overrides: list[tuple[int, RuleOverride]] = []
    for number, entry in enumerate(entries, 1):
        try:
            overrides.append((number, _read_entry(entry)))
        except ValueError as error:
            problems += [f"entry {number}{_name_of(entry)}: {problem}" for problem in _list_problems(error)]
    problems += _find_conflicts(overrides)
    if problems:
        raise ValueError("; ".join(problems))
    return tuple(override for _, override in overrides)


def _read_list(value: Any) -> list[Any]:
    try:
        entries = json.loads(value or "[]", object_pairs_hook=_unique) if isinstance(value, str) else value
    except json.JSONDecodeError as error:
        raise ValueError(
            f"line {error.lineno}, column {error.colno}: it is no JSON ({error.msg}); allowed is a list of {FORM}"
        ) from None
    if not isinstance(entries, list | tuple):
        raise ValueError(f"it is no list; allowed is a list of {FORM}")
    return list(entries)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if repeated := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"'{repeated}' stands twice in one place")
    return dict(pairs)


def _read_entry(entry: Any) -> RuleOverride:
    if isinstance(entry, RuleOverride):
        return entry
    if not isinstance(entry, dict):
        raise ValueError(f"it is no object; allowed is {FORM}")
    override = RuleOverride.model_validate(entry)
    unknown = sorted(set(override.rules) - set(VariantRules.model_fields))
    if unknown:
        raise ValueError(
            f"{', '.join(unknown)} can't be set here; allowed are {', '.join(VariantRules.model_fields)}"
        )
    spelled = {name: _spell(one) for name, one in override.rules.items()}
    rules = VariantRules.model_validate(spelled).model_dump(mode="json", include=set(spelled))
    return override.model_copy(update={"rules": rules})


def _spell(value: Any) -> str:
    """As a Variable would hold it, so that both are read alike."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _list_problems(error: ValueError) -> list[str]:
    if not isinstance(error, ValidationError):
        return [str(error)]
    return list(dict.fromkeys(_describe(problem) for problem in error.errors()))


def _describe(problem: Any) -> str:
    if "error" in problem.get("ctx", {}):
        return str(problem["ctx"]["error"])
    name = str(problem["loc"][0])
    if name in VariantRules.model_fields:
        allowed = allowed_values(VariantRules.model_fields[name])
        return f"{name} is '{str(problem['input'])[:80]}', allowed is {allowed}"
    return f"{name} is {json.dumps(problem['input'], default=str)[:80]}: {problem['msg']}; allowed is {FORM}"


def _name_of(entry: Any) -> str:
    if not isinstance(entry, dict):
        return ""
    named = next((scope for scope in reversed(SCOPES) if isinstance(entry.get(scope), str)), None)
    return f" ({named} '{entry[named]}')" if named else ""


def _find_conflicts(overrides: list[tuple[int, RuleOverride]]) -> Iterator[str]:
    seen: dict[tuple[str | None, str, str], int] = {}
    for number, override in overrides:
        key = (override.shop, override.scope, override.target)
        if key in seen:
            yield f"entries {seen[key]} and {number} are both for {override.origin}; put their rules into one"
        seen.setdefault(key, number)
    collections = [pair for pair in overrides if pair[1].scope == "collection"]
    for (first, one), (second, other) in combinations(collections, 2):
        for name in _disputed(one, other):
            yield (
                f"entries {first} and {second} set {name} to {one.rules[name]} for collection '{one.target}' and to "
                f"{other.rules[name]} for collection '{other.target}', and a variant can be in both: "
                'give them a different "priority" (the higher one holds)'
            )


def _disputed(one: RuleOverride, other: RuleOverride) -> list[str]:
    apart = one.shop is not None and other.shop is not None and one.shop != other.shop
    if apart or one.target == other.target or one.priority != other.priority:
        return []
    return [name for name in one.rules if name in other.rules and one.rules[name] != other.rules[name]]
