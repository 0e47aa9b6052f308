"""`restock channels` and `restock messages`, as a person uses them (SEMANTICS 6.3, 6.5)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from typer.testing import CliRunner, Result

from include.cli import app
from include.messaging.senders.base import Outcome
from tests.builders import World, a_back_in_stock_flow, a_row

Run = Callable[..., Result]


@pytest.fixture
def restock(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("RESTOCK_DATABASE_URL", database_url)
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


def held_world(world: World, people: int = 2) -> list[str]:
    world.set_rules(on_doubt="hold")
    emails = world.queue_alerts(people=people)
    for email in emails:
        world.mail.answers[email] = Outcome("in_doubt")
    world.dispatch()
    world.mail.answers.clear()
    world.pass_time(minutes=4)
    world.dispatch()
    return emails


def dispatch_at_present(world: World, message_id: int) -> None:
    """Commands know the real present only; stock is as fresh then as it was."""
    world.now = world.value("SELECT due_at FROM message WHERE message_id = :id", id=message_id)
    with world.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE shop SET max_stock_age = INTERVAL '1000 years'")
    world.dispatch()


def test_doubts_lists_what_waits_oldest_first_and_says_how_to_decide(world, restock):
    held_world(world)
    shown = restock("messages", "doubts")
    first, second, advice = shown.output.splitlines()
    assert first.startswith("1  demo  EMAIL  back_in_stock  flow:1:tell  in doubt since 2026-03-01 08:")
    assert second.startswith("2  demo")
    assert advice == (
        "2 wait for a decision: `restock messages settle ID sent`, `... resend` or `... cancel`."
    )
    assert "@" not in shown.output


def test_without_doubts_the_command_says_so(world, restock):
    assert restock("messages", "doubts").output == "No message waits for a decision.\n"


def test_settled_as_sent_a_request_is_notified_and_nothing_leaves(world, restock):
    held_world(world, people=1)
    assert restock("messages", "settle", 1, "sent").output == "Message 1 counts as sent.\n"
    world.dispatch()
    assert world.mail.envelopes == [] and world.states() == {"notified": 1}


def test_settled_by_resending_a_message_leaves_at_once(world, restock):
    emails = held_world(world, people=1)
    listed = restock("messages", "doubts").output
    assert "is held until a person decides (in_doubt" in restock("why", 1).output.replace("\n", " ")
    shown = restock("messages", "settle", 1, "resend")
    assert shown.output == "Message 1 goes, under the same Message-ID.\n"
    dispatch_at_present(world, 1)
    assert world.mail.recipients == emails
    message_id = str(world.mail.envelopes[0].message_id)
    assert f"Message-ID {message_id.partition('@')[0].strip('<')}" in listed


def test_the_alert_ends_with_the_last_doubt(world, restock):
    held_world(world)
    assert "messages_held" in restock("channels", "list").output
    restock("messages", "settle", 1, "sent")
    assert "messages_held" in restock("channels", "list").output
    restock("messages", "settle", 2, "resend")
    assert "messages_held" not in restock("channels", "list").output


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("messages", "settle", 99, "sent"), "No message 99 waits for a decision. See `restock messages doubts`."),
        (("messages", "settle", 1, "perhaps"), "'perhaps' is no decision; allowed are sent, resend and cancel."),
        (("channels", "pause", "FAX", "--reason", "x"), "There is no channel 'FAX'. There are EMAIL and SMS."),
        (("channels", "resume", "FAX"), "There is no channel 'FAX'. There are EMAIL and SMS."),
        (("channels", "pause", "SMS", "--reason", ""), "A pause needs a reason, for whoever asks why nothing leaves."),
    ],
)  # fmt: skip
def test_a_wrong_command_says_what_is_allowed(world, restock, words, complaint):
    result = restock(*words)
    assert result.exit_code == 1 and str(result.exception) == complaint


def test_a_message_that_was_sent_can_not_be_settled(world, restock):
    world.queue_alerts(people=1)
    world.dispatch()
    assert restock("messages", "settle", 1, "resend").exit_code == 1
    assert world.states() == {"notified": 1}


def test_channels_list_shows_what_waits_and_who_paused_what_until_when(world, restock):
    world.queue_alerts(people=4)
    queued = f"EMAIL: 4 queued, sends; the first is due {world.now:%Y-%m-%d %H:%M}Z\nSMS: 0 queued, sends\n"
    assert restock("channels", "list").output == queued
    restock("channels", "pause", "email", "--reason", "a wrong price in the feed")
    shown = restock("channels", "list").output
    assert "EMAIL: 4 queued, paused since" in shown
    assert "(a wrong price in the feed), until a person resumes it" in shown
    assert "! channel_paused EMAIL since" in shown
    restock("channels", "resume", "EMAIL")
    assert restock("channels", "list").output == queued


def test_channels_list_shows_when_a_channel_that_paused_itself_is_tried_again(world, restock):
    for email in world.queue_alerts(people=6):
        world.mail.answers[email] = Outcome("channel_refused", "535 5.7.8", "wrong password", is_tried=False)
    world.dispatch()
    assert (
        "(535 5.7.8 wrong password), tried again 2026-03-01 08:30:30Z" in restock("channels", "list").output
    )


def test_while_a_person_pauses_a_channel_nothing_leaves_and_nothing_probes(world, restock):
    world.queue_alerts(people=3)
    restock("channels", "pause", "EMAIL", "--reason", "a look at the template first")
    for _ in range(3):
        world.pass_time(minutes=20)
        world.dispatch()
    assert world.mail.envelopes == []
    assert world.query("SELECT DISTINCT state FROM message") == [("queued",)]


def test_a_pause_by_a_person_stops_a_lane_that_is_sending(world, restock):
    world.queue_alerts(people=600, units=1000)
    kept = world.mail.send

    def send(batch):
        for envelope, outcome in kept(batch):
            if len(world.mail.envelopes) == 30:
                restock("channels", "pause", "EMAIL", "--reason", "stop")
                world.pass_time(seconds=2)
            yield envelope, outcome

    world.mail.send = send
    world.dispatch()
    assert 30 <= len(world.mail.envelopes) <= 31
    assert world.query("SELECT DISTINCT reason FROM message WHERE state = 'queued'") == [
        ("channel_paused",),
        (None,),
    ]
    restock("channels", "resume", "EMAIL")
    world.dispatch()
    assert len(world.mail.envelopes) == len(set(world.mail.recipients)) == 600


def test_resuming_a_channel_that_paused_itself_sends_at_once(world, restock):
    emails = world.queue_alerts(people=6)
    for email in emails:
        world.mail.answers[email] = Outcome("channel_refused", "535", "wrong password", is_tried=False)
    world.dispatch()
    world.mail.answers.clear()
    restock("channels", "resume", "EMAIL")
    world.dispatch()
    assert world.mail.recipients == emails


def test_a_manual_message_waits_for_review_and_cancelled_it_settles_its_request(world, restock):
    world.use_flow(a_back_in_stock_flow(status="manual"))
    world.sync(a_row("LAMP", 0))
    world.ask_many("LAMP", 2)
    world.sync(a_row("LAMP", 5))
    world.release()
    world.move()
    assert "flow:1:tell  to be reviewed since 2026-03-01 08:" in restock("messages", "doubts").output
    assert restock("messages", "settle", 1, "cancel").output == "Message 1 does not leave.\n"
    assert restock("messages", "settle", 2, "resend").output == "Message 2 goes, under the same Message-ID.\n"
    dispatch_at_present(world, 2)
    assert world.query("SELECT state, reason FROM message ORDER BY message_id") == [
        ("skipped", "cancelled"),
        ("sent", None),
    ]
    assert world.query("SELECT state, reason FROM subscription ORDER BY subscription_id") == [
        ("skipped", "cancelled"),
        ("notified", None),
    ]


def test_the_alert_ends_when_the_last_doubt_is_cancelled(world, restock):
    held_world(world, people=1)
    restock("messages", "settle", 1, "cancel")
    assert "messages_held" not in restock("channels", "list").output
