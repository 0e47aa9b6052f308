"""Messages over one open SMTP session, pipelined where the server offers it (RFC 2920).

The end of message N and the commands of N+1 leave in one write, so that a message costs one round trip;
the content of N+1 waits until N is answered, so that at most one message per connection is ever in doubt.
"""

import contextlib
import re
import smtplib
import time
from collections import deque
from collections.abc import Callable
from typing import Literal, TypeVar

from include.messaging.address import AddressRefused, ascii_domain_address
from include.messaging.senders.base import Envelope, Outcome
from include.messaging.senders.replies import Stage, classify, redact
from include.messaging.senders.reply_reader import ReplyReader
from include.messaging.senders.smtp_session import SessionRefused

_Answer = TypeVar("_Answer")
_Command = tuple[Literal["rset"] | Stage, bytes]

_END_OF_CONTENT = b".\r\n"
_LONE_LINE_END = re.compile(rb"\r(?!\n)|(?<!\r)\n")
_SECONDS_FOR_QUIT = 2.0


class ConnectionLost(Exception):
    """The connection is of no more use; `is_content_sent` tells whether the server may have the message."""

    def __init__(self, outcome: Outcome, is_content_sent: bool) -> None:
        super().__init__(outcome.detail)
        self.outcome = outcome
        self.is_content_sent = is_content_sent


class SmtpConnection:
    """One session, one message in flight at a time: offer, hand over, conclude."""

    def __init__(self, smtp: smtplib.SMTP, final_timeout: float) -> None:
        if smtp.sock is None:
            raise SessionRefused(Outcome("temporary", detail="the connection is closed", is_tried=False))
        self.is_usable = True
        self.answered_count = 0
        self._smtp = smtp
        self._socket = smtp.sock
        self._replies = ReplyReader(smtp.sock)
        self._timeout = smtp.timeout
        self._final_timeout = final_timeout
        self._concludes_until = 0.0
        self._is_pipelining = smtp.has_extn("pipelining")
        self._has_size = smtp.has_extn("size")
        self._takes_8_bits = smtp.has_extn("8bitmime")
        self._takes_utf8 = smtp.has_extn("smtputf8")
        self._size_limit = _size_limit(smtp)
        self._announced: Envelope | None = None
        self._in_flight: Envelope | None = None
        self._unanswered: deque[_Command] = deque()
        self._needs_reset = False

    def offer(self, envelope: Envelope) -> Outcome | None:
        """Ask whether the server takes this message: None when it waits for the content, else why not.

        Raises ConnectionLost, after which the connection takes nothing more.
        """
        refusal = self._unfit(envelope)
        if refusal is None:
            refusal = self._spoiled_by_loss(self._ask, envelope)
            self.answered_count += int(refusal is not None)
        return refusal

    def hand_over(self, envelope: Envelope, following: Envelope | None) -> None:
        """Send the content, and the commands of `following`, which must be the next to be offered here.

        Raises ConnectionLost.
        """
        self._in_flight = envelope
        self._concludes_until = time.monotonic() + self._final_timeout
        self._spoiled_by_loss(self._send_content, envelope, following)

    def conclude(self) -> Outcome:
        """The answer to the content that was handed over; raises ConnectionLost."""
        envelope, self._in_flight = self._in_flight, None
        assert envelope is not None
        self.answered_count += 1
        try:
            self._socket.settimeout(max(0.001, self._concludes_until - time.monotonic()))
            outcome = classify("content", *self._read(is_content_sent=True), envelope.recipient)
            self._socket.settimeout(self._timeout)
        except ConnectionLost as lost:
            self.is_usable = False
            if lost.outcome.code.startswith("421"):
                return lost.outcome
            raise
        self.is_usable = outcome.kind != "in_doubt"
        return outcome

    @property
    def seconds_left(self) -> float:
        """How long the answer to the content may still take."""
        return max(0.0, self._concludes_until - time.monotonic())

    @property
    def has_octets(self) -> bool:
        """Whether an answer is here already, unseen by the operating system."""
        return self._replies.has_octets

    @property
    def is_waiting(self) -> bool:
        """Whether the server waits for the content of a message, or we for its answer."""
        return self._announced is not None or self._in_flight is not None

    def fileno(self) -> int:
        """For select()."""
        return self._socket.fileno()

    def close(self) -> None:
        """Leave politely where the session stands between two messages, else just hang up."""
        if self.is_usable and not self.is_waiting:
            self._socket.settimeout(_SECONDS_FOR_QUIT)
            with contextlib.suppress(OSError):
                self._smtp.quit()
        self.is_usable = False
        self._smtp.close()

    def _unfit(self, envelope: Envelope) -> Outcome | None:
        """What this server can't take is refused before it sees anything."""
        try:
            addresses = ascii_domain_address(envelope.sender) + ascii_domain_address(envelope.recipient)
        except AddressRefused as error:
            return Outcome("message_refused", detail=str(error), is_tried=False)
        if self._size_limit and len(envelope.content) > self._size_limit:
            detail = f"the message has {len(envelope.content)} bytes; the server takes {self._size_limit}"
            return Outcome("message_refused", detail=detail, is_tried=False)
        if not addresses.isascii() and not self._takes_utf8:
            return Outcome("message_refused", detail="the server does not offer SMTPUTF8", is_tried=False)
        if not envelope.content.isascii() and not self._takes_8_bits:
            return Outcome("message_refused", detail="the server does not offer 8BITMIME", is_tried=False)
        return None

    def _spoiled_by_loss(self, step: Callable[..., _Answer], *given: Envelope | None) -> _Answer:
        try:
            return step(*given)
        except ConnectionLost:
            self.is_usable = False
            raise

    def _ask(self, envelope: Envelope) -> Outcome | None:
        """MAIL, RCPT and DATA: None when the server wants the content, else why not."""
        if self._announced is None:
            self._announce(envelope)
            if self._is_pipelining:
                self._write(b"".join(command for _, command in self._unanswered))
        if self._announced is not envelope:
            raise ConnectionLost(Outcome("temporary", detail="another message was announced"), False)
        refusal = self._read_answers(envelope)
        self._announced = None
        self._needs_reset = refusal is not None
        return refusal

    def _announce(self, envelope: Envelope) -> None:
        self._announced = envelope
        self._unanswered = deque(self._commands(envelope))
        self._needs_reset = False

    def _commands(self, envelope: Envelope) -> list[_Command]:
        sender = ascii_domain_address(envelope.sender)
        recipient = ascii_domain_address(envelope.recipient)
        parameters = f" SIZE={len(envelope.content)}" if self._has_size else ""
        if not envelope.content.isascii():
            parameters += " BODY=8BITMIME"
        if not (sender + recipient).isascii():
            parameters += " SMTPUTF8"
        commands: list[_Command] = [("rset", b"RSET\r\n")] if self._needs_reset else []
        return [
            *commands,
            ("mail", f"MAIL FROM:<{sender}>{parameters}\r\n".encode()),
            ("rcpt", f"RCPT TO:<{recipient}>\r\n".encode()),
            ("data", b"DATA\r\n"),
        ]

    def _read_answers(self, envelope: Envelope) -> Outcome | None:
        refusal: Outcome | None = None
        while self._unanswered:
            stage, command = self._unanswered.popleft()
            if not self._is_pipelining:
                self._write(command)
            code, text = self._read()
            if stage == "rset":
                continue
            if code >= 400:
                refusal = refusal or classify(stage, code, text, envelope.recipient)
            elif code != 354 if stage == "data" else code > 299:
                raise _lost(f"reply {code} to {stage.upper()}")
            elif stage == "data" and refusal:
                self._write(_END_OF_CONTENT)  # a server that asks in spite of it gets an empty message
                self._read()
            if refusal and not self._is_pipelining:
                break
        return refusal

    def _send_content(self, envelope: Envelope, following: Envelope | None) -> None:
        content = _wire_form(envelope)
        announcement = b""
        if following is not None and self._is_pipelining and self._unfit(following) is None:
            self._announce(following)
            announcement = b"".join(command for _, command in self._unanswered)
        self._write(content + announcement, certain=len(content))

    def _write(self, octets: bytes, certain: int | None = None) -> None:
        """Write all; when that fails, the content counts as sent if its first `certain` bytes went out."""
        rest = memoryview(octets)
        try:
            while rest:
                rest = rest[self._socket.send(rest) :]
        except OSError as error:
            written = len(octets) - len(rest)
            is_content_sent = certain is not None and written >= certain
            raise _lost(redact(str(error)), is_content_sent) from error

    def _read(self, is_content_sent: bool = False) -> tuple[int, str]:
        try:
            code, words = self._replies.read()
        except OSError as error:
            raise _lost(redact(str(error)), is_content_sent) from error
        if code == 421:
            raise ConnectionLost(classify("content", code, words), is_content_sent=False)
        if not 200 <= code <= 599:
            raise _lost(f"a reply that is not SMTP: {redact(words)}", is_content_sent)
        return code, words


def _lost(detail: str, is_content_sent: bool = False) -> ConnectionLost:
    return ConnectionLost(
        Outcome("in_doubt" if is_content_sent else "temporary", detail=detail), is_content_sent
    )


def _wire_form(envelope: Envelope) -> bytes:
    """The content with CRLF line ends, dots at line starts doubled, and its end (RFC 5321 4.5.2)."""
    content = envelope.content if envelope.is_crlf else _LONE_LINE_END.sub(b"\r\n", envelope.content)
    if b"\n." in content:
        content = content.replace(b"\r\n.", b"\r\n..")
    if content.startswith(b"."):
        content = b"." + content
    end = _END_OF_CONTENT if content.endswith(b"\r\n") or not content else b"\r\n" + _END_OF_CONTENT
    return content + end


def _size_limit(smtp: smtplib.SMTP) -> int:
    announced = smtp.esmtp_features.get("size", "")
    return int(announced) if announced.isdecimal() else 0
