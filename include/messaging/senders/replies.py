"""What an SMTP reply means for the message, the address and the channel (SEMANTICS 6.2)."""

import re
from typing import Literal

from include.messaging.senders.base import Outcome, OutcomeKind

Stage = Literal["connect", "auth", "mail", "rcpt", "data", "content"]

_UNKNOWN_ADDRESS = {"5.1.1", "5.1.2", "5.1.6", "5.1.10"}
_OUR_OWN_ADDRESS = {"5.1.7", "5.1.8"}
_POLICY = re.compile(r"[245]\.7\.")
_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?!\S)")
_ANY_ADDRESS = re.compile(r"[^\s<>\"'(),;:\[\]]+@[^\s<>\"'(),;:]+")
_LONGEST_DETAIL = 200


def classify(stage: Stage, code: int, text: str, recipient: str = "") -> Outcome:
    """The outcome for a message whose last reply was `code text` at `stage`.

    `recipient` is only taken out of the detail. A reply that fits no rule leaves the message in doubt
    once its content was sent, else it is temporary.
    """
    match = _ENHANCED.match(text)
    enhanced = match[1] if match else ""
    kind = _kind(stage, code, enhanced)
    # Nobody reads how a message was taken: cleaning those words would cost as much as rendering a part.
    detail = "" if kind == "sent" else redact(text.removeprefix(enhanced), recipient)
    return Outcome(kind, f"{code} {enhanced}".strip(), detail)


def _kind(stage: Stage, code: int, enhanced: str) -> OutcomeKind:
    if 500 <= code <= 599:
        return _kind_of_refusal(stage, code, enhanced)
    if stage != "content" or 400 <= code <= 499:
        return "temporary"
    return "sent" if 200 <= code <= 299 else "in_doubt"


def _kind_of_refusal(stage: Stage, code: int, enhanced: str) -> OutcomeKind:
    if _POLICY.match(enhanced) or stage in ("connect", "auth", "mail"):
        return "channel_refused"
    if enhanced in _UNKNOWN_ADDRESS:
        return "address_refused"
    if enhanced in _OUR_OWN_ADDRESS:
        # Servers that look at MAIL only with RCPT say so here: no shopper is to blame for our address.
        return "channel_refused"
    if stage == "rcpt" and code == 550:
        return "address_refused"
    return "message_refused"


def redact(text: str, recipient: str = "") -> str:
    """The provider's words on one short line without any address (servers like to repeat them)."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    line = _ANY_ADDRESS.sub("[address]", line)
    local_part = recipient.rpartition("@")[0]
    if local_part and local_part.lower() in line.lower():  # a pattern per recipient costs 90 µs
        line = re.sub(rf"(?<!\w){re.escape(local_part)}(?!\w)", "[address]", line, flags=re.IGNORECASE)
    return line[:_LONGEST_DETAIL]
