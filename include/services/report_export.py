"""Reports as files in a folder or an object store (SEMANTICS 9.2).

`<root>/<shop>/<report>_<day>[_<last day>].csv[.gz]` or `.parquet`, and beside each a manifest `….json`, written last.
"""

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec
from sqlalchemy import Connection, Engine

from include.catalog.archive import StorePath
from include.db.copy import export_csv_lines, select_columns
from include.db.queries import find_query, parameter_names, run_query
from include.domain.report_days import DAY, ended_days
from include.errors import ConfigurationError
from include.reports.definition import Report, find_report
from include.reports.export_file import GrowingFile, HashingStream, Manifest, write_csv
from include.reports.parquet_file import GROUP_ROWS, write_parquet
from include.services.report_build import span_parameters
from include.services.report_plan import ReportShop, list_report_shops
from include.services.rules import rules_in_force

PACK_ABOVE = 10_000_000
MANIFEST = ".json"
_FILE = re.compile(r"^(?P<stem>[a-z_]+(?:_\d{4}-\d\d-\d\d){1,2})\.(csv|csv\.gz|parquet|json)$")

Format = Literal["csv", "parquet"]


@dataclass(frozen=True)
class ExportOptions:
    """How a file is written: `with_bom` for spreadsheets that guess, `pack_above` in bytes."""

    format: Format = "csv"
    with_bom: bool = False
    pack_above: int = PACK_ABOVE


def require_format(text: str) -> Format:
    """A format by its name; raises ConfigurationError."""
    if text not in ("csv", "parquet"):
        raise ConfigurationError(f"No export has the format '{text[:80]}'; allowed are csv and parquet.")
    return text  # type: ignore[return-value]


def export_interval(
    engine: Engine,
    name: str,
    start: datetime,
    end: datetime,
    root: StorePath,
    now: datetime,
    options: ExportOptions | None = None,
) -> dict[str, int]:
    """Export the days of a report that ended in `[start, end)`, each shop its own; files and rows written.

    What knows the present only is not exported for a past day: that would call today's queue the past.
    """
    report = find_report(name)
    counts = {"files": 0, "exported_rows": 0}
    for shop in list_report_shops(engine, now):
        first_on, last_on = ended_days(start, end, shop.zone)
        if first_on > last_on or is_past_for(report, shop, last_on, now):
            continue
        manifest = export_report(engine, shop, name, first_on, last_on, root, now, options)
        counts["files"] += 1
        counts["exported_rows"] += manifest.row_count
    return counts


def export_report(
    engine: Engine,
    shop: ReportShop,
    name: str,
    first_on: date,
    last_on: date,
    root: StorePath,
    now: datetime,
    options: ExportOptions | None = None,
) -> Manifest:
    """Write some days of one shop's report as a file with its manifest; raises NotFound for an unknown report."""
    report, chosen = find_report(name), options or ExportOptions()
    folder = root / shop.shop_id
    folder.mkdir(parents=True, exist_ok=True)
    stem = file_stem(name, first_on, last_on)
    _remove(folder, stem + MANIFEST)
    write = _write_parquet if chosen.format == "parquet" else _write_csv
    with _reading(engine) as connection:
        given = _parameters(connection, shop, report, first_on, last_on)
        columns = select_columns(connection, find_query(f"{name}.select_days"), **given)
        written = write(connection, report, given, columns, folder, stem, chosen)
    manifest = Manifest(
        report=name,
        shop_id=shop.shop_id,
        first_on=first_on,
        last_on=last_on,
        is_of_present=report.is_of_present,
        file=written.name,
        format=chosen.format,
        columns=tuple(columns),
        row_count=written.row_count,
        byte_count=written.byte_count,
        sha256=written.sha256,
        exported_at=now,
    )
    _remove_others(folder, stem, written.name)
    with _open(folder, stem + MANIFEST) as stream:
        stream.write(manifest.encode())
    return manifest


def is_past_for(report: Report, shop: ReportShop, last_on: date, now: datetime) -> bool:
    """Whether a report that knows the present only can say nothing of days that are over since before yesterday."""
    return report.is_of_present and last_on < now.astimezone(shop.zone).date() - DAY


def list_exports(root: StorePath, shop_id: str) -> list[Manifest]:
    """What lies in the store for a shop, in the order of names."""
    folder = root / shop_id
    names = sorted(path.name for path in _files(folder) if path.name.endswith(MANIFEST))
    return [manifest for name in names if (manifest := _read_manifest(folder / name))]


def remove_old_exports(engine: Engine, root: StorePath, now: datetime) -> int:
    """Remove files that were exported longer ago than the rules keep them, and what a fallen export left behind."""
    with engine.begin() as connection:
        keep_days = rules_in_force(connection, now)[1].export_keep_days
    if not keep_days:
        return 0
    first_kept = now.date() - timedelta(days=keep_days)
    shops = list_report_shops(engine, now)
    return sum(_remove_old(root / shop.shop_id, first_kept) for shop in shops)


def _remove_old(folder: StorePath, first_kept: date) -> int:
    removed = 0
    for stem in sorted({match["stem"] for path in _files(folder) if (match := _FILE.match(path.name))}):
        if _exported_on(folder, stem) < first_kept:
            _remove(folder, stem + MANIFEST)
            removed += _remove_others(folder, stem, "")
    return removed


def file_stem(name: str, first_on: date, last_on: date) -> str:
    """The name of a file without what comes after the dot."""
    return f"{name}_{first_on}" if first_on == last_on else f"{name}_{first_on}_{last_on}"


class _Written(NamedTuple):
    name: str
    row_count: int
    byte_count: int
    sha256: str


def _write_csv(
    connection: Connection,
    report: Report,
    given: dict[str, Any],
    columns: dict[str, int],
    folder: StorePath,
    stem: str,
    options: ExportOptions,
) -> _Written:
    file = GrowingFile(partial(_open, folder), f"{stem}.csv", options.pack_above)
    lines = export_csv_lines(connection, find_query(f"{report.name}.select_days"), **given)
    try:
        count = write_csv(file, columns, lines, options.with_bom)
        stream = file.close()
    except BaseException:
        file.abort()
        _remove(folder, file.name)
        raise
    return _Written(file.name, count, stream.byte_count, stream.sha256)


def _write_parquet(
    connection: Connection,
    report: Report,
    given: dict[str, Any],
    columns: dict[str, int],
    folder: StorePath,
    stem: str,
    options: ExportOptions,
) -> _Written:
    """Written on this machine first: a Parquet file ends with what was learned on the way."""
    name = f"{stem}.parquet"
    with tempfile.TemporaryDirectory(prefix="restock-export-") as place:
        local = Path(place) / name
        reading = connection.execution_options(stream_results=True, max_row_buffer=GROUP_ROWS)
        groups = run_query(reading, f"{report.name}.select_days", **given).partitions(GROUP_ROWS)
        count = write_parquet(local, columns, groups)
        with local.open("rb") as source, closing(HashingStream(_open(folder, name))) as target:
            shutil.copyfileobj(source, target)
    return _Written(name, count, target.byte_count, target.sha256)


def _parameters(
    connection: Connection, shop: ReportShop, report: Report, first_on: date, last_on: date
) -> dict[str, Any]:
    given = span_parameters(connection, shop, first_on, last_on)
    taken = parameter_names(f"{report.name}.select_days")
    return {key: value for key, value in given.items() if key in taken}


@contextmanager
def _reading(engine: Engine) -> Iterator[Connection]:
    reading = engine.connect().execution_options(isolation_level="REPEATABLE READ")
    with reading as connection, connection.begin():
        yield connection


def _open(folder: StorePath, name: str) -> Any:
    return (folder / name).open("wb")


def _files(folder: StorePath) -> list[StorePath]:
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _remove_others(folder: StorePath, stem: str, name: str) -> int:
    """Remove the files of the same days that are not `name`: a file that is packed now was not before."""
    others = [f"{stem}.{suffix}" for suffix in ("csv", "csv.gz", "parquet")]
    return sum(_remove(folder, other) for other in others if other != name)


def _remove(folder: StorePath, name: str) -> int:
    with suppress(FileNotFoundError):
        (folder / name).unlink()
        return 1
    return 0


def _read_manifest(path: StorePath) -> Manifest | None:
    try:
        with path.open("rb") as stream:
            return Manifest.decode(stream.read())
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def _exported_on(folder: StorePath, stem: str) -> date:
    """When a file was exported; of one without a manifest, the last day in its name."""
    manifest = _read_manifest(folder / (stem + MANIFEST))
    return manifest.exported_at.date() if manifest else date.fromisoformat(stem[-10:])
