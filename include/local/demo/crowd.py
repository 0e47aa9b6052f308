"""Who waits for what at the demo shop: about 3,000 requests, few variants wanted by many (Zipf's law).

Always the same people. The file is one that `restock subscriptions import` takes, a few bad lines included.
"""

import csv
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from include.local.demo.assortment import first_stock, seeded_chance
from include.local.demo.script import (
    BACKPACK,
    BLANKET,
    BOOT,
    COAT,
    DISCONTINUED,
    RUNNER,
    STAGES,
    SWEATER,
    UNSUBSCRIBER,
)

COLUMNS = (
    "email", "variant_id", "subscribed_at", "channels", "wanted_quantity", "first_name", "last_name", "locale",
)  # fmt: skip
REQUESTS = 3_000
AWAITED = 600
IN_STOCK_RANKS = range(60, 600, 30)
"""Places in the ranking that go to variants which are in stock: people wait for their next restock."""

CAST = {1: RUNNER, 21: BOOT, 28: BACKPACK, 34: COAT, 37: BLANKET, 46: SWEATER, 120: DISCONTINUED}
"""The place in the ranking of each variant that the script names."""

EARLIEST = datetime(2025, 1, 2, 8, 0, tzinfo=UTC)
DAYS = 200

FIRST_NAMES = (
    "Lena", "Jonas", "Amélie", "Luca", "Sofia", "Noah", "Mia", "Théo", "Giulia", "Ben", "Zoë", "Elias",
    "Chiara", "Paul", "Emma", "Matteo", "Anna", "Hugo", "Nora", "Felix", "Ida", "Marco", "Clara", "Louis",
    "Ella", "Oskar", "Lucie", "Davide", "Frieda", "Jules", "Marta", "Anton",
)  # fmt: skip
LAST_NAMES = (
    "Hofmann", "Keller", "Moreau", "Rossi", "Brandt", "Leroy", "Ricci", "Vogel", "Berger", "Conti", "Lang",
    "Dubois", "Frank", "Marino", "Schubert", "Girard", "Winter", "Gallo", "Krause", "Fontaine", "Busch",
    "Colombo", "Weiß", "Roux", "Sommer", "Greco", "Pohl", "Lefèvre", "Arnold", "Müller", "Perrin", "Ferrari",
)  # fmt: skip
LOCALES = ("en", "en", "en", "en", "de", "de", "fr", "it", "de-AT", "")

BAD_LINES = (
    ("no-address-at-all", RUNNER, "2025-02-01T10:00:00Z", "EMAIL", "1", "Nobody", "", "en"),
    ("tom@example.org", "", "2025-02-01T10:05:00Z", "EMAIL", "1", "Tom", "Noname", "en"),
    ("eva@example.org", RUNNER, "last Tuesday", "EMAIL", "1", "Eva", "Undated", "en"),
    ("kim@example.org", RUNNER, "2025-02-01T10:15:00Z", "CARRIER PIGEON", "1", "Kim", "Airborne", "en"),
    ("lou@example.org", RUNNER, "2025-02-01T10:20:00Z", "EMAIL", "0", "Lou", "Zero", "en"),
)


@dataclass(frozen=True)
class Waiting:
    """One line of the waiting list."""

    email: str
    variant_id: str
    subscribed_at: datetime
    first_name: str
    last_name: str
    locale: str
    channels: str = "EMAIL"
    wanted_quantity: int = 1

    def cells(self) -> tuple[str, ...]:
        """The line as text, in the order of COLUMNS."""
        moment = self.subscribed_at.isoformat().replace("+00:00", "Z")
        return (
            self.email, self.variant_id, moment, self.channels, str(self.wanted_quantity),
            self.first_name, self.last_name, self.locale,
        )  # fmt: skip


def write_waiting_list(path: Path) -> int:
    """Write the waiting list as CSV; the lines below the header."""
    people = [waiting.cells() for waiting in list_waiting()]
    rows = [*people[:1000], *BAD_LINES, *people[1000:]]
    with path.open("w", newline="", encoding="utf-8") as target:
        writer = csv.writer(target, lineterminator="\r\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    return len(rows)


@cache
def list_waiting() -> tuple[Waiting, ...]:
    """Every request of the waiting list, in no particular order."""
    chance = seeded_chance("people")
    crowd = list(_people(chance))
    requests: list[Waiting] = []
    for variant_id, count in count_by_variant().items():
        for person in chance.sample(crowd, count):
            requests.append(replace(person, variant_id=variant_id, channels=_channels(chance)))
    chance.shuffle(requests)
    return _with_moments(_with_unsubscriber(requests), chance)


@cache
def count_by_variant() -> Mapping[str, int]:
    """How many ask for each awaited variant, the most wanted first."""
    weights = [1 / rank for rank in range(1, AWAITED + 1)]
    unit = REQUESTS / sum(weights)
    counts = {
        variant_id: max(1, round(unit * weight))
        for variant_id, weight in zip(rank_awaited(), weights, strict=True)
    }
    return counts


@cache
def rank_awaited() -> tuple[str, ...]:
    """The awaited variants, the most wanted first."""
    chance = seeded_chance("ranking")
    stock = {**first_stock(), **STAGES[0].stock}
    others = [variant_id for variant_id in stock if variant_id not in CAST.values()]
    chance.shuffle(others)
    sold_out = iter([variant_id for variant_id in others if stock[variant_id].units == 0])
    in_stock = iter([variant_id for variant_id in others if stock[variant_id].units > 3])
    return tuple(
        CAST.get(rank) or next(in_stock if rank in IN_STOCK_RANKS else sold_out)
        for rank in range(1, AWAITED + 1)
    )


def _people(chance: random.Random) -> Iterator[Waiting]:
    for number in range(12_000):
        first_name, last_name = chance.choice(FIRST_NAMES), chance.choice(LAST_NAMES)
        email = (
            f"{_plain(first_name)}.{_plain(last_name)}{number}@example.{chance.choice(('org', 'com', 'net'))}"
        )
        yield Waiting(email, "", EARLIEST, first_name, last_name, chance.choice(LOCALES))


def _with_unsubscriber(requests: list[Waiting]) -> list[Waiting]:
    """Somebody who waits for the runner and the sweater from the first days on."""
    both = [
        next(request for request in requests if request.variant_id == wanted) for wanted in (RUNNER, SWEATER)
    ]
    rest = [request for request in requests if request not in both]
    person = Waiting(UNSUBSCRIBER, "", EARLIEST, "Mathilda", "Unterberger", "en")
    return [replace(person, variant_id=RUNNER), replace(person, variant_id=SWEATER), *rest]


def _with_moments(requests: list[Waiting], chance: random.Random) -> tuple[Waiting, ...]:
    """No two at the same moment, so that "the oldest" has one answer; the first two stay the first two."""
    seconds = sorted(chance.sample(range(DAYS * 86_400), len(requests)))
    moments = [EARLIEST + timedelta(seconds=second) for second in seconds]
    dated = [
        replace(request, subscribed_at=moment) for request, moment in zip(requests, moments, strict=True)
    ]
    chance.shuffle(dated)
    return tuple(dated)


def _channels(chance: random.Random) -> str:
    return chance.choices(("EMAIL", "EMAIL,SMS", "SMS"), weights=(92, 6, 2))[0]


def _plain(name: str) -> str:
    for letter, plain in (("é", "e"), ("è", "e"), ("ë", "e"), ("ü", "ue"), ("ß", "ss")):
        name = name.replace(letter, plain)
    return name.lower()
