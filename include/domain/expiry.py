"""When a request that waits has waited too long: the specification of request_age.sql (SEMANTICS 3.6)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal


@dataclass(frozen=True)
class Age:
    """What decides; `is_askable`: the person can be asked by e-mail whether it is still wanted."""

    subscribed_at: datetime
    kept_at: datetime | None
    asked_at: datetime | None
    is_askable: bool


def judge_age(
    age: Age, expire_days: int, still_wanted_days: int, now: datetime
) -> Literal["wait", "ask", "expire"]:
    """What becomes of a request now; `expire_days` 0: nothing ever, `still_wanted_days` 0: nobody is asked.

    Who is asked has `still_wanted_days` to answer, also where the question comes late.
    """
    if not expire_days:
        return "wait"
    waited = now - (age.kept_at or age.subscribed_at)
    if still_wanted_days and age.is_askable and age.asked_at is None:
        return "ask" if waited >= timedelta(days=expire_days - still_wanted_days) else "wait"
    has_had_time = (
        not still_wanted_days
        or age.asked_at is None
        or now - age.asked_at >= timedelta(days=still_wanted_days)
    )
    return "expire" if waited >= timedelta(days=expire_days) and has_had_time else "wait"
