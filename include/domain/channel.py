"""Whether a person is reached on a channel and on which one they are told (SEMANTICS 3.1, 4.6).

This is the specification of the SQL functions of the same names.
"""

from collections.abc import Collection, Mapping, Sequence

from include.domain.checks import lacks_consent

SENDING_CHANNELS = ("EMAIL", "SMS")


def channel_obstacle(
    channel: str, has_address: bool, suppressed_for: str | None, alert: str | None, marketing: str | None
) -> str | None:
    """Why a person can't be alerted on a channel; None: can be. `alert` and `marketing` are consents to it."""
    if channel not in SENDING_CHANNELS:
        return "undeliverable"
    if not has_address:
        return "missing_phone" if channel == "SMS" else "missing_email"
    if suppressed_for is not None:
        return "invalid_address" if suppressed_for == "invalid_address" else "suppressed"
    return "missing_consent" if lacks_consent(channel, "back_in_stock", alert, marketing) else None


def unreachable_reason(
    asked: Collection[str], telling: Collection[str], obstacles: Mapping[str, str | None]
) -> str | None:
    """Why no telling message reaches a person on any channel asked for, by e-mail first; None: one does."""
    reasons = [obstacles[channel] for channel in SENDING_CHANNELS if channel in asked and channel in telling]
    if not reasons:
        return "undeliverable"
    return None if None in reasons else reasons[0]


def pick_channel(
    preferred: Sequence[str], asked: Collection[str], offered: Collection[str], reachable: Collection[str]
) -> str | None:
    """The first channel the shop prefers that was asked for, that the flow offers and that reaches the person."""
    usable = (
        channel for channel in preferred if channel in asked and channel in offered and channel in reachable
    )
    return next(usable, None)


def order_channels(preferred: Sequence[str]) -> tuple[str, ...]:
    """Every channel that can send, those a shop names first."""
    return tuple(dict.fromkeys((*preferred, *SENDING_CHANNELS)))
