"""Opening an SMTP session: where to, how it is secured, and what a refusal means."""

import contextlib
import smtplib
import socket
import ssl
from dataclasses import dataclass, field
from typing import Literal, get_args

from include.errors import ConfigurationError
from include.messaging.address import Mailbox
from include.messaging.senders.base import Outcome, OutcomeKind
from include.messaging.senders.replies import Stage, classify, redact

MOST_CONNECTIONS = 100
Security = Literal["none", "starttls", "tls"]


@dataclass(frozen=True)
class SmtpSettings:
    """One SMTP account. The password never shows in a repr.

    `reconnect_pauses` are the seconds before the first, second, … reconnect in a row; when they are used
    up the channel counts as down for the rest of the batch. `final_timeout` is the longest wait for the
    answer to a whole message: giving up earlier leaves more messages in doubt.
    """

    host: str
    port: int
    security: Security
    from_address: str
    from_name: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    timeout: float = 30.0
    final_timeout: float = 120.0
    ca_file: str | None = None
    verify_certificate: bool = True
    helo_name: str | None = None
    max_messages_per_connection: int = 1000
    connections: int = 1
    reconnect_pauses: tuple[float, ...] = (0.0, 1.0, 5.0)

    def __post_init__(self) -> None:
        where = f"SMTP account {self.host}:{self.port}"
        if self.security not in get_args(Security):
            allowed = ", ".join(get_args(Security))
            raise ConfigurationError(f"{where}: security is '{self.security}'; allowed are {allowed}.")
        if self.username and self.security == "none" and not _is_this_machine(self.host):
            raise ConfigurationError(
                f"{where}: security 'none' would send the password in clear text. "
                "Use 'starttls' (port 587) or 'tls' (port 465), or take the username away."
            )
        if not (self.username + self.password).isascii():
            raise ConfigurationError(
                f"{where}: username and password must be ASCII; AUTH can't carry others."
            )
        if self.max_messages_per_connection < 1:
            raise ConfigurationError(
                f"{where}: max_messages_per_connection is {self.max_messages_per_connection}; "
                "allowed are 1 and more."
            )
        if not 1 <= self.connections <= MOST_CONNECTIONS:
            raise ConfigurationError(
                f"{where}: connections is {self.connections}; allowed are 1 to {MOST_CONNECTIONS} per lane."
            )

    @property
    def mailbox(self) -> Mailbox:
        """The From of what leaves through this account."""
        return Mailbox(self.from_address, self.from_name)


class SessionRefused(Exception):
    """No session could be had; `outcome` says whether it is worth another try."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.detail)
        self.outcome = outcome


def open_session(settings: SmtpSettings) -> smtplib.SMTP:
    """A session that is secured, logged in and ready for MAIL; raises SessionRefused."""
    stage: Stage = "connect"
    smtp: smtplib.SMTP | None = None
    try:
        smtp = _connect(settings)
        smtp.ehlo_or_helo_if_needed()
        if settings.security == "starttls":
            _start_tls(smtp, settings)
        if settings.username:
            stage = "auth"
            smtp.login(settings.username, settings.password)
    except OSError as error:
        if smtp is not None:
            smtp.close()
        raise SessionRefused(_outcome_of(error, stage, settings)) from error
    # A message is written in pieces: Nagle's algorithm would hold the last one back for the peer's ACK.
    with contextlib.suppress(OSError):
        _socket_of(smtp).setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return smtp


def _connect(settings: SmtpSettings) -> smtplib.SMTP:
    # A name is always given: smtplib's own search for one can hang for seconds in DNS.
    name = settings.helo_name or socket.gethostname()
    if settings.security == "tls":
        context = _tls_context(settings)
        return smtplib.SMTP_SSL(settings.host, settings.port, name, timeout=settings.timeout, context=context)
    return smtplib.SMTP(settings.host, settings.port, name, timeout=settings.timeout)


def _start_tls(smtp: smtplib.SMTP, settings: SmtpSettings) -> None:
    code, text = smtp.starttls(context=_tls_context(settings))
    if code != 220:
        raise smtplib.SMTPConnectError(code, text)
    smtp.ehlo_or_helo_if_needed()


def _tls_context(settings: SmtpSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.ca_file)
    if not settings.verify_certificate:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _outcome_of(error: OSError, stage: Stage, settings: SmtpSettings) -> Outcome:
    where = f"{settings.host}:{settings.port}"
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error.decode("utf-8", "replace") if isinstance(error.smtp_error, bytes) else ""
        answer = classify(stage, error.smtp_code, text or str(error.smtp_error))
        return Outcome(answer.kind, answer.code, f"{where} at {stage}: {answer.detail}", is_tried=False)
    kind: OutcomeKind = "channel_refused" if _is_our_setting(error) else "temporary"
    return Outcome(kind, detail=f"{where} at {stage}: {redact(str(error))}", is_tried=False)


def _is_our_setting(error: OSError) -> bool:
    """Whether waiting can't mend it: an untrusted certificate, TLS on a plain port, no STARTTLS, no AUTH."""
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError, smtplib.SMTPServerDisconnected)):
        return False
    return isinstance(error, (ssl.SSLError, smtplib.SMTPException, FileNotFoundError))


def _is_this_machine(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


def _socket_of(smtp: smtplib.SMTP) -> socket.socket:
    if smtp.sock is None:
        raise OSError("the connection is closed")
    return smtp.sock
