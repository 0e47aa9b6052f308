"""What the mail sink says: who was told, how often, and in which order."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_MESSAGE_ID = re.compile(rb"^Message-ID:\s*(<[^>]+>)", re.MULTILINE | re.IGNORECASE)
_RECIPIENT = re.compile(rb"^Delivered-To: ([^\r]+)\r\n", re.MULTILINE)


@dataclass(frozen=True)
class Mail:
    """One mail as it lies in the mailbox."""

    recipient: str
    message_id: str


@dataclass(frozen=True)
class Verdict:
    """Counted at the sink. `overtaken` are people told after somebody far behind them in the queue."""

    owed: int
    told: int
    lost: int
    strangers: int
    repeated: int
    most_copies: int
    told_by_two_messages: int
    overtaken: int


def read_mails(mailbox: Path) -> list[Mail]:
    """In order of arrival."""
    mails = []
    for path in sorted(mailbox.glob("*.eml")):
        head = path.read_bytes()[:8192]
        recipient, message_id = _RECIPIENT.search(head), _MESSAGE_ID.search(head)
        assert recipient and message_id, f"{path.name} has no recipient or no Message-ID"
        mails.append(Mail(recipient[1].decode(), message_id[1].decode()))
    return mails


def judge(mails: Sequence[Mail], owed: Mapping[str, Sequence[str]], distance: int) -> Verdict:
    """Compare the mails with those who are owed one, by variant in order; see Verdict."""
    wanted = {email for people in owed.values() for email in people}
    copies = Counter(mail.message_id for mail in mails)
    pairs = {(mail.recipient, mail.message_id) for mail in mails}
    by_person = Counter(recipient for recipient, _ in pairs)
    told = set(by_person)
    first_arrivals = list(dict.fromkeys(mail.recipient for mail in mails))
    return Verdict(
        owed=len(wanted),
        told=len(told & wanted),
        lost=len(wanted - told),
        strangers=len(told - wanted),
        repeated=sum(copies.values()) - len(copies),
        most_copies=max(copies.values(), default=0),
        told_by_two_messages=sum(count > 1 for count in by_person.values()),
        overtaken=sum(count_overtaken(first_arrivals, people, distance) for people in owed.values()),
    )


def count_overtaken(arrivals: Iterable[str], people: Sequence[str], distance: int) -> int:
    """How many arrived after somebody who stands more than `distance` places behind them."""
    places = {email: place for place, email in enumerate(people)}
    furthest = overtaken = 0
    for place in (places[email] for email in arrivals if email in places):
        overtaken += furthest - place > distance
        furthest = max(furthest, place)
    return overtaken
