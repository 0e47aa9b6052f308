"""What a sender takes and what it answers."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, Protocol

OutcomeKind = Literal[
    "sent",
    "temporary",  # try again later
    "address_refused",  # this address does not exist: suppress it
    "message_refused",  # this message will not be taken; the address may be fine
    "channel_refused",  # our account or server is at fault: counts towards pausing, suppresses nobody
    "in_doubt",  # handed over whole, but no answer came (SEMANTICS 6.3)
]


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message ready to leave; `key` is the outbox key, `content` the whole message in bytes."""

    key: str
    message_id: str
    sender: str = field(repr=False)
    recipient: str = field(repr=False)
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one message (SEMANTICS 6.2).

    `code` and `detail` are the provider's, without addresses. `retry_after` is in seconds where it was told.
    `is_tried` is False when the provider never saw the message, because the channel was down: that is no
    attempt of this message.
    """

    kind: OutcomeKind
    code: str = ""
    detail: str = ""
    retry_after: float | None = None
    is_tried: bool = True


class Sender(Protocol):
    """A way out; one sender serves one lane and is not shared between threads."""

    channel: str

    def send(self, batch: Iterable[Envelope]) -> Iterator[tuple[Envelope, Outcome]]:
        """Each envelope with its outcome, in order and as soon as it is known; never raises for a message.

        The next message's content leaves only when the next outcome is asked for: what was yielded
        can be recorded first. Ending the iteration early sends nothing further.
        """

    def close(self) -> None:
        """End kept connections; the sender can be used again."""
