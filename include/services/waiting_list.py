"""Import and export of waiting lists as CSV, with their original dates (SEMANTICS 3.5, 3.7)."""

import csv
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Connection, Engine, Row

from include.db.queries import run_query
from include.domain.channel import SENDING_CHANNELS
from include.domain.request import (
    InStockRequest,
    Request,
    check_channels,
    check_item,
    check_quantity,
    check_time,
    fold_email,
)
from include.domain.text import neutralize_formula, restore_formula
from include.errors import ConfigurationError, RowRejected
from include.services.contacts import check_email, check_phone
from include.services.requests import Taken, take_requests
from include.services.shops import require_shop

PERSON_COLUMNS = ("email", "phone", "external_id")
ITEM_COLUMNS = ("variant_id", "product_id")
COLUMNS = (
    *("email", "variant_id", "subscribed_at", "channels", "wanted_quantity", "first_name", "last_name"),
    *("locale", "phone", "external_id", "product_id"),
)
ROWS_TOGETHER = 5_000


@dataclass
class ImportResult:
    """What an import did; `open_now` of those who wait asked for something that is in stock at this moment."""

    new: int = 0
    merged: int = 0
    known: int = 0
    rejects: list[tuple[int, str]] = field(default_factory=list)
    waiting: int = 0
    open_now: int = 0
    unmatched: int = 0
    undeliverable: int = 0

    def add(self, taken: Taken) -> None:
        """Count one set."""
        self.new += taken.new
        self.merged += taken.merged
        self.known += taken.known


def import_waiting_list(
    engine: Engine, shop_id: str, file: Path, now: datetime, in_stock: InStockRequest = "next_restock"
) -> ImportResult:
    """Take a waiting list; the same file again adds nothing, and each refused line is kept with its reason."""
    result = ImportResult()
    with engine.begin() as connection:
        require_shop(connection, shop_id)
    with file.open(newline="", encoding="utf-8-sig", errors="replace") as stream:
        reader = _open_reader(stream, file)
        requests = _read(reader, now, result.rejects)
        while chunk := list(islice(requests, ROWS_TOGETHER)):
            with engine.begin() as connection:
                result.add(take_requests(connection, shop_id, chunk, "import", in_stock, now))
    with engine.begin() as connection:
        _note_rejects(connection, shop_id, file, result.rejects, now)
    counted = count_waiting(engine, shop_id)
    result.waiting, result.open_now = counted.waiting_count, counted.open_count
    result.unmatched, result.undeliverable = counted.unmatched_count, counted.undeliverable_count
    return result


def count_waiting(engine: Engine, shop_id: str) -> Row[Any]:
    """Who waits in a shop: all, for what is in stock, for what no catalog knows, on channels without a sender."""
    with engine.connect() as connection:
        require_shop(connection, shop_id)
        channels = list(SENDING_CHANNELS)
        return run_query(
            connection, "request.count_open_now", shop_id=shop_id, sending_channels=channels
        ).one()


def list_refused(engine: Engine, shop_id: str, most: int) -> list[Row[Any]]:
    """Refused lines of a shop's imports with their reasons, the newest import first."""
    with engine.connect() as connection:
        require_shop(connection, shop_id)
        return list(run_query(connection, "request.list_import_rejects", shop_id=shop_id, most=most).all())


def export_waiting_list(engine: Engine, shop_id: str, target: IO[str]) -> int:
    """Write everyone who waits, oldest first, in the form that an import takes; the rows written."""
    writer = csv.writer(target, lineterminator="\r\n")
    count = 0
    with engine.connect().execution_options(yield_per=ROWS_TOGETHER) as connection:
        require_shop(connection, shop_id)
        writer.writerow(COLUMNS)
        for row in run_query(connection, "request.export_waiting", shop_id=shop_id):
            writer.writerow([_as_cell(getattr(row, column)) for column in COLUMNS])
            count += 1
    return count


def _open_reader(stream: IO[str], file: Path) -> "csv.DictReader[str]":
    header = stream.readline()
    if "\ufffd" in header or "\0" in header:
        raise ConfigurationError(
            f"{file}, line 1: this is no text in UTF-8. Save the list as 'CSV UTF-8', not packed, and import it again."
        )
    stream.seek(0)
    # Spreadsheets of German, French and Italian offices part cells by semicolons.
    delimiter = next((mark for mark in ";\t" if mark in header and "," not in header), ",")
    reader = csv.DictReader(stream, restkey="_surplus", delimiter=delimiter)
    seen = [name.strip() for name in reader.fieldnames or ()]
    if twice := [name for name in COLUMNS if seen.count(name) > 1]:
        raise ConfigurationError(f"{file}, line 1: the column {twice[0]} is there twice; allowed is once.")
    groups = (PERSON_COLUMNS, ITEM_COLUMNS, ("subscribed_at",))
    missing = [" or ".join(group) for group in groups if not set(group) & set(seen)]
    if missing:
        raise ConfigurationError(
            f"{file}, line 1: the columns {', '.join(missing)} are missing; "
            f"seen: {', '.join(seen)[:200] or 'nothing'}. "
            f"Needed are {' or '.join(PERSON_COLUMNS)}, variant_id or product_id, and subscribed_at; "
            f"known are {', '.join(COLUMNS)}."
        )
    reader.fieldnames = seen
    return reader


def _read(reader: "csv.DictReader[str]", now: datetime, rejects: list[tuple[int, str]]) -> Iterator[Request]:
    try:
        for row in reader:
            try:
                yield _parse(row, now)
            except RowRejected as rejected:
                rejects.append((reader.line_num, str(rejected)))
    except csv.Error as error:
        rejects.append((reader.line_num, f"unreadable from here on: {error}"))


def _parse(row: Mapping[str, Any], now: datetime) -> Request:
    if "_surplus" in row:
        raise RowRejected("more cells than the header has columns")
    cells = {name: restore_formula((row.get(name) or "").strip()) for name in COLUMNS}
    if any("\ufffd" in text for text in cells.values()):
        raise RowRejected("a text is not in UTF-8; save the file as UTF-8 and import it again")
    if any("\n" in text for text in cells.values()):
        raise RowRejected(
            "a cell goes over several lines; look for a quotation mark above that is not closed"
        )
    is_named = cells["phone"] or cells["external_id"]
    email = check_email(cells["email"]) if cells["email"] or not is_named else None
    variant_id, product_id = check_item(cells["variant_id"], cells["product_id"])
    return Request(
        email=email,
        email_key=fold_email(email) if email else None,
        variant_id=variant_id,
        subscribed_at=check_time(cells["subscribed_at"], now),
        channels=check_channels(cells["channels"], has_email=email is not None),
        wanted_quantity=check_quantity(cells["wanted_quantity"]),
        first_name=cells["first_name"][:200] or None,
        last_name=cells["last_name"][:200] or None,
        locale=cells["locale"][:20] or None,
        product_id=product_id,
        phone=check_phone(cells["phone"]) if cells["phone"] else None,
        external_id=cells["external_id"][:200] or None,
    )


def _as_cell(value: object) -> str:
    if value is None:
        return ""
    return value.isoformat() if isinstance(value, datetime) else neutralize_formula(str(value))


def _note_rejects(
    connection: Connection, shop_id: str, file: Path, rejects: list[tuple[int, str]], now: datetime
) -> None:
    if rejects:
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        run_query(
            connection,
            "request.note_import_rejects",
            shop_id=shop_id,
            file_digest=digest,
            line_numbers=[line for line, _ in rejects],
            reasons=[reason for _, reason in rejects],
            now=now,
        )
