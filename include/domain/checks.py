"""Whether a claimed message may leave now: the checks of SEMANTICS 5 in their order.

SQL reads the facts of many messages in one statement (`check.read_facts`); what they mean is decided here only.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from include.domain.rules import RuleSet

STALE_STOCK_RETRY = timedelta(minutes=15)
HOLD_RETRY = timedelta(days=1)
AHEAD_RETRY = timedelta(minutes=1)

ABOUT_A_REQUEST = frozenset({"confirm_request", "keep_request"})
NOT_URGENT = frozenset({"back_in_stock", "marketing", "keep_request"})

QuietUntil = Callable[[str, str | None, str], datetime | None]


class Verdict(NamedTuple):
    """Why a message does not leave; `until` is when a waiting one is looked at again, None skips it.

    What `is_held` waits for a person's decision.
    """

    reason: str
    until: datetime | None = None
    is_held: bool = False


class Facts(Protocol):
    """What is known of one claimed message, as `check.read_facts` returns it.

    `step_status` is that of now, draft where the flow's file is gone, None without a flow. `..._ahead` count
    messages to the same person that are leaving before this one; `..._free_at` is when a count over a window
    falls below its limit, None where it is below.
    """

    channel: str
    purpose: str
    request_state: str | None
    is_of_last_batch: bool
    is_step_deleted: bool
    step_status: str | None
    is_approved: bool
    is_profile_deleted: bool
    address: str | None
    suppressed_for: str | None
    alert_consent: str | None
    marketing_consent: str | None
    needs_stock: bool
    is_in_stock: bool
    is_stale: bool
    is_beyond_stock: bool
    without_stock: str
    is_item_known: bool
    time_zone: str | None
    shop_time_zone: str
    channel_ahead: int | None
    smart_until: datetime | None
    alerts_ahead: int | None
    alerts_free_at: datetime | None
    cap_ahead: int | None
    cap_free_at: datetime | None


def judge(facts: Facts, rules: RuleSet, now: datetime, quiet_until: QuietUntil) -> Verdict | None:
    """The first thing that stands against a message; None: it may leave.

    `quiet_until` says, for a channel, the recipient's and the shop's time zone, when the quiet hours end; None
    outside them.
    """
    if verdict := _message_status(facts) or _recipient(facts) or _stock(facts, now):
        return verdict
    if facts.purpose in NOT_URGENT:
        until = quiet_until(facts.channel, facts.time_zone, facts.shop_time_zone)
        if until is not None:
            return Verdict("quiet_hours", until)
        if verdict := _smart_sending(facts, now) or _alerts(facts, rules, now) or _cap(facts, rules, now):
            return verdict
    if facts.is_item_known or facts.purpose in ABOUT_A_REQUEST:
        return None
    return Verdict("catalog_item_unavailable")


def lacks_consent(channel: str, purpose: str, alert: str | None, marketing: str | None) -> bool:
    """Whether a message needs consent for its channel that was not given (SEMANTICS 10.1).

    Asking to be told about one item is a service request: e-mail needs no more than that nobody objected.
    """
    if purpose == "marketing":
        return marketing != "given"
    if purpose in ("back_in_stock", "keep_request"):
        return alert == "withdrawn" or (channel == "SMS" and "given" not in (alert, marketing))
    return False


def _message_status(facts: Facts) -> Verdict | None:
    if facts.purpose == "back_in_stock":
        if facts.request_state == "cancelled":
            return Verdict("cancelled")
        # Without a batch of its own any more: back in the queue, or told of by another request.
        if not facts.is_of_last_batch or facts.request_state in ("waiting", "expired"):
            return Verdict("covered")
    return _step(facts)


def _step(facts: Facts) -> Verdict | None:
    if facts.is_step_deleted:
        return Verdict("step_deleted")
    if facts.step_status == "draft":
        return Verdict("no_live_message")
    # A person decides, and only once (SEMANTICS 7.3).
    needs_review = facts.step_status == "manual" and not facts.is_approved
    return Verdict("manual", is_held=True) if needs_review else None


def _recipient(facts: Facts) -> Verdict | None:
    if facts.is_profile_deleted:
        return Verdict("profile_deleted")
    if facts.address is None:
        return Verdict("missing_phone" if facts.channel == "SMS" else "missing_email")
    if facts.suppressed_for is not None:
        if facts.suppressed_for == "invalid_address":
            return Verdict("invalid_address")
        # Who wants no advertising still gets the receipt (SEMANTICS 7.10).
        if facts.purpose != "transactional" or facts.suppressed_for != "unsubscribed":
            return Verdict("suppressed")
    if lacks_consent(facts.channel, facts.purpose, facts.alert_consent, facts.marketing_consent):
        return Verdict("missing_consent")
    return None


def _stock(facts: Facts, now: datetime) -> Verdict | None:
    if not facts.needs_stock:
        return None
    is_first = facts.request_state == "released"
    if not facts.is_in_stock:
        if is_first or facts.without_stock == "skip":
            return Verdict("out_of_stock_again")
        return Verdict("hold", now + HOLD_RETRY)
    if facts.is_stale:
        return Verdict("stale_stock", now + STALE_STOCK_RETRY)
    return Verdict("out_of_stock_again") if is_first and facts.is_beyond_stock else None


def _smart_sending(facts: Facts, now: datetime) -> Verdict | None:
    if facts.smart_until is not None and facts.smart_until > now:
        return Verdict("smart_sending")
    # Whether the one ahead leaves is not known yet, so it can't be a reason to skip.
    return Verdict("frequency_cap", now + AHEAD_RETRY) if facts.channel_ahead else None


def _alerts(facts: Facts, rules: RuleSet, now: datetime) -> Verdict | None:
    if facts.alerts_ahead is None:
        return None
    if facts.alerts_ahead >= rules.max_alerts_per_day:
        return Verdict("frequency_cap", now + AHEAD_RETRY)
    return _wait_until(facts.alerts_free_at, now)


def _cap(facts: Facts, rules: RuleSet, now: datetime) -> Verdict | None:
    if facts.cap_ahead is None or rules.frequency_cap is None:
        return None
    if facts.cap_ahead >= rules.frequency_cap:
        return Verdict("frequency_cap", now + AHEAD_RETRY)
    verdict = _wait_until(facts.cap_free_at, now)
    if verdict is not None and rules.above_frequency_cap == "skip":
        return Verdict("frequency_cap")
    return verdict


def _wait_until(free_at: datetime | None, now: datetime) -> Verdict | None:
    return None if free_at is None or free_at <= now else Verdict("frequency_cap", free_at)
