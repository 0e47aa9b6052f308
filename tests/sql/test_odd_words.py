"""What people type by mistake gets a text that says what is allowed, never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from include.cli import app, main
from include.domain.request import check_time
from include.errors import ConfigurationError, NotFound, RowRejected, SnapshotRefused, TemporaryError
from include.services.report_build import build_report
from include.services.report_plan import list_report_shops, note_due_days
from tests.builders import START, World, a_row


@pytest.fixture
def asked(world: World, database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    monkeypatch.setenv("RESTOCK_DATABASE_URL", database_url)
    monkeypatch.setenv("RESTOCK_ARTEFACTS", str(tmp_path / "exports"))
    world.sync(a_row("LAMP", 0, title="Lamp"))
    world.ask_many("LAMP", 3)
    return world


def run(words: str, *more: str) -> Result:
    return CliRunner().invoke(app, [*words.split(), *more])


@pytest.mark.parametrize(
    "words",
    [
        "snapshots list --shop demo --most -1",
        "snapshots show 1 --shop demo --most 0",
        "reports runs morning --shop demo --most -3",
        "subscriptions refused --shop demo --most 99999999999999999999",
        "why --shop demo --profile 99999999999999999999",
        "simulate --variant LAMP --units 99999999999999999999",
        "simulate --variant LAMP --units 3 --sales-per-hour inf",
    ],
)
def test_numbers_that_no_row_can_have_are_refused_by_their_option(asked: World, words: str) -> None:
    assert run(words).exit_code == 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("reports build --from 0001-01-01 --to 9999-12-31", "allowed are days from 1900-01-01 to 2999-12-31"),
        ("reports export --from 2999-11-01 --to 2999-11-01", "has not begun yet"),
        ("reports send morning --shop demo --from 2999-11-01 --to 2999-11-01", "has not begun yet"),
        ("reports chart --shop demo --from 2026-03-01 --to 9999-12-31", "allowed are days from"),
    ],
)
def test_days_that_no_report_can_be_of_are_refused(asked: World, words: str, says: str) -> None:
    refused = run(words).exception
    assert isinstance(refused, ConfigurationError) and says in str(refused)


def test_days_of_long_ago_that_were_asked_for_stop_no_later_build(world: World) -> None:
    world.sync(a_row("LAMP", 0))
    (shop,) = list_report_shops(world.engine, world.now)
    long_ago = (START.date().replace(year=1), START.date().replace(year=2))
    note_due_days(world.engine, shop, world.now, long_ago)
    assert build_report(world.engine, "activity", world.now)["days"] < 10


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+05:00", "0001-01-01", "1900-01-01T00:00:00Z"])
def test_a_date_that_is_a_zero_is_no_date_of_a_request(text: str) -> None:
    with pytest.raises(RowRejected, match="subscribed_at is"):
        check_time(text, START)


@pytest.mark.parametrize(
    "words",
    ["snapshots list", "reports subscriptions", "keys list", "subscriptions export", "subscriptions count"],
)
def test_a_shop_that_is_not_there_is_named(asked: World, words: str) -> None:
    result = run(words, "--shop", "nowhere")
    assert isinstance(result.exception, NotFound) and "'nowhere'" in str(result.exception)
    assert result.output == ""


def test_brackets_in_a_reason_are_text(asked: World) -> None:
    run("channels pause EMAIL --reason", "[/red] wrong price")
    assert "([/red] wrong price)" in run("channels list").output


def test_a_refused_pull_is_listed_with_its_whole_reason(asked: World) -> None:
    with pytest.raises(SnapshotRefused):
        asked.sync(a_row("LAMP", 1), a_row("LAMP", 2))
    listed = run("snapshots list --shop demo").output
    assert "rejected" in listed and "different quantities" in listed


def test_an_allow_list_holds_addresses_domains_and_numbers_and_nothing_else(asked: World) -> None:
    refused = run("delivery set allow_list --allow shop.example --allow", "not an address").exception
    assert isinstance(refused, ConfigurationError) and "Entry 2" in str(refused)
    assert "nobody is on it" in run("delivery set allow_list").output
    run("delivery set allow_list --allow Ann@Shop.example --allow", "+49 30 1234567")
    assert run("delivery show").output == "allow_list: +49301234567, ann@shop.example\n"


def test_a_database_that_does_not_answer_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RESTOCK_DATABASE_URL", "postgresql+psycopg://restock:s3cret@127.0.0.1:1/restock")
    silent = run("db check").exception
    assert isinstance(silent, TemporaryError)
    assert "127.0.0.1:1 can't be used" in str(silent) and "s3cret" not in str(silent)


def test_a_database_url_that_is_none_says_its_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESTOCK_DATABASE_URL", "my-database")
    assert "postgresql+psycopg://" in str(run("db check").exception)


@pytest.mark.parametrize("words", ["reports export activity", "reports list"])
def test_a_store_without_its_package_says_so(
    asked: World, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    monkeypatch.setenv("RESTOCK_ARTEFACTS", "s4://bucket/reports")
    assert "RESTOCK_ARTEFACTS can't be opened" in str(run(words).exception)


def test_a_folder_that_can_not_be_written_is_one_line(
    asked: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RESTOCK_ARTEFACTS", str(tmp_path / "file" / "exports"))
    monkeypatch.setattr("sys.argv", ["restock", "reports", "export", "activity"])
    with pytest.raises(SystemExit):
        main()
    said = capsys.readouterr().err
    assert said.startswith("restock: ") and "Not a directory" in said and said.count("\n") == 1


def test_a_refused_pull_is_not_accepted_without_a_reason(asked: World) -> None:
    blank = run("snapshots accept 1 --shop demo --reason", " ").exception
    assert isinstance(blank, ConfigurationError) and "A reason is needed" in str(blank)
