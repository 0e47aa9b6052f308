"""No address reaches a log, an error, an XCom, an alert, an attempt or a journal, whatever goes wrong."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from include.cli import app
from include.errors import ConfigurationError
from include.messaging.render.library import TemplateLibrary
from include.services.housekeeping import tidy
from include.services.journal import Journal
from include.services.marks import Key
from include.services.outbox import read_delivery
from tests.builders import World
from tests.fixtures.smtp_server import HANG_UP, SWALLOW, USUAL, ScriptedSmtpServer, sender_to

CANARIES = ("canary", "+49151123")


@pytest.fixture
def server() -> Iterator[ScriptedSmtpServer]:
    with ScriptedSmtpServer() as server:
        yield server


@pytest.fixture(autouse=True)
def everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


def canaries(world: World, people: int = 6) -> list[str]:
    world.queue_alerts(people=people)
    with world.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE profile SET email = 'canary-' || profile_id || '@canary.example',"
            " email_key = 'canary-' || profile_id || '@canary.example',"
            " first_name = 'canary@canary.example', phone = '+49151123' || (1000 + profile_id)"
        )
    return [f"canary-{number}@canary.example" for number in range(1, people + 1)]


def assert_silent(*texts: object) -> None:
    for shown in map(str, texts):
        for canary in CANARIES:
            assert canary.lower() not in shown.lower()


def what_operators_read(world: World) -> list[object]:
    """Every table that is no person's own, and what the commands print."""
    tables = (
        "message",
        "delivery_attempt",
        "alert",
        "channel",
        "batch",
        "enrolment",
        "send_rate",
        "rule_set",
    )
    rows = [world.query(f"SELECT * FROM {table}") for table in tables]
    commands = (
        ["channels", "list"],
        ["messages", "doubts"],
        ["why", "1"],
        ["snapshots", "list", "--shop", "demo"],
    )
    results = [CliRunner().invoke(app, command) for command in commands]
    return [*rows, *(result.output for result in results), *(result.exception for result in results)]


@pytest.mark.parametrize(
    ("step", "reply"),
    [
        ("RCPT", "550 5.1.1 <canary-1@canary.example>: unknown user canary-1"),
        ("RCPT", "450 4.2.0 Canary-1@CANARY.example greylisted"),
        ("RCPT", "550 5.7.1 canary-1@canary.example blocked\n550 5.7.1 ask about canary-1 (canary-1@canary.example)"),
        ("CONTENT", "554 5.6.0 mail to canary-1@canary.example refused"),
        ("CONTENT", "421 4.3.2 canary-1@canary.example later"),
        ("CONTENT", "banana canary-1@canary.example"),
        ("MAIL", "421 canary-1@canary.example"),
        ("DATA", "999 canary-1@canary.example"),
        ("CONTENT", HANG_UP),
    ],
)  # fmt: skip
def test_whatever_a_server_says_no_address_is_kept_or_logged(
    world, server, caplog, database_url, monkeypatch, step, reply
):
    monkeypatch.setenv("RESTOCK_DATABASE_URL", database_url)
    canaries(world)
    server.script(step, reply)
    counts = world.dispatch(sender=sender_to(server), journals=world.folder / "journals")
    assert len(server.mails) >= 5
    assert world.query("SELECT outcome FROM delivery_attempt") != []
    assert_silent(counts, caplog.text, *what_operators_read(world))


def test_neither_doubts_nor_pauses_nor_their_alerts_show_an_address(
    world, server, caplog, database_url, monkeypatch
):
    monkeypatch.setenv("RESTOCK_DATABASE_URL", database_url)
    world.set_rules(on_doubt="hold")
    canaries(world, people=20)
    server.script("CONTENT", SWALLOW)
    server.script("MAIL", USUAL, *["550 5.7.0 canary-1@canary.example may not send to c@canary.example"] * 9)
    world.dispatch(sender=sender_to(server))
    world.pass_time(minutes=4)
    world.dispatch(sender=sender_to(server))
    kinds = {row.kind for row in world.query("SELECT kind FROM alert")}
    assert kinds == {"channel_paused", "messages_held"}
    assert_silent(caplog.text, *what_operators_read(world))


def test_a_journal_and_the_log_of_its_reading_hold_no_address(world, caplog, tmp_path):
    canaries(world)
    journals = tmp_path / "journals"
    world.claim("dead", 3)
    journal = Journal(journals, read_delivery(world.engine).identity, "dead")
    journal.offer(Key("demo", 1))
    journal.answer(Key("demo", 1), "sent", world.now)
    journal.offer(Key("demo", 2))
    written = [path.read_text() for path in journals.rglob("*") if path.is_file()]
    journal.close(is_marked=False)
    counts = tidy(world.engine, journals, world.now)
    assert counts["marked"] == 1
    assert_silent(counts, caplog.text, *written)


@pytest.mark.parametrize(
    "body",
    [
        "{{ item[first_name]() }}",
        "{{ 1 + first_name }}",
        "{% include first_name %}",
        "{{ '%d' % first_name }}",
    ],
)
def test_a_template_that_fails_on_somebodys_name_does_not_tell_it(world, caplog, tmp_path, body):
    canaries(world)
    folder = tmp_path / "templates"
    (folder / "en").mkdir(parents=True)
    for part in ("subject.txt", "txt", "html"):
        (folder / "en" / f"back_in_stock.{part}").write_text(body)
    with pytest.raises(ConfigurationError, match="6 messages wait for their template") as raised:
        world.dispatch(templates=TemplateLibrary([folder]))
    assert_silent(raised.value, repr(raised.value.__cause__), repr(raised.value.__context__), caplog.text)
    assert_silent(world.query("SELECT * FROM message"))


def test_an_address_that_no_mail_can_carry_is_not_repeated(world, server, caplog):
    canaries(world, people=2)
    with world.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE profile SET email = 'canary two' || chr(10) || '@canary.example' WHERE profile_id = 2"
        )
    world.dispatch(sender=sender_to(server))
    assert world.query("SELECT state, reason FROM message ORDER BY message_id") == [
        ("sent", None),
        ("failed", "invalid_address"),
    ]
    assert_silent(caplog.text, world.query("SELECT * FROM delivery_attempt"))


def test_an_error_of_the_database_does_not_quote_a_row(world, caplog):
    emails = canaries(world)
    with pytest.raises(Exception) as raised, world.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE profile SET email_key = %(key)s", {"key": emails[0]})
    assert_silent(raised.value, repr(raised.value), repr(raised.value.__cause__), caplog.text)


def test_reprs_of_what_a_lane_holds_show_no_address(world):
    canaries(world, people=1)
    world.dispatch()
    assert_silent(repr(world.mail.envelopes))
