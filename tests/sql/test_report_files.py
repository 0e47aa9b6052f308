"""SEMANTICS 9.2: files that every program reads and none executes."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, text
from upath import UPath

from include.db.copy import export_csv_lines
from include.db.queries import find_query
from include.domain.report_days import REPORTS
from include.domain.text import neutralize_formula
from include.reports.definition import all_reports
from include.services.report_build import build_report
from include.services.report_export import (
    ExportOptions,
    export_interval,
    export_report,
    list_exports,
    remove_old_exports,
)
from include.services.report_plan import list_report_shops, note_due_days
from include.settings import PROJECT_HOME
from tests.builders import START, World, a_row

TODAY = START.date()
HOSTILE = (
    '=HYPERLINK("http://evil.example","x")',
    "+1",
    "@x",
    "-1+1",
    "\tTab",
    "\rReturn",
    "two\r\nlines",
    'a "quoted", comma',
    "Ünïcödé – 東京",
    "'=kept",
    "",
)


def hostile_world(world: World) -> World:
    world.use_flow()
    for number in range(len(HOSTILE)):
        world.ask(f"p{number}@example.org", f"V{number:02}")
    world.sync(*[a_row(f"V{number:02}", number - 3, title=title) for number, title in enumerate(HOSTILE)])
    (shop,) = list_report_shops(world.engine, world.now)
    note_due_days(world.engine, shop, world.now)
    for name in REPORTS:
        build_report(world.engine, name, world.now)
    return world


def export(world: World, name: str, root: Any = None, **options: Any) -> Path:
    (shop,) = list_report_shops(world.engine, world.now)
    root = root or world.folder / "exports"
    chosen = ExportOptions(**options)
    return Path(
        root / "demo" / export_report(world.engine, shop, name, TODAY, TODAY, root, world.now, chosen).file
    )


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as stream:
        return list(csv.DictReader(stream))


def test_no_cell_is_a_formula_and_every_text_survives(world: World) -> None:
    titles = [row["title"] for row in read(export(hostile_world(world), "activity"))]
    assert titles == [neutralize_formula(title) for title in HOSTILE]
    assert not [title for title in titles if title.startswith(("=", "+", "@", "-", "\t", "\r", "\n"))]


def test_a_negative_number_stays_a_number(world: World) -> None:
    hostile_world(world)
    with world.engine.begin() as connection:
        connection.execute(text("UPDATE report_activity SET revenue = -12.50"))
    assert {row["revenue"] for row in read(export(world, "activity"))} == {"-12.50"}


def test_a_file_follows_rfc_4180(world: World) -> None:
    content = export(hostile_world(world), "activity").read_bytes()
    assert content.startswith(b"shop_id,report_on,variant_id,title,")
    assert content.endswith(b"\r\n")
    assert b'"two\r\nlines"' in content
    assert b'"a ""quoted"", comma"' in content
    assert content.count(b"\r\n") == 1 + len(HOSTILE) + 1


def test_columns_are_those_of_the_data_dictionary_in_its_order(world: World) -> None:
    for report in all_reports():
        header = export(world, report.name).read_text().splitlines()[0]
        assert header.split(",") == list(report.columns), report.name


def test_a_moment_is_iso_8601_in_utc(world: World) -> None:
    row = read(export(hostile_world(world), "queue"))[0]
    assert row["subscribed_at"] == "2026-03-01T08:00:00Z"


def test_a_large_file_is_packed_and_replaces_the_one_that_was_not(world: World) -> None:
    plain = export(hostile_world(world), "activity")
    content = plain.read_bytes()
    packed = export(world, "activity", pack_above=100)
    assert (plain.name, packed.name) == (f"activity_{TODAY}.csv", f"activity_{TODAY}.csv.gz")
    assert gzip.decompress(packed.read_bytes()) == content
    assert not plain.exists()
    again = packed.read_bytes()
    assert export(world, "activity", pack_above=100).read_bytes() == again


def test_a_manifest_tells_whether_a_file_is_whole(world: World) -> None:
    path = export(hostile_world(world), "activity", with_bom=True, pack_above=100)
    manifest = json.loads(path.with_name(f"activity_{TODAY}.json").read_bytes())
    content = path.read_bytes()
    assert gzip.decompress(content).startswith(b"\xef\xbb\xbfshop_id,")
    assert (manifest["row_count"], manifest["byte_count"]) == (len(HOSTILE), len(content))
    assert manifest["sha256"] == hashlib.sha256(content).hexdigest()
    assert (manifest["first_on"], manifest["last_on"]) == (str(TODAY), str(TODAY))
    assert manifest["columns"][:3] == ["shop_id", "report_on", "variant_id"]
    assert manifest["file"] == path.name


def test_parquet_holds_the_same_rows_with_their_types(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    import pandas

    from include.services import report_export

    monkeypatch.setattr(report_export, "GROUP_ROWS", 4)
    path = export(hostile_world(world), "activity", format="parquet")
    frame = pandas.read_parquet(path, engine="fastparquet")
    assert list(frame.columns) == list(read(export(world, "activity"))[0])
    assert list(frame["title"]) == list(HOSTILE)
    assert frame["request_count"].sum() == len(HOSTILE)
    assert {str(frame[name].dtype) for name in ("request_count", "revenue", "report_on")} == {
        "Int64",
        "float64",
        "datetime64[us]",
    }
    queue = pandas.read_parquet(export(world, "queue", format="parquet"), engine="fastparquet")
    assert queue["subscribed_at"].iloc[0] == pandas.Timestamp(START)
    assert queue["product_id"].isna().all()


def test_parquet_of_nothing_has_its_columns(world: World) -> None:
    import pandas

    frame = pandas.read_parquet(export(world, "batches", format="parquet"), engine="fastparquet")
    assert len(frame) == 0 and "first_sent_at" in frame.columns


EXPORT_AND_TELL_THE_PEAK = """
import resource, sys
from datetime import UTC, date, datetime
from pathlib import Path
from include.db.engine import connect
from include.services.report_export import ExportOptions, export_report
from include.services.report_plan import list_report_shops
engine, now = connect(sys.argv[1]), datetime(2026, 3, 2, tzinfo=UTC)
(shop,) = list_report_shops(engine, now)
for last_on in (date(2025, 1, 3), date(2025, 1, 20)):
    options = ExportOptions(sys.argv[2], pack_above=100_000)
    found = export_report(engine, shop, "activity", date(2025, 1, 1), last_on, Path(sys.argv[3]), now, options)
    print(found.row_count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_many_rows_take_no_more_memory_than_few(world: World, database_url: str, form: str) -> None:
    with world.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO report_activity SELECT 'demo', date '2025-01-01' + n / 20000, 'v' || n % 20000,"
                " 1, 1, 5, 0, 0, 0, 0, 1, 0, 0, 0, -1.50 FROM generate_series(0, 399999) AS n"
            )
        )
    words = [sys.executable, "-c", EXPORT_AND_TELL_THE_PEAK, database_url, form, str(world.folder)]
    told = subprocess.run(words, check=True, capture_output=True, text=True, cwd=PROJECT_HOME).stdout.split()
    few_rows, few_mb, many_rows, many_mb = map(int, told)
    assert (few_rows, many_rows) == (60_000, 400_000)
    assert many_mb - few_mb < 60


def test_an_export_that_falls_leaves_no_file(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from include.services import report_export

    def lines(*_: object, **__: object) -> Any:
        yield [b"demo,1\n"] * 100
        raise OSError("The connection was lost.")

    hostile_world(world)
    monkeypatch.setattr(report_export, "export_csv_lines", lines)
    with pytest.raises(OSError, match="lost"):
        export(world, "activity", pack_above=10)
    assert list((world.folder / "exports" / "demo").iterdir()) == []


def test_a_file_is_written_to_any_store(world: World) -> None:
    root = UPath("memory://exports")
    hostile_world(world)
    (shop,) = list_report_shops(world.engine, world.now)
    written = export_report(world.engine, shop, "queue", TODAY, TODAY, root, world.now)
    assert (root / "demo" / written.file).read_bytes().count(b"\r\n") > len(HOSTILE)
    assert [manifest.report for manifest in list_exports(root, "demo")] == ["queue"]


def test_a_day_is_exported_when_it_is_over_and_once(world: World) -> None:
    hostile_world(world)
    root = world.folder / "exports"
    for number in range(4):
        start = START.replace(hour=0) + timedelta(days=number - 1)
        world.now = start + timedelta(days=1)
        export_interval(world.engine, "activity", start, world.now, root, world.now)
    names = [manifest.file for manifest in list_exports(root, "demo")]
    days = [TODAY + timedelta(days=number) for number in (-1, 0, 1, 2)]
    assert names == [f"activity_{day}.csv" for day in days]
    assert [manifest.row_count for manifest in list_exports(root, "demo")] == [0, len(HOSTILE), 0, 0]


@pytest.mark.parametrize(("age", "files"), [(1, 1), (2, 0), (30, 0)])
def test_the_queue_of_today_is_never_called_that_of_a_past_day(world: World, age: int, files: int) -> None:
    hostile_world(world)
    end = world.now.replace(hour=0) - timedelta(days=age - 1)
    root = world.folder / "exports"
    done = export_interval(world.engine, "queue", end - timedelta(days=1), end, root, world.now)
    assert done["files"] == files


def test_files_are_removed_after_their_time_and_so_is_what_a_killed_export_left(world: World) -> None:
    hostile_world(world)
    export(world, "activity")
    root = world.folder / "exports"
    (root / "demo" / "skips_2025-01-01.csv.gz").write_bytes(b"half")
    (root / "demo" / "notes.txt").write_text("not ours")
    world.set_rules(export_keep_days=30)
    world.pass_time(days=20)
    assert remove_old_exports(world.engine, root, world.now) == 1
    world.pass_time(days=20)
    assert remove_old_exports(world.engine, root, world.now) == 1
    assert [path.name for path in (root / "demo").iterdir()] == ["notes.txt"]
    world.set_rules(export_keep_days=0)
    assert remove_old_exports(world.engine, root, world.now) == 0


@settings(max_examples=60, deadline=None)
@given(cells=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=1, max_size=6))
def test_postgres_and_the_specification_make_the_same_cells(
    engine_of_session: Engine, cells: list[str]
) -> None:
    with engine_of_session.connect() as connection:
        lines = _cells(connection, cells)
    read_again = [row[0] for row in csv.reader(io.StringIO(lines.decode(), newline=""))]
    assert read_again == [neutralize_formula(cell) for cell in cells]


def _cells(connection: Connection, cells: list[str]) -> bytes:
    query = text(
        "SELECT cell, 1 AS one FROM unnest(CAST(:cells AS text[])) WITH ORDINALITY AS c (cell, n) ORDER BY n"
    )
    together = [line for lines in export_csv_lines(connection, query, cells=cells) for line in lines]
    return b"".join(bytes(line) for line in together)


@pytest.fixture
def office(tmp_path: Path) -> Callable[[Path], list[list[str]]]:
    program = shutil.which("soffice") or shutil.which("libreoffice")
    if program is None:
        _skip_unopened("LibreOffice is not installed (Debian: apt-get install libreoffice-calc)")

    def open_and_save(path: Path) -> list[list[str]]:
        # 44,34,76: comma, quotes, UTF-8; the cells are saved as they are shown.
        command = [program, "--headless", f"-env:UserInstallation=file://{tmp_path}/office"]
        command += ["--infilter=CSV:44,34,76", "--convert-to", "fods", "--outdir", tmp_path / "out", path]
        told = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
        saved = tmp_path / "out" / f"{path.stem}.fods"
        assert saved.exists(), f"LibreOffice saved nothing: {told.stdout} {told.stderr}"
        return read_fods(saved)

    plain = tmp_path / "plain.csv"
    plain.write_bytes(b"one,two\r\n1,2\r\n")
    try:
        assert open_and_save(plain) == [["one", "two"], ["1", "2"]]
    except (AssertionError, subprocess.SubprocessError) as broken:
        _skip_unopened(f"The LibreOffice of this machine opens no CSV file, not even a plain one: {broken}")
    return open_and_save


def _skip_unopened(reason: str) -> NoReturn:
    warnings.warn(f"Nobody has opened the CSV files in LibreOffice: {reason}", stacklevel=1)
    pytest.skip(reason)


def read_fods(path: Path) -> list[list[str]]:
    from xml.etree import ElementTree

    table, words = (
        "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}",
        "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}",
    )
    rows = []
    for row in ElementTree.parse(path).iter(f"{table}table-row"):
        cells: list[str] = []
        for cell in row.iter(f"{table}table-cell"):
            assert cell.get(f"{table}formula") is None, "a cell became a formula"
            shown = "\n".join("".join(part.itertext()) for part in cell.iter(f"{words}p"))
            cells += [shown] * int(cell.get(f"{table}number-columns-repeated", "1"))
        if any(cells):
            rows.append(cells)
    return rows


def test_libreoffice_opens_the_same_rows(world: World, office: Callable[[Path], list[list[str]]]) -> None:
    path = export(hostile_world(world), "activity", with_bom=True)
    written = [list(row.values()) for row in read(path)]
    header, *opened = office(path)
    assert header == list(read(path)[0])
    assert opened == [[as_shown(cell) for cell in row] for row in written]


def as_shown(cell: str) -> str:
    """A line break is one, whatever it was made of; a tab is an element without text."""
    return cell.replace("\r\n", "\n").replace("\r", "\n").replace("\t", "")


def test_every_report_can_be_exported_from_an_empty_database(world: World) -> None:
    for name in REPORTS:
        assert find_query(f"{name}.select_days") is not None
        assert read(export(world, name)) == []
