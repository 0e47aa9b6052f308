"""What becomes of a released request by its first messages: the specification of settle.sql (SEMANTICS 3.9)."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

Fate = Literal["released", "waiting", "skipped"]
CHANNEL_REASONS = ("invalid_address", "suppressed", "missing_consent", "missing_email", "missing_phone")


class FirstMessage(NamedTuple):
    """The first message of one enrolment; queued, sending and held may still be sent, or are in doubt."""

    state: Literal["queued", "sending", "held", "skipped", "failed"]
    reason: str | None = None


def settle(
    first_messages: Sequence[FirstMessage], has_message_to_come: bool, has_fallback: bool
) -> tuple[Fate, str | None]:
    """The state of a request of which nothing was sent, and why.

    `has_message_to_come`: an enrolment is under way that has had no message yet. `has_fallback`: another channel
    that was asked for, and that none of these messages tried, reaches the person (SEMANTICS 3.1). A message
    whose step became a draft counts like none.
    """
    if has_message_to_come or any(message.state not in ("skipped", "failed") for message in first_messages):
        return "released", None
    reasons = sorted(
        message.reason or "" for message in first_messages if message.reason != "no_live_message"
    )
    if "out_of_stock_again" in reasons:
        return "waiting", "out_of_stock_again"
    if not reasons:
        return "waiting", "no_live_message"
    if has_fallback and reasons[0] in CHANNEL_REASONS:
        return "waiting", reasons[0]
    return "skipped", reasons[0]
