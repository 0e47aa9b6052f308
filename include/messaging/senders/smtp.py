"""The SMTP sender: a few kept connections, renewed when the server ends them."""

import select
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from include.messaging.senders.base import Envelope, Outcome, OutcomeKind
from include.messaging.senders.smtp_connection import ConnectionLost, SmtpConnection
from include.messaging.senders.smtp_session import SessionRefused, SmtpSettings, open_session

__all__ = ["SmtpSender", "SmtpSettings"]

# One more connection is opened for each so many messages of a batch: a handful needs one.
MESSAGES_PER_CONNECTION = 10


class _Source:
    """The messages of a batch, with those that a connection gave back."""

    def __init__(self, batch: Iterable[Envelope]) -> None:
        self._envelopes = iter(batch)
        self._returned: deque[Envelope] = deque()

    def __bool__(self) -> bool:
        return bool(self._returned)

    def next(self) -> Envelope | None:
        return self._returned.popleft() if self._returned else next(self._envelopes, None)

    def put_back(self, envelope: Envelope | None) -> None:
        if envelope is not None:
            self._returned.append(envelope)


@dataclass(eq=False)
class _Line:
    """A place for a connection: the message in flight on it, and the one that comes next."""

    connection: SmtpConnection | None = None
    in_flight: Envelope | None = None
    following: Envelope | None = None
    is_retired: bool = False

    def take(self, source: _Source) -> Envelope | None:
        envelope, self.following = self.following, None
        return envelope or source.next()

    def drop(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.close()


class SmtpSender:
    """Sends batches over up to `settings.connections` kept connections, in turns and from one thread.

    While the answer of one is on its way, the next one is written to, so that neither we nor the server wait;
    on each one message is in flight. With one connection messages leave in their order.

    A message whose connection breaks before its content was sent whole is offered once more on a fresh
    connection; one that got no answer to its whole content is `in_doubt` and never repeated from here.
    Reconnects are bounded by `settings.reconnect_pauses`; then the rest of the batch is answered with the
    channel's state and `is_tried` False. A server that takes fewer connections than this gets fewer.
    """

    channel = "email"

    def __init__(self, settings: SmtpSettings, pause: Callable[[float], None] = time.sleep) -> None:
        self.settings = settings
        self.leaving: Callable[[Envelope], None] = _tell_nobody
        self._pause = pause
        self._lines = [_Line() for _ in range(settings.connections)]
        self._failures = 0
        self._channel_down: Outcome | None = None

    def send(self, batch: Iterable[Envelope]) -> Iterator[tuple[Envelope, Outcome]]:
        """See Sender.send. The server is asked for the next message while this one's answer is on its way."""
        self._failures = 0
        self._channel_down = None
        try:
            yield from self._send_all(_Source(batch))
        finally:
            for line in self._lines:
                line.in_flight = line.following = None
                line.is_retired = False
                if line.connection is not None and line.connection.is_waiting:
                    line.drop()

    def close(self) -> None:
        """End the kept connections."""
        for line in self._lines:
            line.drop()

    def _send_all(self, source: _Source) -> Iterator[tuple[Envelope, Outcome]]:
        ended_count = 0
        while True:
            for line in self._lines[: 1 + ended_count // MESSAGES_PER_CONNECTION]:
                while not (line.in_flight or line.is_retired) and (envelope := line.take(source)):
                    if outcome := self._start(line, envelope, source):
                        ended_count += 1
                        yield envelope, outcome
            answered = self._wait_for_answers()
            for line in answered:
                ended_count += 1
                yield self._finish(line)
            if not answered and not source:
                return

    def _start(self, line: _Line, envelope: Envelope, source: _Source) -> Outcome | None:
        """Hand a message over; None when it is in flight or given back, else what became of it."""
        while True:
            connection = self._connect(line)
            if connection is None:
                return self._give_back(line, envelope, source)
            was_fresh = connection.answered_count == 0
            try:
                outcome = connection.offer(envelope)
                if outcome is None:
                    line.following = line.following or source.next()
                    self.leaving(envelope)
                    connection.hand_over(envelope, line.following if self._has_room(connection, 2) else None)
                    line.in_flight = envelope
                    return None
            except ConnectionLost as lost:
                if not was_fresh and not lost.is_content_sent:
                    line.drop()
                    continue
                outcome = lost.outcome
            self._settle(line, outcome)
            return outcome

    def _give_back(self, line: _Line, envelope: Envelope, source: _Source) -> Outcome | None:
        if self._channel_down is not None:
            return self._channel_down
        line.is_retired = True
        source.put_back(envelope)
        source.put_back(line.following)
        line.following = None
        return None

    def _finish(self, line: _Line) -> tuple[Envelope, Outcome]:
        envelope, line.in_flight = line.in_flight, None
        assert line.connection is not None and envelope is not None
        try:
            outcome = line.connection.conclude()
        except ConnectionLost as lost:
            outcome = lost.outcome
        self._settle(line, outcome)
        return envelope, outcome

    def _wait_for_answers(self) -> list[_Line]:
        """The lines with an answer to the message in flight, or the one that waited too long."""
        busy = [line for line in self._lines if line.in_flight is not None]
        if len(busy) < 2:
            return busy
        waiting = {line.connection.fileno(): line for line in busy if line.connection is not None}
        answered = [line for line in waiting.values() if line.connection and line.connection.has_octets]
        if answered:
            return answered
        poll = select.poll()
        for number in waiting:
            poll.register(number, select.POLLIN)
        patience = {line.connection.seconds_left: line for line in busy if line.connection is not None}
        ready = poll.poll(min(patience) * 1000)
        return [waiting[number] for number, _ in ready] or [patience[min(patience)]]

    def _settle(self, line: _Line, outcome: Outcome) -> None:
        connection = line.connection
        assert connection is not None
        if not connection.is_usable:
            self._count_failure(outcome)
        elif outcome.is_tried:
            self._failures = 0
        if not connection.is_usable or not self._has_room(connection, 1):
            line.drop()

    def _connect(self, line: _Line) -> SmtpConnection | None:
        """The kept connection or a new one; None when it can't be had, or the channel is down for the batch."""
        while line.connection is None and self._channel_down is None:
            if self._failures:
                self._pause(self.settings.reconnect_pauses[self._failures - 1])
            try:
                line.connection = SmtpConnection(open_session(self.settings), self.settings.final_timeout)
            except SessionRefused as refused:
                if any(other.connection is not None for other in self._lines):
                    return None
                self._count_failure(refused.outcome)
        return line.connection

    def _count_failure(self, outcome: Outcome) -> None:
        self._failures += 1
        is_final = outcome.kind == "channel_refused" and not outcome.is_tried
        if is_final or self._failures > len(self.settings.reconnect_pauses):
            kind: OutcomeKind = "channel_refused" if is_final else "temporary"
            self._channel_down = Outcome(kind, outcome.code, outcome.detail, is_tried=False)

    def _has_room(self, connection: SmtpConnection, messages: int) -> bool:
        return connection.answered_count + messages <= self.settings.max_messages_per_connection


def _tell_nobody(_: Envelope) -> None:
    pass
