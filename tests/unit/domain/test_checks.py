"""The checks before a message leaves, in their order (SEMANTICS 5)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.domain.checks import Verdict, judge, lacks_consent
from include.domain.rules import RuleSet

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SOON = NOW + timedelta(hours=3)
RULES = RuleSet(frequency_cap=3)


@dataclass(frozen=True)
class A:
    """Facts of a message against which nothing stands."""

    channel: str = "EMAIL"
    purpose: str = "back_in_stock"
    request_state: str | None = "released"
    is_of_last_batch: bool = True
    is_step_deleted: bool = False
    step_status: str | None = "live"
    is_approved: bool = False
    is_profile_deleted: bool = False
    address: str | None = "somebody@example.org"
    suppressed_for: str | None = None
    alert_consent: str | None = None
    marketing_consent: str | None = "given"
    needs_stock: bool = True
    is_in_stock: bool = True
    is_stale: bool = False
    is_beyond_stock: bool = False
    without_stock: str = "hold"
    is_item_known: bool = True
    time_zone: str | None = None
    shop_time_zone: str = "Europe/Berlin"
    channel_ahead: int | None = None
    smart_until: datetime | None = None
    alerts_ahead: int | None = 0
    alerts_free_at: datetime | None = None
    cap_ahead: int | None = 0
    cap_free_at: datetime | None = None


def ends_never(channel: str, own_zone: str | None, shop_zone: str) -> None:
    return None


def verdict_on(facts: A, rules: RuleSet = RULES, quiet: datetime | None = None) -> Verdict | None:
    return judge(facts, rules, NOW, lambda *_: quiet)


# Each entry alone stops a message; the order is that of SEMANTICS 5.
IN_ORDER = [
    ({"request_state": "cancelled"}, "cancelled"),
    ({"is_of_last_batch": False}, "covered"),
    ({"is_step_deleted": True}, "step_deleted"),
    ({"step_status": "draft"}, "no_live_message"),
    ({"step_status": "manual"}, "manual"),
    ({"is_profile_deleted": True}, "profile_deleted"),
    ({"address": None}, "missing_email"),
    ({"suppressed_for": "invalid_address"}, "invalid_address"),
    ({"suppressed_for": "unsubscribed"}, "suppressed"),
    ({"alert_consent": "withdrawn"}, "missing_consent"),
    ({"is_in_stock": False}, "out_of_stock_again"),
    ({"is_stale": True}, "stale_stock"),
    ({"is_beyond_stock": True}, "out_of_stock_again"),
    ({"quiet": SOON}, "quiet_hours"),
    ({"smart_until": SOON}, "smart_sending"),
    ({"alerts_free_at": SOON}, "frequency_cap"),
    ({"cap_free_at": SOON}, "frequency_cap"),
    ({"is_item_known": False}, "catalog_item_unavailable"),
]


def test_nothing_stands_against_a_message_that_may_leave() -> None:
    assert verdict_on(A()) is None


@pytest.mark.parametrize("place", range(len(IN_ORDER)), ids=lambda place: f"{place}-{IN_ORDER[place][1]}")
def test_the_first_reason_in_the_order_of_the_rules_is_the_one_recorded(place: int) -> None:
    against: dict[str, object] = {}
    for changes, _ in reversed(IN_ORDER[place:]):
        against |= changes
    quiet = against.pop("quiet", None)
    verdict = verdict_on(replace(A(), **against), quiet=quiet)
    assert verdict is not None and verdict.reason == IN_ORDER[place][1]


@pytest.mark.parametrize(
    ("changes", "until"),
    [
        ({"is_stale": True}, NOW + timedelta(minutes=15)),
        ({"request_state": "notified", "is_in_stock": False}, NOW + timedelta(days=1)),
        ({"alerts_free_at": SOON}, SOON),
        ({"cap_free_at": SOON}, SOON),
        ({"alerts_ahead": 20}, NOW + timedelta(minutes=1)),
        ({"cap_ahead": 3}, NOW + timedelta(minutes=1)),
        ({"channel_ahead": 1}, NOW + timedelta(minutes=1)),
    ],
)
def test_a_wait_says_when_it_is_looked_at_again(changes: dict[str, object], until: datetime) -> None:
    verdict = verdict_on(replace(A(), **changes))
    assert verdict is not None and verdict.until == until


def test_a_wait_for_the_end_of_the_quiet_hours_ends_with_them() -> None:
    assert verdict_on(A(), quiet=SOON) == Verdict("quiet_hours", SOON)


def test_a_cap_skips_where_the_rule_says_so() -> None:
    skipping = RuleSet(frequency_cap=3, above_frequency_cap="skip")
    assert verdict_on(A(cap_free_at=SOON), skipping) == Verdict("frequency_cap")


def test_a_first_message_without_stock_is_skipped_and_a_later_one_is_held() -> None:
    assert verdict_on(A(is_in_stock=False)) == Verdict("out_of_stock_again")
    held = verdict_on(A(is_in_stock=False, request_state="notified"))
    assert held is not None and held.reason == "hold"
    skipped = verdict_on(A(is_in_stock=False, request_state="notified", without_stock="skip"))
    assert skipped == Verdict("out_of_stock_again")


def test_transactional_messages_know_neither_quiet_hours_nor_caps_nor_smart_sending() -> None:
    receipt = A(
        purpose="transactional",
        request_state=None,
        needs_stock=False,
        suppressed_for="unsubscribed",
        marketing_consent=None,
        smart_until=SOON,
        cap_free_at=SOON,
        cap_ahead=9,
    )
    assert verdict_on(receipt, quiet=SOON) is None


@pytest.mark.parametrize("reason", ["invalid_address", "complaint", "manual"])
def test_a_bounced_or_blocked_address_gets_no_transactional_message_either(reason: str) -> None:
    verdict = verdict_on(A(purpose="transactional", needs_stock=False, suppressed_for=reason))
    assert verdict is not None and verdict.until is None


@pytest.mark.parametrize(
    ("channel", "purpose", "alert", "marketing", "lacks"),
    [
        ("EMAIL", "back_in_stock", None, None, False),
        ("EMAIL", "back_in_stock", "withdrawn", "given", True),
        ("SMS", "back_in_stock", None, None, True),
        ("SMS", "back_in_stock", "given", None, False),
        ("SMS", "back_in_stock", None, "given", False),
        ("SMS", "back_in_stock", "withdrawn", "given", True),
        ("EMAIL", "marketing", "given", None, True),
        ("EMAIL", "marketing", None, "given", False),
        ("SMS", "marketing", "given", "withdrawn", True),
        ("SMS", "transactional", None, None, False),
        ("EMAIL", "transactional", "withdrawn", "withdrawn", False),
        ("EMAIL", "confirm_request", None, None, False),
    ],
)
def test_consent_is_per_channel_and_purpose(channel, purpose, alert, marketing, lacks) -> None:
    assert lacks_consent(channel, purpose, alert, marketing) is lacks


whens = st.one_of(st.none(), st.integers(-5, 5).map(lambda hours: NOW + timedelta(hours=hours)))
facts_of_all_kinds = st.builds(
    A,
    channel=st.sampled_from(["EMAIL", "SMS"]),
    purpose=st.sampled_from(["back_in_stock", "marketing", "transactional", "report", "keep_request"]),
    request_state=st.sampled_from([None, "released", "notified", "cancelled"]),
    is_of_last_batch=st.booleans(),
    is_step_deleted=st.booleans(),
    step_status=st.sampled_from([None, "live", "live", "manual", "draft"]),
    is_approved=st.booleans(),
    is_profile_deleted=st.booleans(),
    address=st.sampled_from([None, "x"]),
    suppressed_for=st.sampled_from([None, "unsubscribed", "invalid_address", "manual"]),
    needs_stock=st.booleans(),
    is_in_stock=st.booleans(),
    is_stale=st.booleans(),
    is_beyond_stock=st.booleans(),
    without_stock=st.sampled_from(["hold", "skip"]),
    is_item_known=st.booleans(),
    channel_ahead=st.sampled_from([None, 0, 2]),
    smart_until=whens,
    alerts_ahead=st.sampled_from([None, 0, 20]),
    alerts_free_at=whens,
    cap_ahead=st.sampled_from([None, 0, 3]),
    cap_free_at=whens,
)


@given(facts=facts_of_all_kinds, quiet=st.sampled_from([None, SOON]))
def test_every_wait_ends_later_than_now_so_that_nothing_spins(facts: A, quiet: datetime | None) -> None:
    verdict = verdict_on(facts, quiet=quiet)
    assert verdict is None or verdict.until is None or verdict.until > NOW


@given(facts=facts_of_all_kinds)
def test_who_must_not_be_written_to_is_never_let_through(facts: A) -> None:
    verdict = verdict_on(facts)
    if (
        facts.address is None
        or facts.is_profile_deleted
        or facts.suppressed_for in ("manual", "invalid_address")
    ):
        assert verdict is not None and verdict.until is None
