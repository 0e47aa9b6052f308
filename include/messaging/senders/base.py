"""What a sender takes and what it answers."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, Protocol

OutcomeKind = Literal[
    "sent",
    "temporary",  # try again later
    "address_refused",  # this address does not exist: suppress it
    "recipient_objects",  # they unsubscribed at the provider: suppress them
    "message_refused",  # this message will not be taken; the address may be fine
    "channel_refused",  # our account or server is at fault: counts towards pausing, suppresses nobody
    "in_doubt",  # handed over whole, but no answer came (SEMANTICS 6.3)
]


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message ready to leave; `key` is the outbox key, `content` the whole message in bytes.

    `is_crlf` promises that CRLF are its only line ends, so that nobody has to look.
    """

    key: str
    message_id: str
    sender: str = field(repr=False)
    recipient: str = field(repr=False)
    content: bytes = field(repr=False)
    is_crlf: bool = False


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
    """A way out; one sender serves one lane and is not shared between threads.

    `leaving` is called right before a message's content leaves: from then until its outcome it is in doubt if
    the process dies. At most one message per connection is.
    """

    channel: str
    leaving: Callable[[Envelope], None]

    def send(self, batch: Iterable[Envelope]) -> Iterator[tuple[Envelope, Outcome]]:
        """Each envelope with its outcome, as soon as it is known; never raises for a message.

        A message's content leaves only when the outcome before it on its connection was taken and the next
        one is asked for: what was yielded can be recorded first. Ending the iteration early sends nothing
        further; what had left until then gets no outcome.
        """

    def close(self) -> None:
        """End kept connections; the sender can be used again."""
