"""How many people a variant may release now: the specification of `sql/queries/release.sql` (SEMANTICS 4.1)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from include.domain.rules import RuleSet

Hold = Literal["closed", "absent", "stale_stock", "no_live_message", "waiting_time", "in_flight"]


@dataclass(frozen=True)
class VariantAtRelease:
    """What release knows of one variant; `in_flight` are people released but not yet told."""

    units: int
    is_open: bool
    is_absent: bool
    is_stale: bool
    in_flight: int
    next_release_at: datetime | None


@dataclass(frozen=True)
class Allowance:
    """`people` may be released (None: everyone who waits), or `hold` says why nobody is."""

    people: int | None
    hold: Hold | None = None


def allow_release(
    variant: VariantAtRelease, rules: RuleSet, now: datetime, has_live_message: bool = True
) -> Allowance:
    """The release rule for one variant at one moment."""
    hold = _hold_back(variant, rules, now, has_live_message)
    if hold:
        return Allowance(0, hold)
    per_unit = rules.people_allowed()
    if per_unit is None:
        return Allowance(None)
    people = max(0, variant.units * per_unit - variant.in_flight)
    return Allowance(people, None if people else "in_flight")


def next_release(rules: RuleSet, now: datetime) -> datetime | None:
    """When the next batch may follow one that released people at `now`; None without a wait ("all")."""
    if rules.people_allowed() is None:
        return None
    return now + timedelta(minutes=rules.wait_minutes)


def _hold_back(
    variant: VariantAtRelease, rules: RuleSet, now: datetime, has_live_message: bool
) -> Hold | None:
    if not variant.is_open:
        return "closed"
    if variant.is_absent:
        return "absent"
    if variant.is_stale:
        return "stale_stock"
    if not has_live_message:
        return "no_live_message"
    has_wait = rules.people_allowed() is not None
    if has_wait and variant.next_release_at is not None and now < variant.next_release_at:
        return "waiting_time"
    return None
