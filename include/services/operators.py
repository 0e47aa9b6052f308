"""Tells operators that something failed: a mail straight to their server, a line in Slack. Not through the outbox,
which may be what failed."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from html import escape

import requests
from sqlalchemy import Engine

from include.db.engine import connect
from include.messaging.address import Mailbox
from include.messaging.message_id import derive_message_id
from include.messaging.render.library import RenderedEmail, one_line
from include.messaging.render.mime import build_message
from include.messaging.senders.base import Envelope
from include.messaging.senders.replies import redact
from include.messaging.senders.smtp import SmtpSender, SmtpSettings
from include.services.notices import give_back, may_notify

SLACK_SECONDS = 10.0
LONGEST_LINE = 500

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Operators:
    """How operators are reached; nothing is set until somebody sets it."""

    to: tuple[str, ...] = field(default=(), repr=False)
    account: SmtpSettings | None = field(default=None, repr=False)
    slack_url: str | None = field(default=None, repr=False)
    database_url: str | None = field(default=None, repr=False)

    def __bool__(self) -> bool:
        return bool((self.to and self.account) or self.slack_url)


@dataclass(frozen=True)
class Notice:
    """What failed; of one `subject` operators are told once in a while, `key` is this very time."""

    subject: str
    key: str
    title: str
    lines: Sequence[str]

    @property
    def text(self) -> str:
        """Title and lines without addresses."""
        return "\n".join([self.title, "", *(redact(one_line(line))[:LONGEST_LINE] for line in self.lines)])


def tell(operators: Operators, notice: Notice, now: datetime) -> list[str]:
    """Tell them by every way that is set, unless they were told of the subject lately; the ways that worked.

    Never raises: what went wrong before must stay what people see.
    """
    if not operators or not _is_news(operators, notice, now):
        return []
    ways: dict[str, Callable[[], None]] = {}
    if operators.to and operators.account:
        ways["mail"] = lambda: _mail(operators, notice, now)
    if operators.slack_url:
        ways["slack"] = lambda: _slack(operators, notice)
    told = [name for name, tell_so in ways.items() if _works(name, tell_so)]
    if not told:
        _give_back(operators, notice, now)
    return told


def _works(name: str, tell_so: Callable[[], None]) -> bool:
    try:
        tell_so()
    except Exception as error:
        # Its text may hold the address or the secret URL.
        log.warning("Operators could not be told by %s: %s", name, type(error).__name__)
        return False
    return True


def _is_news(operators: Operators, notice: Notice, now: datetime) -> bool:
    try:
        with _database(operators) as engine:
            return engine is None or may_notify(engine, notice.subject, now)
    except Exception as error:
        log.warning(
            "It is not known whether operators were told lately (%s): they are told.", type(error).__name__
        )
        return True


def _give_back(operators: Operators, notice: Notice, now: datetime) -> None:
    try:
        with _database(operators) as engine:
            if engine is not None:
                give_back(engine, notice.subject, now)
    except Exception as error:
        log.warning("Nobody was told, and it stays noted that somebody was: %s", type(error).__name__)


@contextmanager
def _database(operators: Operators) -> Iterator[Engine | None]:
    if operators.database_url is None:
        yield None
        return
    engine = connect(operators.database_url)
    try:
        yield engine
    finally:
        engine.dispose()


def _mail(operators: Operators, notice: Notice, now: datetime) -> None:
    assert operators.account is not None
    mailbox = Mailbox(operators.account.from_address, operators.account.from_name)
    rendered = RenderedEmail(f"[Restock] {notice.title}", notice.text, f"<pre>{escape(notice.text)}</pre>")
    envelopes = [
        _envelope(rendered, f"notice:{notice.key}:{number}", mailbox, recipient, now)
        for number, recipient in enumerate(operators.to, 1)
    ]
    sender = SmtpSender(operators.account)
    try:
        refused = [outcome for _, outcome in sender.send(envelopes) if outcome.kind != "sent"]
    finally:
        sender.close()
    if refused:
        raise ConnectionError(refused[0].kind)


def _envelope(rendered: RenderedEmail, key: str, mailbox: Mailbox, recipient: str, now: datetime) -> Envelope:
    message_id = derive_message_id(key, mailbox.address.rpartition("@")[2])
    header_key = message_id.strip("<>")
    content = build_message(
        rendered, key=header_key, message_id=message_id, sender=mailbox, recipient=recipient, date=now
    )
    return Envelope(key, message_id, mailbox.address, recipient, content, is_crlf=True)


def _slack(operators: Operators, notice: Notice) -> None:
    assert operators.slack_url is not None
    # '<', '>' and '&' are Slack's own marks: a text with them could name a channel or be a link.
    safe = notice.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    answer = requests.post(
        operators.slack_url, json={"text": safe}, timeout=SLACK_SECONDS, allow_redirects=False
    )
    answer.raise_for_status()
