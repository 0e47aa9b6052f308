"""What a walk leaves behind, as files: all that the audit reads. Standard library only.

```
rules.json            the thresholds of the walk
feeds/<time>.jsonl.gz what the shop said at that time
requests.csv          who asked for which article, and when Restock was told
purchases.csv         who bought which article, and when Restock was told; of those who had asked for something
mail/<number>.eml     what the sender was given, in its order, one file each time it was given
```
An article's code stands in its title, in square brackets at the end, so that a mail's subject names it.
"""

import csv
import email.header
import email.parser
import email.utils
import gzip
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

RULES = "rules.json"
FEEDS = "feeds"
REQUESTS = "requests.csv"
PURCHASES = "purchases.csv"
MAIL = "mail"
TIME = "%Y%m%dT%H%M%SZ"
FAST = 1
CUSTOMERS = "customers.example"
SHOP_URL = "https://replay.example/article/"

_CODE = re.compile(r"\[(?P<sku>.*)\]\s*\Z", re.DOTALL)
_PLAIN_CUSTOMER = re.compile(r"[a-z0-9]{1,40}")
_HEADERS = email.parser.BytesHeaderParser()


@dataclass(frozen=True)
class WalkRules:
    """The thresholds that the walk set; None customers per unit: everyone. Named as in SEMANTICS 2.5 and 4."""

    min_inventory: int
    customers_per_unit: int | None
    wait: timedelta
    min_restock: int = 1
    confirm_pulls: int = 1
    ordering: str = "oldest"
    basis: str = "on_hand"
    sizing: str = "people"
    allow_overtaking: bool = False
    subtract_invited: timedelta = timedelta()


class Request(NamedTuple):
    """Somebody asked at `asked_at`; Restock knows it from `taken_at` on."""

    asked_at: datetime
    taken_at: datetime
    address: str
    sku: str
    wanted: int


class Purchase(NamedTuple):
    """Somebody bought at `ordered_at`; Restock knows it from `taken_at` on."""

    ordered_at: datetime
    taken_at: datetime
    address: str
    sku: str


class Feed(NamedTuple):
    """What changed in a feed since the one before it; an article that is gone has no units."""

    at: datetime
    units: dict[str, int]


class Mail(NamedTuple):
    """One mail that the sender was given; `name` is its file."""

    name: str
    at: datetime
    address: str
    sku: str


def address_of(customer: str) -> str:
    """An address for a customer of an order history, the same for the same id."""
    if _PLAIN_CUSTOMER.fullmatch(customer):
        return f"customer-{customer}@{CUSTOMERS}"
    return f"customer-x{hashlib.sha256(customer.encode()).hexdigest()[:20]}@{CUSTOMERS}"


def title_of(sku: str, description: str) -> str:
    """A title that names the article's code where `sku_of` finds it."""
    return f"{description.replace('[', '(').replace(']', ')')} [{sku}]".strip()


def sku_of(subject: str) -> str:
    """The article's code in a subject, '' where there is none."""
    _, bracket, rest = subject.partition("[")
    found = _CODE.search(bracket + rest)
    return found["sku"] if found else ""


def write_rules(folder: Path, rules: WalkRules) -> None:
    """Keep the thresholds of a walk; times in seconds."""
    known = {
        name: value.total_seconds() if isinstance(value, timedelta) else value
        for name, value in asdict(rules).items()
    }
    (folder / RULES).write_text(json.dumps(known, indent=2) + "\n")


def read_rules(folder: Path) -> WalkRules:
    """The thresholds of a walk."""
    known = json.loads((folder / RULES).read_text())
    spans = {name: timedelta(seconds=known[name]) for name in ("wait", "subtract_invited")}
    return WalkRules(**(known | spans))


def write_feed(folder: Path, at: datetime, lines: Iterable[bytes]) -> Path:
    """Keep a feed, one JSON object a line; its file."""
    path = folder / FEEDS / f"{at.strftime(TIME)}.jsonl.gz"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(b"".join(lines), FAST, mtime=0))
    return path


def feed_line(sku: str, title: str, price: str, url: str) -> tuple[bytes, bytes]:
    """The two ends of a feed's line for an article; its units stand between them."""
    known = {"$id": sku, "$title": title, "$link": url, "$price": price}
    head = json.dumps(known).removesuffix("}")
    return f'{head}, "$inventory_quantity": '.encode(), b"}\n"


def read_feeds(folder: Path) -> Iterator[Feed]:
    """The feeds in the order of their time; only lines that differ from the feed before are looked at."""
    before: set[bytes] = set()
    for path in sorted((folder / FEEDS).glob("*.jsonl.gz")):
        lines = set(gzip.decompress(path.read_bytes()).splitlines())
        gone = dict.fromkeys((row["$id"] for row in map(json.loads, before - lines)), 0)
        changed = {row["$id"]: row["$inventory_quantity"] for row in map(json.loads, lines - before)}
        yield Feed(_time(path.name.partition(".")[0]), {**gone, **changed})
        before = lines


class Log:
    """Writes what happened to people in a walk, in the order in which it was taken."""

    def __init__(self, stream: Any, columns: Iterable[str]) -> None:
        self._rows = csv.writer(stream)
        self._rows.writerow(columns)

    def add(self, taken: Iterable[Request] | Iterable[Purchase]) -> None:
        """Keep some more."""
        self._rows.writerows((one[0].isoformat(), one[1].isoformat(), *one[2:]) for one in taken)


@contextmanager
def open_logs(folder: Path) -> Iterator[tuple[Log, Log]]:
    """The logs for the requests and the purchases of a walk."""
    with (
        (folder / REQUESTS).open("w", newline="", encoding="utf-8") as requests,
        (folder / PURCHASES).open("w", newline="", encoding="utf-8") as purchases,
    ):
        yield Log(requests, Request._fields), Log(purchases, Purchase._fields)


def read_requests(folder: Path) -> Iterator[Request]:
    """The requests of a walk in the order in which they were taken."""
    for asked_at, taken_at, address, sku, wanted in _read_log(folder / REQUESTS):
        moments = datetime.fromisoformat(asked_at), datetime.fromisoformat(taken_at)
        yield Request(*moments, address, sku, int(wanted))


def read_purchases(folder: Path) -> Iterator[Purchase]:
    """The purchases of a walk in the order in which they were taken."""
    for ordered_at, taken_at, address, sku in _read_log(folder / PURCHASES):
        yield Purchase(datetime.fromisoformat(ordered_at), datetime.fromisoformat(taken_at), address, sku)


def _read_log(path: Path) -> Iterator[list[str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        rows = csv.reader(stream)
        next(rows)
        yield from rows


def read_mails(folder: Path) -> Iterator[Mail]:
    """What the sender was given, in its order."""
    for path in sorted((folder / MAIL).glob("*.eml")):
        head, _, _ = path.read_bytes().partition(b"\r\n\r\n")
        headers = _HEADERS.parsebytes(head)
        moment = email.utils.parsedate_to_datetime(headers["Date"])
        yield Mail(path.name, moment, headers["To"], sku_of(_plain(headers["Subject"])))


def _plain(header: str) -> str:
    """A header without its line breaks and encoded words."""
    if "=?" in header:
        header = str(email.header.make_header(email.header.decode_header(header)))
    return re.sub(r"\r?\n[ \t]", " ", header)


def _time(text: str) -> datetime:
    return datetime.strptime(text, TIME).replace(tzinfo=UTC)


def units_by_time(feeds: Iterable[Feed]) -> tuple[list[datetime], Mapping[str, list[tuple[datetime, int]]]]:
    """When the shop was looked at, and for each article its units from each time that they changed."""
    times: list[datetime] = []
    known: dict[str, list[tuple[datetime, int]]] = {}
    for feed in feeds:
        times.append(feed.at)
        for sku, units in feed.units.items():
            known.setdefault(sku, []).append((feed.at, units))
    return times, known
