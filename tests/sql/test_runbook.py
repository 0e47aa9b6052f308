"""The runbook's commands work as they stand on the page, in the state that it speaks of."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from sqlalchemy import text
from typer.testing import CliRunner, Result

from include.cli import app
from include.domain.report_wish import parse_wish
from include.errors import SnapshotRefused
from include.services.report_subscriptions import subscribe
from include.services.watchdog import look_now
from include.settings import PROJECT_HOME
from tests.builders import World, a_row

PAGE = PROJECT_HOME / "docs" / "runbook.md"
SECTIONS = dict(re.findall(r"^## ([^\n]+)$\n(.*?)(?=^## |\Z)", PAGE.read_text(encoding="utf-8"), re.M | re.S))


def commands(content: str) -> list[str]:
    blocks = re.findall(r"^```\n(.*?)^```$", content, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def of(section: str) -> list[str]:
    return commands(SECTIONS[section])


def run(command: str, expected: int = 0) -> Result:
    program, *words = shlex.split(command)
    assert program == "restock", command
    done = CliRunner().invoke(app, words)
    assert done.exit_code == expected, f"{command}: {done.output} {done.exception}"
    return done


@pytest.fixture
def here(world: World, database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    monkeypatch.setenv("RESTOCK_DATABASE_URL", database_url)
    monkeypatch.setenv("RESTOCK_ARTEFACTS", str(tmp_path / "exports"))
    monkeypatch.chdir(tmp_path)
    world.use_flow()
    return world


def test_every_section_has_commands_that_are_run_here_and_every_finding_a_row() -> None:
    here = Path(__file__).read_text(encoding="utf-8")
    tested = set(re.findall(r'\bof\("([^"]+)"\)', here))
    assert {name for name, content in SECTIONS.items() if commands(content)} == tested
    kinds = set(
        re.findall(
            r"^ +'([a-z_]+)'(?: AS kind)?,$", (PROJECT_HOME / "sql/reports/watchdog.sql").read_text(), re.M
        )
    )
    named = set(re.findall(r"^\| `(\w+)` \|", SECTIONS["What the watchdog says"], re.M))
    assert kinds - {"back_in_stock", "stock"} == named


def test_what_the_watchdog_found_is_shown_and_mailed(here: World) -> None:
    here.sync(a_row("LAMP", 0))
    here.ask("a@example.org", "GHOST")
    look_now(here.engine, here.now)
    shown, subscribed = commands(PAGE.read_text(encoding="utf-8").partition("\n## ")[0])
    assert "watchdog" in run(shown).output
    assert "mails watchdog daily" in run(subscribed).output


def test_a_feed_is_refused(here: World, tmp_path: Path) -> None:
    here.sync(*[a_row(f"V{number}", 5) for number in range(60)])
    with pytest.raises(SnapshotRefused):
        here.sync(*[a_row(f"V{number}", 5) for number in range(5)])
    for name, count in (("yesterday.jsonl", 60), ("feed.jsonl", 5)):
        rows = [json.dumps({"$id": f"V{n}", "$inventory_quantity": 5, "$title": "x"}) for n in range(count)]
        (tmp_path / name).write_text("\n".join(rows) + "\n")
    listed, shown, checked, accepted = of("A feed is refused")
    assert run(listed).output.startswith("3  ")
    assert "fewer" in run(shown).output or "rows" in run(shown).output
    assert "refuse" in run(checked, expected=1).output
    assert "clear the task `load`" in run(accepted).output


def test_messages_in_doubt(here: World) -> None:
    here.queue_alerts(3)
    with here.engine.begin() as connection:
        connection.execute(text("UPDATE message SET state = 'held', reason = 'in_doubt'"))
    listed, *settled = of("Messages in doubt")
    assert "3 wait for a decision" in run(listed).output
    for command in settled:
        run(command)
    assert dict(here.query("SELECT message_id, state FROM message")) == {1: "sent", 2: "queued", 3: "skipped"}


def test_a_window_was_missed(here: World) -> None:
    here.sync(a_row("LAMP", 0))
    wish = {"name": "morning", "shop": "demo", "report": "activity", "to": ["crm@shop.example"]}
    subscribe(here.engine, parse_wish(wish, "here"), here.now)
    *backfills, runs, sent = of("A window was missed")
    assert "Nothing was mailed yet" in run(runs).output
    assert "27 to 28 February 2026 is queued" in run(sent).output
    assert "was dealt with before" in run(sent).output
    assert [command.split()[:3] for command in backfills] == [["airflow", "backfill", "create"]] * 2


def test_a_channel_is_paused(here: World) -> None:
    here.queue_alerts(2)
    with here.engine.begin() as connection:
        connection.execute(
            text("UPDATE channel SET paused_at = now(), pause_reason = '535 no' WHERE channel = 'EMAIL'")
        )
    listed, resumed, paused, again, shown, live = of("A channel is paused")
    assert "2 queued, paused since" in run(listed).output
    run(resumed)
    run(paused)
    assert "wrong price in the template" in run(listed).output
    run(again)
    assert run(shown).output.strip() == "live"
    run(live)
    here.dispatch()
    assert len(here.mail.envelopes) == 2


def test_a_variable_is_wrong_or_a_dag_is_paused(here: World) -> None:
    here.sync(a_row("LAMP", 0))
    here.ask("ada@example.org", "LAMP")
    here.sync(a_row("LAMP", 1))
    [asked] = of("A Variable is wrong")
    assert f"{here.now:%Y-%m-%d %H:%M:%S} UTC" in run(asked).output
    here.release()
    here.move()
    [listed] = of("A Dag is paused")
    assert f"EMAIL: 1 queued, sends; the first is due {here.now:%Y-%m-%d %H:%M}Z" in run(listed).output
    assert "SMS: 0 queued, sends\n" in run(listed).output


def test_a_person_asks_why(here: World) -> None:
    here.sync(a_row("LAMP", 0))
    here.ask("ada@example.org", "LAMP")
    here.ask_many("LAMP", 9)
    here.set_rules(customers_per_unit=2)
    here.sync(a_row("LAMP", 1))
    here.tell()
    *asked, cancelled = of("A person asks why")
    for command in asked:
        assert len(run(command).output.strip()) > 20, command
    assert "Cancelled." in run(cancelled).output
