"""Messages over one open SMTP session, pipelined where the server offers it (RFC 2920).

The end of message N and the commands of N+1 leave in one write, so that a message costs one round trip;
the content of N+1 waits until N is answered, so that at most one message per connection is ever in doubt.
"""

import contextlib
import re
import smtplib
from collections import deque
from typing import Literal

from include.messaging.address import AddressRefused, ascii_domain_address
from include.messaging.senders.base import Envelope, Outcome
from include.messaging.senders.replies import Stage, classify, redact
from include.messaging.senders.smtp_session import SessionRefused

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
    """One session, one message in flight at a time."""

    def __init__(self, smtp: smtplib.SMTP, final_timeout: float) -> None:
        if smtp.sock is None:
            raise SessionRefused(Outcome("temporary", detail="the connection is closed", is_tried=False))
        self.is_usable = True
        self.answered_count = 0
        self._smtp = smtp
        self._socket = smtp.sock
        self._timeout = smtp.timeout
        self._final_timeout = final_timeout
        self._is_pipelining = smtp.has_extn("pipelining")
        self._size_limit = _size_limit(smtp)
        self._announced: Envelope | None = None
        self._unanswered: deque[_Command] = deque()
        self._needs_reset = False

    def deliver(self, envelope: Envelope, following: Envelope | None = None) -> Outcome:
        """Hand one message over; `following`, if given, must be the next to be delivered here.

        Raises ConnectionLost, after which the connection takes nothing more.
        """
        unfit = self._unfit(envelope)
        if unfit:
            return unfit
        try:
            refusal = self._offer(envelope)
        except ConnectionLost:
            self.is_usable = False
            raise
        outcome = refusal or self._hand_over(envelope, following)
        self.answered_count += 1
        return outcome

    @property
    def has_announced(self) -> bool:
        """Whether the server waits for the content of a message."""
        return self._announced is not None

    def close(self) -> None:
        """Leave politely where the session stands between two messages, else just hang up."""
        if self.is_usable and not self.has_announced:
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
        if not addresses.isascii() and not self._smtp.has_extn("smtputf8"):
            return Outcome("message_refused", detail="the server does not offer SMTPUTF8", is_tried=False)
        if not envelope.content.isascii() and not self._smtp.has_extn("8bitmime"):
            return Outcome("message_refused", detail="the server does not offer 8BITMIME", is_tried=False)
        return None

    def _offer(self, envelope: Envelope) -> Outcome | None:
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
        parameters = f" SIZE={len(envelope.content)}" if self._smtp.has_extn("size") else ""
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

    def _hand_over(self, envelope: Envelope, following: Envelope | None) -> Outcome:
        content = _wire_form(envelope.content)
        announcement = b""
        if following is not None and self._is_pipelining and self._unfit(following) is None:
            self._announce(following)
            announcement = b"".join(command for _, command in self._unanswered)
        try:
            self._write(content + announcement, certain=len(content))
            self._socket.settimeout(self._final_timeout)
            outcome = classify("content", *self._read(is_content_sent=True), envelope.recipient)
            self._socket.settimeout(self._timeout)
        except ConnectionLost as lost:
            self.is_usable = False
            if lost.outcome.code.startswith("421"):
                return lost.outcome
            raise
        self.is_usable = outcome.kind != "in_doubt"
        return outcome

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
            code, text = self._smtp.getreply()
        except OSError as error:
            raise _lost(redact(str(error)), is_content_sent) from error
        words = text.decode("utf-8", "replace")
        if code == 421:
            raise ConnectionLost(classify("content", code, words), is_content_sent=False)
        if not 200 <= code <= 599:
            raise _lost(f"a reply that is not SMTP: {redact(words)}", is_content_sent)
        return code, words


def _lost(detail: str, is_content_sent: bool = False) -> ConnectionLost:
    return ConnectionLost(
        Outcome("in_doubt" if is_content_sent else "temporary", detail=detail), is_content_sent
    )


def _wire_form(content: bytes) -> bytes:
    """The content with CRLF line ends, dots at line starts doubled, and its end (RFC 5321 4.5.2)."""
    line_ends = content.count(b"\r\n")
    if content.count(b"\n") != line_ends or content.count(b"\r") != line_ends:
        content = _LONE_LINE_END.sub(b"\r\n", content)
    content = content.replace(b"\r\n.", b"\r\n..")
    if content.startswith(b"."):
        content = b"." + content
    end = _END_OF_CONTENT if content.endswith(b"\r\n") or not content else b"\r\n" + _END_OF_CONTENT
    return content + end


def _size_limit(smtp: smtplib.SMTP) -> int:
    announced = smtp.esmtp_features.get("size", "")
    return int(announced) if announced.isdecimal() else 0
