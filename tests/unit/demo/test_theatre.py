from __future__ import annotations

import fcntl
import io
from pathlib import Path
from typing import Any, cast

import pytest
from rich.console import Console

from include.errors import StackError
from include.local.demo.driver import WAIT_MINUTES, suit_wait
from include.local.demo.show import Show
from include.local.demo.theatre import DemoFailed, Theatre, demo_settings, open_theatre
from include.settings import Settings, load_settings


class FailingAirflow:
    """An Airflow in which one task has failed."""

    def failed_tasks(self) -> list[str]:
        return ["dispatch_messages.send_email (failed, run r1)"]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    environ = {"RESTOCK_VAR": str(tmp_path), "RESTOCK_DATABASE_URL": "postgresql://elsewhere.example/shop"}
    return demo_settings(load_settings(environ))


@pytest.fixture
def output() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def show(output: io.StringIO) -> Show:
    return Show(Console(file=output), acts=3)


@pytest.fixture
def theatre(settings: Settings, show: Show) -> Theatre:
    nothing: Any = None
    return Theatre(settings, show, running=nothing, engine=nothing, airflow=cast("Any", FailingAirflow()))


def test_the_demo_uses_no_database_but_its_own(settings: Settings, tmp_path: Path) -> None:
    assert settings.database_url is None
    assert settings.var_folder == tmp_path / "demo"
    assert Path(settings.artefact_url).parent == Path(settings.archive_url).parent == tmp_path / "demo"


def test_what_does_not_come_is_named_with_failed_tasks_and_logs(theatre: Theatre) -> None:
    with pytest.raises(DemoFailed, match=r"0 s for 100 mails.*send_email \(failed, run r1\).*demo/logs"):
        theatre.wait_for("100 mails", lambda: None, seconds=0)


def test_what_is_seen_is_returned_at_once(theatre: Theatre) -> None:
    assert theatre.wait_for("the pull", lambda: "pull 7", seconds=1) == "pull 7"


def test_a_process_that_ended_is_told_before_the_time_is_over(theatre: Theatre, settings: Settings) -> None:
    settings.var_folder.mkdir(parents=True)
    (settings.var_folder / "stack.json").write_text(
        '{"owner": null, "processes": [{"name": "scheduler", "pid": 4194304, "created": 1.0, "address": "", '
        '"log": "nowhere.log", "patience": 1.0}]}'
    )
    with pytest.raises(StackError, match="scheduler ended"):
        theatre.wait_for("100 mails", lambda: None, seconds=60)


def test_two_demos_in_one_folder_do_not_disturb_each_other(settings: Settings, show: Show) -> None:
    settings.var_folder.mkdir(parents=True)
    kept = settings.var_folder / "summary.json"
    kept.touch()
    with (settings.var_folder.parent / "demo.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(StackError, match="Another demo runs"), open_theatre(settings, show):
            pass
    assert kept.exists()


def test_a_busy_machine_gets_a_longer_wait() -> None:
    assert suit_wait(3.0) == WAIT_MINUTES
    assert suit_wait(20.0) == 2.0


def test_without_a_terminal_the_show_is_plain_lines(show: Show, output: io.StringIO) -> None:
    show.open_act("Restock", "20 units [14 + 6] arrive.")
    with show.waiting("100 mails"):
        show.say("word " * 60)
    show.list_figures({"sent": "196 mails"})
    lines = output.getvalue().splitlines()
    assert "\x1b" not in output.getvalue()
    assert lines[1].startswith("  1/3  Restock") and "20 units [14 + 6] arrive." in lines[2]
    assert "… waiting for 100 mails" in lines[3]
    assert all(len(line) <= 110 for line in lines)


def test_what_the_stack_prints_becomes_part_of_the_show(show: Show, output: io.StringIO) -> None:
    show.console().print("Starting Postgres …")
    assert output.getvalue() == "       Starting Postgres …\n"
