"""On which one channel a person is told: the specification of pick_channel in SQL (SEMANTICS 3.1)."""

from collections.abc import Collection, Sequence

SENDING_CHANNELS = ("EMAIL", "SMS")


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
