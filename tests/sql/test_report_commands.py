from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from include.cli import app
from include.domain.report_days import REPORTS
from include.errors import ConfigurationError, NotFound
from tests.builders import World, a_row

# How many days a build takes up depends on the hour: the first one of a day still reads the day before.
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
def asked(world: World, database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    monkeypatch.setenv("RESTOCK_DATABASE_URL", database_url)
    monkeypatch.setenv("RESTOCK_ARTEFACTS", str(tmp_path / "exports"))
    monkeypatch.setattr("include.cli.report_tables.present", lambda: NOON)
    world.sync(a_row("LAMP", 0, title="Lamp"))
    world.ask_many("LAMP", 3)
    return world


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["reports", *words])


def test_reports_are_built_exported_and_listed(asked: World, tmp_path: Path) -> None:
    assert "queue: always current" in run("build").output
    built = run("build", "activity", "--from", "2026-01-01", "--to", "2026-03-02")
    assert "activity: days built 62, rows 1" in built.output
    days = ("--from", "2026-01-01", "--to", "2026-03-02")
    exported = run("export", "activity", *days, "--bom").output
    file = tmp_path / "exports" / "demo" / "activity_2026-01-01_2026-03-02.csv"
    assert f"{file}: rows 1" in exported
    assert file.read_bytes().startswith(b"\xef\xbb\xbfshop_id,")
    assert json.loads(file.with_suffix(".json").read_bytes())["row_count"] == 1
    listed = run("list", "activity").output
    assert f"{file}: rows 1" in listed and "request_count: people: asked to be told" in listed
    listed = run("list").output
    assert "always current" in listed
    [attribution] = [line for line in listed.splitlines() if "│ attribution" in line]
    assert "Each line credits one alert; what came back is subtracted." in attribution, "a pipe folds no cell"


def test_an_export_holds_what_happened_since_the_last_build(asked: World) -> None:
    days = ("--from", "2026-01-01", "--to", "2026-03-02")
    assert "activity_2026-01-01_2026-03-02.csv: rows 1" in run("export", "activity", *days).output
    asked.ask("late@example.org", "VASE")
    assert "activity_2026-01-01_2026-03-02.csv: rows 2" in run("export", "activity", *days).output


def test_every_report_of_yesterday_is_exported_without_further_words(asked: World, tmp_path: Path) -> None:
    run("build")
    assert run("export", "--format", "parquet").exit_code == 0
    assert len(list((tmp_path / "exports" / "demo").glob("*.parquet"))) == len(REPORTS)


@pytest.mark.parametrize(
    ("words", "error", "says"),
    [
        (("build", "activty"), NotFound, "There are: activity, demand"),
        (("export", "queue", "--format", "xlsx"), ConfigurationError, "allowed are csv and parquet"),
        (("build", "--from", "2026-03-01"), ConfigurationError, "Give both --from and --to"),
        (("build", "--from", "2026-03-02", "--to", "2026-03-01"), ConfigurationError, "is after --to"),
        (("build", "--shop", "nowhere"), NotFound, "No shop 'nowhere' is known"),
    ],
)
def test_what_can_not_be_meant_is_told(
    asked: World, words: tuple[str, ...], error: type[Exception], says: str
) -> None:
    result = run(*words)
    assert isinstance(result.exception, error)
    assert says in str(result.exception)


def test_what_knows_the_present_only_is_not_written_for_days_long_over(asked: World, tmp_path: Path) -> None:
    run("build")
    exported = run("export", "--from", "2026-03-01", "--to", "2026-03-02").output
    assert "queue: it knows the present only, nothing is written of 2026-03-02" in exported
    written = {path.name for path in (tmp_path / "exports" / "demo").glob("*.csv")}
    assert "activity_2026-03-01_2026-03-02.csv" in written
    assert not [name for name in written if name.startswith(("queue", "demand"))]
