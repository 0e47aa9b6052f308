from __future__ import annotations

import contextlib
import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from email import message_from_bytes, policy
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest

from include.local.postgres import EmbeddedPostgres
from include.reports.charts import CHARTS
from include.settings import PROJECT_HOME
from tests.demo_oracle import Mail, Oracle, arrivals, expected_arrivals, is_report, read_mailbox

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

LONGEST_DEMO_SECONDS = 900
LOOK_EVERY_SECONDS = 2


def today() -> date:
    return datetime.now(UTC).date()


@dataclass
class Played:
    """A demo that has ended, and what was seen of it from outside while it ran."""

    folder: Path
    exit_code: int
    output: str
    began_on: date = field(default_factory=today)
    ended_on: date = field(default_factory=today)
    listeners: set[tuple[str, int]] = field(default_factory=set)

    @property
    def summary(self) -> dict[str, Any]:
        return json.loads((self.folder / "summary.json").read_text())

    @property
    def mails(self) -> list[Mail]:
        return read_mailbox(self.folder / "mailbox")

    @property
    def oracle(self) -> Oracle:
        return Oracle(self.folder / "demo_shop" / "waiting_list.csv")


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    var = tmp_path_factory.mktemp("var")
    yield play(var)
    remove_database(var)


@pytest.fixture
def var(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    remove_database(tmp_path)


def remove_database(var: Path) -> None:
    """For root it lies outside of the temporary folder."""
    EmbeddedPostgres(var / "demo" / "postgres").remove()


def play(var: Path, until: Callable[[Path], bool] = lambda folder: False) -> Played:
    """Run the demo; `until` says when it is asked to end before its time."""
    played = Played(var / "demo", exit_code=-1, output="")
    log = var / "output.txt"
    with log.open("w") as output, demo_process(var, output) as demo:
        limit = time.monotonic() + LONGEST_DEMO_SECONDS
        while demo.poll() is None and time.monotonic() < limit:
            played.listeners |= listeners_below(played.folder)
            if until(played.folder):
                demo.send_signal(signal.SIGTERM)
                demo.wait(60)
            with contextlib.suppress(subprocess.TimeoutExpired):
                demo.wait(LOOK_EVERY_SECONDS)
        played.exit_code = demo.poll() if demo.poll() is not None else -1
    played.output, played.ended_on = log.read_text(), today()
    return played


@contextlib.contextmanager
def demo_process(var: Path, output: Any) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "RESTOCK_VAR": str(var), "RESTOCK_DATABASE_URL": ""}
    demo = subprocess.Popen(
        [sys.executable, "-m", "include.local.demo"],
        cwd=PROJECT_HOME,
        env=environment,
        stdout=output,
        stderr=subprocess.STDOUT,
    )
    try:
        yield demo
    finally:
        if demo.poll() is None:
            demo.terminate()
            demo.wait(60)


def processes_of(folder: Path) -> list[psutil.Process]:
    """Everything that bears the folder in its environment, its command or its place."""
    pointer = folder / "postgres" / "location"
    places = [str(folder), *(pointer.read_text().split() if pointer.exists() else ())]
    return [
        process for process in psutil.process_iter() if any(place in marks_of(process) for place in places)
    ]


def marks_of(process: psutil.Process) -> str:
    marks: list[str] = []
    for read in (process.environ, process.cmdline, process.cwd):
        with contextlib.suppress(psutil.Error, OSError):
            marks.append(str(read()))
    return "\n".join(marks)


def listeners_below(folder: Path) -> set[tuple[str, int]]:
    found: set[tuple[str, int]] = set()
    for process in processes_of(folder):
        with contextlib.suppress(psutil.Error, OSError):
            found |= {
                (connection.laddr.ip, connection.laddr.port)
                for connection in process.net_connections(kind="inet")
                if connection.status == psutil.CONN_LISTEN
            }
    return found


def test_the_demo_goes_by_its_script(played: Played) -> None:
    assert played.exit_code == 0, played.output


def test_the_mails_are_those_that_the_rule_owes_oldest_first_and_once_each(played: Played) -> None:
    assert arrivals(played.mails) == expected_arrivals(played.oracle.owed)


def test_no_batch_overtakes_another_one(played: Played) -> None:
    place = {(mail.recipient, mail.variant_id): number for number, mail in enumerate(played.mails)}
    stages = [
        [place[person, batch.variant_id] for batch in stage for person in batch.people]
        for stage in played.oracle.owed_by_stage
    ]
    told = [stage for stage in stages if stage]
    assert all(max(before) < min(after) for before, after in pairwise(told))


def test_the_summary_agrees_with_the_mails_and_the_rule(played: Played) -> None:
    summary, oracle = played.summary, played.oracle
    owed = sum(len(batch.people) for batch in oracle.owed)
    assert summary["sent"] == summary["released"] == summary["mails"] == owed
    assert summary["skipped"] == dict(oracle.skipped)
    assert summary["waiting"] == oracle.waiting_count
    assert summary["batches"] == len(oracle.owed)
    assert summary["variants"] == 2_000
    assert summary["rejected_snapshots"] >= 1
    assert summary["windows"] > summary["rejected_snapshots"] + 4
    assert summary["restock_events"] == len({batch.variant_id for batch in oracle.owed})
    assert summary["unsent"] == 0


def test_the_reports_are_files_that_agree_with_the_mails(played: Played) -> None:
    if played.began_on != played.ended_on:
        pytest.skip("The demo ran over midnight: its day's report holds only a part of it.")
    released = [int(row["released_count"]) for row in report_rows(played, "batches")]
    assert released == [len(batch.people) for batch in played.oracle.owed]
    skipped = sum(int(row["skipped_count"]) for row in report_rows(played, "activity"))
    assert skipped == sum(played.oracle.skipped.values())
    assert len(report_rows(played, "queue")) == played.oracle.waiting_count


def test_a_report_mail_comes_with_picture_and_file_and_the_charts_lie_beside_the_files(
    played: Played,
) -> None:
    (path,) = [path for path in (played.folder / "mailbox").glob("*.eml") if is_report(path)]
    mail = message_from_bytes(path.read_bytes(), policy=policy.default)
    parts = {part.get_content_type(): part for part in mail.walk()}
    assert parts["image/png"].get_content().startswith(b"\x89PNG")
    assert len(parts["text/csv"].get_content().splitlines()) == 1 + len(played.oracle.owed)
    names = {path.name.partition("_20")[0] for path in (played.folder / "exports").rglob("charts/*.png")}
    assert names == set(CHARTS)


def report_rows(played: Played, name: str) -> list[dict[str, str]]:
    path = played.folder / "exports" / "demo" / f"{name}_{played.ended_on}.csv"
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_the_output_says_what_happened_in_plain_words(played: Played) -> None:
    for sentence in (
        "20 units × 5 customers per unit",
        "Refused: ",
        "fewer than the minimum of 3",
        "2,000 variants",
    ):
        assert sentence in played.output
    assert "\x1b" not in played.output


def test_everything_listens_on_this_machine_only(played: Played) -> None:
    assert {address for address, _ in played.listeners} == {"127.0.0.1"}
    assert len(played.listeners) >= 4


def test_nothing_runs_after_the_demo(played: Played) -> None:
    assert processes_of(played.folder) == []


def test_an_interrupted_demo_stops_everything_and_the_next_one_starts_afresh(var: Path) -> None:
    stopped = play(var, until=lambda folder: len(listeners_below(folder)) >= 4)
    assert stopped.exit_code == 130, stopped.output
    assert processes_of(stopped.folder) == []
    left_over = stopped.folder / "mailbox" / "left_over.eml"
    left_over.touch()
    again = play(var, until=lambda folder: not left_over.exists() and len(listeners_below(folder)) >= 1)
    assert again.exit_code == 130, again.output
    assert processes_of(again.folder) == []
