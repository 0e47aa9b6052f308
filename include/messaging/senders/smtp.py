"""The SMTP sender: one kept connection, renewed when the server ends it."""

import time
from collections.abc import Callable, Iterable, Iterator

from include.messaging.senders.base import Envelope, Outcome, OutcomeKind
from include.messaging.senders.smtp_connection import ConnectionLost, SmtpConnection
from include.messaging.senders.smtp_session import SessionRefused, SmtpSettings, open_session

__all__ = ["SmtpSender", "SmtpSettings"]


class SmtpSender:
    """Sends batches over one kept connection.

    A message whose connection breaks before its content was sent whole is offered once more on a fresh
    connection; one that got no answer to its whole content is `in_doubt` and never repeated from here.
    Reconnects are bounded by `settings.reconnect_pauses`; then the rest of the batch is answered with the
    channel's state and `is_tried` False.
    """

    channel = "email"

    def __init__(self, settings: SmtpSettings, pause: Callable[[float], None] = time.sleep) -> None:
        self.settings = settings
        self._pause = pause
        self._connection: SmtpConnection | None = None
        self._failures = 0
        self._channel_down: Outcome | None = None

    def send(self, batch: Iterable[Envelope]) -> Iterator[tuple[Envelope, Outcome]]:
        """See Sender.send. The server is asked for the next message while this one's answer is on its way."""
        self._failures = 0
        self._channel_down = None
        try:
            for envelope, following in _with_following(batch):
                yield envelope, self._deliver(envelope, following)
        finally:
            if self._connection is not None and self._connection.has_announced:
                self._drop_connection()

    def close(self) -> None:
        """End the kept connection."""
        self._drop_connection()

    def _deliver(self, envelope: Envelope, following: Envelope | None) -> Outcome:
        while True:
            connection = self._connect()
            if connection is None:
                return self._channel_down or Outcome("temporary", is_tried=False)
            was_fresh = connection.answered_count == 0
            try:
                outcome = connection.deliver(envelope, following if self._has_room(connection, 2) else None)
            except ConnectionLost as lost:
                if not was_fresh and not lost.is_content_sent:
                    self._drop_connection()
                    continue
                outcome = lost.outcome
            self._settle(connection, outcome)
            return outcome

    def _settle(self, connection: SmtpConnection, outcome: Outcome) -> None:
        if not connection.is_usable:
            self._count_failure(outcome)
        elif outcome.is_tried:
            self._failures = 0
        if not connection.is_usable or not self._has_room(connection, 1):
            self._drop_connection()

    def _connect(self) -> SmtpConnection | None:
        """The kept connection or a new one; None when the channel is down for the rest of the batch."""
        while self._connection is None and self._channel_down is None:
            if self._failures:
                self._pause(self.settings.reconnect_pauses[self._failures - 1])
            try:
                self._connection = SmtpConnection(open_session(self.settings), self.settings.final_timeout)
            except SessionRefused as refused:
                self._count_failure(refused.outcome)
        return self._connection

    def _count_failure(self, outcome: Outcome) -> None:
        self._failures += 1
        is_final = outcome.kind == "channel_refused" and not outcome.is_tried
        if is_final or self._failures > len(self.settings.reconnect_pauses):
            kind: OutcomeKind = "channel_refused" if is_final else "temporary"
            self._channel_down = Outcome(kind, outcome.code, outcome.detail, is_tried=False)

    def _has_room(self, connection: SmtpConnection, messages: int) -> bool:
        return connection.answered_count + messages <= self.settings.max_messages_per_connection

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _with_following(batch: Iterable[Envelope]) -> Iterator[tuple[Envelope, Envelope | None]]:
    envelopes = iter(batch)
    current = next(envelopes, None)
    while current is not None:
        following = next(envelopes, None)
        yield current, following
        current = following
