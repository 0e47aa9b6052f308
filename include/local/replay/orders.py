"""The order lines that a replay walks over, from a CSV file (gzip or plain, UTF-8, a header).

| column | meaning |
| --- | --- |
| StockCode | the article; each is one variant |
| Quantity | pieces; negative: a cancellation, what was sold to this customer comes back |
| InvoiceDate | ISO 8601, such as 2010-12-01 08:26:00; read as UTC where no zone is given |
| UnitPrice | 0: no sale but a stock adjustment, Quantity is added to the stock |
| CustomerID | empty: somebody unknown, who buys and can't ask to be told |
| Description | optional; the first one of an article is its title |

Other columns are ignored. The order of columns and lines is free.
"""

import csv
import gzip
import math
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import IO, NamedTuple

from include.errors import ConfigurationError, RowRejected

REQUIRED = ("StockCode", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID")
OPTIONAL = "Description"
GZIP_MAGIC = b"\x1f\x8b"
LONGEST_CODE = 100
LONGEST_TITLE = 120
MOST_LISTED = 1_000
LARGEST_QUANTITY = 10**9
# Lines repeat each other: a history is read in half the time when its texts are understood once.
MOST_REMEMBERED = 65_536


class OrderLine(NamedTuple):
    """One readable line; `customer` is '' where nobody is known."""

    at: datetime
    line_number: int
    sku: str
    customer: str
    quantity: int
    is_adjustment: bool


class BadLine(NamedTuple):
    """A line that can't be read, and why."""

    line_number: int
    reason: str


@dataclass
class Article:
    """What a feed says of an article."""

    title: str = ""
    price: str = ""


@dataclass
class OrderHistory:
    """Lines in the order of their time; the first bad lines are listed, all are counted by reason."""

    lines: list[OrderLine] = field(default_factory=list)
    articles: dict[str, Article] = field(default_factory=dict)
    bad_lines: list[BadLine] = field(default_factory=list)
    bad_counts: Counter[str] = field(default_factory=Counter)


def read_orders(path: Path) -> OrderHistory:
    """The history in `path`; raises ConfigurationError when it is no such file."""
    history = OrderHistory()
    try:
        with _open(path) as stream:
            _read(csv.reader(stream), history, path)
    except FileNotFoundError:
        raise ConfigurationError(f"{path} does not exist. Give a CSV file with order lines.") from None
    except (OSError, EOFError, csv.Error, zlib.error) as error:
        raise ConfigurationError(f"{path} can't be read to its end as CSV or gzip: {error}") from None
    if not history.lines:
        raise ConfigurationError(f"{path} has no readable order line. {_first_problem(history)}")
    history.lines.sort(key=itemgetter(0, 1))
    return history


def _open(path: Path) -> IO[str]:
    with path.open("rb") as stream:
        is_packed = stream.read(2) == GZIP_MAGIC
    opener: Callable[..., IO[str]] = gzip.open if is_packed else open
    return opener(path, "rt", encoding="utf-8-sig", errors="replace", newline="")


def _read(rows: Iterator[list[str]], history: OrderHistory, path: Path) -> None:
    header = next(rows, [])
    places = _find_columns(header, path)
    title_at = header.index(OPTIONAL) if OPTIONAL in header else None
    for line_number, row in enumerate(rows, start=2):
        try:
            if len(row) != len(header):
                raise RowRejected(f"it has another number of fields than the header's {len(header)}")
            line, price = _read_line([row[place] for place in places], line_number)
        except RowRejected as refused:
            _note_bad(history, line_number, str(refused))
            continue
        history.lines.append(line)
        _describe(history.articles, line, price, row[title_at] if title_at is not None else "")


def _find_columns(header: list[str], path: Path) -> list[int]:
    missing = [name for name in REQUIRED if name not in header]
    if missing:
        raise ConfigurationError(
            f"{path} has no column {', '.join(missing)}. It has: {', '.join(header)[:200] or 'nothing'}. "
            f"Needed are {', '.join(REQUIRED)}, and {OPTIONAL} if there are titles."
        )
    return [header.index(name) for name in REQUIRED]


def _read_line(fields: list[str], line_number: int) -> tuple[OrderLine, float]:
    code, quantity, moment, price, customer = fields
    amount = _price(price)
    line = OrderLine(
        at=_moment(moment),
        line_number=line_number,
        sku=_code(code),
        customer=_customer(customer),
        quantity=_quantity(quantity),
        is_adjustment=amount == 0,
    )
    return line, amount


@lru_cache(MOST_REMEMBERED)
def _code(text: str) -> str:
    code = " ".join(text.split())
    if not 0 < len(code) <= LONGEST_CODE or not code.isprintable():
        raise RowRejected(f"StockCode is empty, longer than {LONGEST_CODE} characters or not printable")
    return code


@lru_cache(MOST_REMEMBERED)
def _customer(text: str) -> str:
    return text.strip().removesuffix(".0")


@lru_cache(MOST_REMEMBERED)
def _quantity(text: str) -> int:
    try:
        quantity = int(text.strip().removesuffix(".0"))
    except ValueError:
        raise RowRejected("Quantity is no whole number") from None
    if quantity == 0 or abs(quantity) > LARGEST_QUANTITY:
        raise RowRejected(f"Quantity is 0 or beyond {LARGEST_QUANTITY:,}")
    return quantity


@lru_cache(MOST_REMEMBERED)
def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise RowRejected("InvoiceDate is not ISO 8601, such as 2010-12-01 08:26:00") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


@lru_cache(MOST_REMEMBERED)
def _price(text: str) -> float:
    try:
        price = float(text)
    except ValueError:
        raise RowRejected("UnitPrice is no number") from None
    if not math.isfinite(price) or price < 0:
        raise RowRejected("UnitPrice is negative or not finite")
    return price


def _note_bad(history: OrderHistory, line_number: int, reason: str) -> None:
    history.bad_counts[reason] += 1
    if len(history.bad_lines) < MOST_LISTED:
        history.bad_lines.append(BadLine(line_number, reason))


def _describe(articles: dict[str, Article], line: OrderLine, price: float, title: str) -> None:
    article = articles.get(line.sku)
    if article is None:
        article = articles[line.sku] = Article()
    elif article.title and article.price:
        return
    if line.is_adjustment:
        return
    article.title = article.title or " ".join(title.split())[:LONGEST_TITLE]
    article.price = article.price or f"{price:.2f}"


def _first_problem(history: OrderHistory) -> str:
    if not history.bad_lines:
        return "It has a header only."
    first = history.bad_lines[0]
    return f"Line {first.line_number}: {first.reason}."
