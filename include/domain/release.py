"""How many and which people a variant may release now (SEMANTICS 4.1-4.7).

This is the specification of `sql/queries/decide.sql` (how many) and `sql/queries/choose.sql` (which).
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from include.domain.variant_rules import VariantRules

Hold = Literal[
    "closed",
    "absent",
    "stale_stock",
    "no_live_message",
    "awaiting_approval",
    "declined",
    "waiting_time",
    "nothing_added",
    "in_flight",
    "invited",
    "does_not_fit",
]


@dataclass(frozen=True)
class VariantAtRelease:
    """What release knows of one variant.

    `in_flight` were released and not yet told, `invited` were told within `subtract_invited_hours` and have not
    bought since: people, or the units that they want where `sizing` counts these. `added_units` is None before a
    cycle's first batch.
    """

    units: int
    is_open: bool
    is_absent: bool
    is_stale: bool
    in_flight: int
    next_release_at: datetime | None
    added_units: int | None = None
    invited: int = 0
    is_proposed: bool = False
    declined_until: datetime | None = None


@dataclass(frozen=True)
class Allowance:
    """Room for so many people or wanted units (None: everyone who waits), or `hold` says why nobody is told."""

    room: int | None
    hold: Hold | None = None


@dataclass(frozen=True)
class Waiting:
    """One request in the queue; `deferral` and `unreachable` name a reason for not taking part."""

    subscription_id: int
    subscribed_at: datetime
    wanted: int = 1
    is_vip: bool = False
    deferral: str | None = None
    unreachable: str | None = None


@dataclass
class Choice:
    """Who is released, in order; who is skipped or passed over on the way, and why."""

    released: list[int] = field(default_factory=list)
    skipped: dict[int, str] = field(default_factory=dict)
    passed: dict[int, str] = field(default_factory=dict)


def allow_release(
    variant: VariantAtRelease, rules: VariantRules, now: datetime, has_live_message: bool = True
) -> Allowance:
    """The release rule for one variant at one moment (SEMANTICS 4.1)."""
    hold = _hold_back(variant, rules, now, has_live_message)
    if hold:
        return Allowance(0, hold)
    per_unit = rules.people_allowed()
    if per_unit is None:
        return Allowance(None)
    most = basis_units(variant, rules) * per_unit
    room = max(0, most - variant.in_flight - variant.invited)
    return Allowance(room, None if room else _why_no_room(most, variant))


def basis_units(variant: VariantAtRelease, rules: VariantRules) -> int:
    """The units that size a batch (SEMANTICS 4.3)."""
    if rules.basis == "on_hand" or variant.added_units is None:
        return variant.units
    return min(variant.added_units, variant.units)


def choose_people(
    queue: Iterable[Waiting], room: int | None, units: int, rules: VariantRules, seed: str
) -> Choice:
    """Walk the queue in its order until the room is taken or one does not fit (SEMANTICS 4.2, 4.5, 4.6)."""
    choice = Choice()
    for person in sort_queue(queue, rules, seed):
        if room == 0:
            break
        size = person.wanted if rules.sizing == "wanted_units" else 1
        if person.deferral:
            choice.passed[person.subscription_id] = person.deferral
        elif person.unreachable:
            choice.skipped[person.subscription_id] = person.unreachable
        elif rules.sizing == "wanted_units" and size > units:
            choice.passed[person.subscription_id] = "wants_more"
        elif room is not None and size > room:
            choice.passed[person.subscription_id] = "does_not_fit"
            if not rules.allow_overtaking:
                break
        else:
            choice.released.append(person.subscription_id)
            room = None if room is None else room - size
    return choice


def sort_queue(queue: Iterable[Waiting], rules: VariantRules, seed: str) -> list[Waiting]:
    """The queue in the order of the rule; ties are by time and id (SEMANTICS 4.2)."""
    if rules.ordering == "newest":
        return sorted(queue, key=lambda one: (one.subscribed_at, one.subscription_id), reverse=True)
    first = {"lottery": lambda one: _draw(seed, one), "vip_first": lambda one: "0" if one.is_vip else "1"}
    key = first.get(rules.ordering, lambda _: "")
    return sorted(queue, key=lambda one: (key(one), one.subscribed_at, one.subscription_id))


def needs_approval(people: int, rules: VariantRules) -> bool:
    """Whether a person has to approve a batch of this size (SEMANTICS 4.7)."""
    return rules.approval_above is not None and people > rules.approval_above


def next_release(rules: VariantRules, now: datetime) -> datetime | None:
    """When the next batch may follow one that released people at `now`; None without a wait ("all")."""
    if rules.people_allowed() is None:
        return None
    return now + timedelta(minutes=rules.wait_minutes)


def is_vip(properties: Mapping[str, Any], name: str) -> bool:
    """Whether a profile property says that somebody comes first."""
    value = properties.get(name)
    text = "" if value is None else str(value)
    return text.lower() not in ("", "false", "no", "0")


def deferral_reason(
    restock_after: datetime | None, restocked_at: datetime | None, not_before: datetime | None, now: datetime
) -> str | None:
    """Why a waiting request does not take part yet (SEMANTICS 3.3, 3.5)."""
    if restock_after is not None and (restocked_at is None or restock_after >= restocked_at):
        return "next_restock"
    return "told_recently" if not_before is not None and not_before > now else None


def _draw(seed: str, person: Waiting) -> str:
    text = f"{seed}:{person.subscription_id}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _hold_back(
    variant: VariantAtRelease, rules: VariantRules, now: datetime, has_live_message: bool
) -> Hold | None:
    has_timer = rules.people_allowed() is not None and variant.next_release_at is not None
    holds: dict[Hold, bool] = {
        "closed": not variant.is_open or variant.units < rules.min_inventory,
        "absent": variant.is_absent,
        "stale_stock": variant.is_stale,
        "no_live_message": not has_live_message,
        "awaiting_approval": variant.is_proposed,
        "declined": variant.declined_until is not None and now < variant.declined_until,
        "waiting_time": has_timer and variant.next_release_at is not None and now < variant.next_release_at,
    }
    return next((hold for hold, is_held in holds.items() if is_held), None)


def _why_no_room(most: int, variant: VariantAtRelease) -> Hold:
    if most == 0:
        return "nothing_added"
    return "in_flight" if most <= variant.in_flight else "invited"
