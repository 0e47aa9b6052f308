"""What a reply of a Twilio-compatible SMS provider means (SEMANTICS 6.2)."""

import re

from include.messaging.senders.base import Outcome, OutcomeKind

INVALID_NUMBER = {21211, 21614, 21217, 21401, 21421}
UNSUBSCRIBED = {21610}
OUR_ACCOUNT = {20003, 20005, 20006, 20404, 21212, 21603, 21606, 21611, 21659, 21660, 21703, 63038, 30002}

_NUMBER = re.compile(r"\+?\d[\d ().-]{4,}\d")
_LONGEST_DETAIL = 200


def classify(status: int, code: int | None, text: str, retry_after: float | None) -> Outcome:
    """The outcome of a message whose request was answered with an HTTP status, and an error's code and text."""
    kind = _kind(status, code)
    if kind == "sent":
        return Outcome("sent", str(status))
    is_tried = kind != "channel_refused"  # who is not let in has shown the provider no message
    return Outcome(kind, f"{status} {code or ''}".strip(), redact(text), retry_after, is_tried)


def redact(text: str) -> str:
    """The provider's words on one short line without any number (it likes to repeat them)."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return _NUMBER.sub("[number]", line)[:_LONGEST_DETAIL]


def _kind(status: int, code: int | None) -> OutcomeKind:
    if 200 <= status < 300:
        return "sent"
    if status == 429 or status >= 500:
        return "temporary"
    if code in INVALID_NUMBER:
        return "address_refused"
    if code in UNSUBSCRIBED:
        return "recipient_objects"
    if status in (401, 403, 404) or code in OUR_ACCOUNT or not 400 <= status < 500:
        return "channel_refused"
    return "message_refused"
