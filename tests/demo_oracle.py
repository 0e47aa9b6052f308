"""Whom the rule owes a mail in the demo, worked out from the demo's script and waiting list alone.

Nothing of the product is imported but the script, so that the demo and its judge share no mistake.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes, policy
from pathlib import Path

from include.local.demo.script import CUSTOMERS_PER_UNIT, MIN_INVENTORY, STAGES, Stage


@dataclass(frozen=True)
class Owed:
    """People told together, the one who asked first at the front."""

    variant_id: str
    people: tuple[str, ...]


@dataclass(frozen=True)
class Mail:
    """What a mail says of itself; `link` is the product page in its text."""

    file: str
    recipient: str
    link: str

    @property
    def variant_id(self) -> str:
        return self.link.rpartition("/products/")[2]


class Oracle:
    """Walks through the stages of the script as the rule of SEMANTICS 4.1 does."""

    def __init__(self, waiting_list: Path) -> None:
        self.queues = read_queues(waiting_list)
        self.units: dict[str, int] = {}
        self.timed: dict[str, None] = {}
        self.unsubscribed: set[str] = set()
        self.owed: list[Owed] = []
        self.owed_by_stage: list[list[Owed]] = []
        self.skipped: dict[str, int] = defaultdict(int)
        for stage in STAGES:
            before = len(self.owed)
            self._live(stage, is_first=stage is STAGES[0])
            self.owed_by_stage.append(self.owed[before:])

    @property
    def waiting_count(self) -> int:
        return sum(len(queue) for queue in self.queues.values())

    def _live(self, stage: Stage, is_first: bool) -> None:
        if stage.fault == "none":
            before = dict(self.units)
            self.units |= {name: split.warehouse + split.store for name, split in stage.stock.items()}
            opened = [
                name for name in stage.stock if self._is_open(name) and before.get(name, 0) < MIN_INVENTORY
            ]
            again = [name for name in self.timed if stage.outlasts_wait and self._is_open(name)]
            for name in [] if is_first else [*opened, *again]:
                self._tell(name)
        self.unsubscribed |= set(stage.unsubscribes)

    def _is_open(self, variant_id: str) -> bool:
        return self.units[variant_id] >= MIN_INVENTORY

    def _tell(self, variant_id: str) -> None:
        told: list[str] = []
        queue = self.queues[variant_id]
        while queue and len(told) < self.units[variant_id] * CUSTOMERS_PER_UNIT:
            _, email, has_email_channel = queue.pop(0)
            if not has_email_channel:
                self.skipped["undeliverable"] += 1
            elif email in self.unsubscribed:
                self.skipped["suppressed"] += 1
            else:
                told.append(email)
        if told:
            self.timed[variant_id] = None
            self.owed.append(Owed(variant_id, tuple(told)))


def read_queues(waiting_list: Path) -> dict[str, list[tuple[datetime, str, bool]]]:
    """Who waits for what, the oldest first; lines that no import can take are left out."""
    queues: dict[str, list[tuple[datetime, str, bool]]] = defaultdict(list)
    with waiting_list.open(newline="", encoding="utf-8") as stream:
        for line in csv.DictReader(stream):
            channels = line["channels"].split(",")
            try:
                asked_at = datetime.fromisoformat(line["subscribed_at"])
            except ValueError:
                continue
            is_sound = "@" in line["email"] and line["variant_id"] and int(line["wanted_quantity"]) > 0
            if is_sound and set(channels) <= {"EMAIL", "SMS"}:
                queues[line["variant_id"]].append((asked_at, line["email"], "EMAIL" in channels))
    return {variant_id: sorted(queue) for variant_id, queue in queues.items()}


def read_mailbox(folder: Path) -> list[Mail]:
    """Every mail to a shopper, in the order of its arrival."""
    return [_read(path) for path in sorted(folder.glob("*.eml")) if not is_report(path)]


def is_report(path: Path) -> bool:
    """Whether a mail went to the shop's own people."""
    return str(message_from_bytes(path.read_bytes())["X-Restock-Message"]).startswith("report:")


def arrivals(mails: Iterable[Mail]) -> dict[str, list[str]]:
    """Who got a mail about each variant, in the order of arrival."""
    found: dict[str, list[str]] = defaultdict(list)
    for mail in mails:
        found[mail.variant_id].append(mail.recipient)
    return dict(found)


def expected_arrivals(owed: Iterable[Owed]) -> dict[str, list[str]]:
    """Who is owed a mail about each variant, batch after batch."""
    found: dict[str, list[str]] = defaultdict(list)
    for batch in owed:
        found[batch.variant_id] += batch.people
    return dict(found)


def _read(path: Path) -> Mail:
    mail = message_from_bytes(path.read_bytes(), policy=policy.default)
    body = mail.get_body(("plain",))
    assert body is not None, path.name
    links = [line for line in body.get_content().splitlines() if "/products/" in line]
    assert len(links) == 1, path.name
    assert mail["To"] == mail["Delivered-To"], path.name
    return Mail(path.name, str(mail["To"]), links[0].strip())
