"""A whole lane, on a real database and over real SMTP, with a server that misbehaves (SEMANTICS 6.2 to 6.5)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from email import message_from_bytes, policy

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.builders import World, a_row
from tests.fixtures.smtp_server import (
    HANG_UP,
    SILENCE,
    SWALLOW,
    USUAL,
    ScriptedSmtpServer,
    sender_to,
)

TEMPORARY = ("queued", "temporary_error")
NOT_SEEN = ("queued", "channel_paused")
SENT = ("sent", None)
IN_DOUBT = ("sending", None)


@pytest.fixture
def server() -> Iterator[ScriptedSmtpServer]:
    with ScriptedSmtpServer() as server:
        yield server


def send(world: World, server: ScriptedSmtpServer, **account: object) -> dict[str, int]:
    return world.dispatch(sender=sender_to(server, **account))


def messages(world: World) -> list[tuple[str, str | None]]:
    return [tuple(row) for row in world.query("SELECT state, reason FROM message ORDER BY message_id")]


def recipients(server: ScriptedSmtpServer) -> list[str]:
    return [mail.recipient for mail in server.mails]


def send_until_quiet(world: World, server: ScriptedSmtpServer, **account: object) -> None:
    for _ in range(15):
        send(world, server, **account)
        if not world.query("SELECT FROM message WHERE state IN ('queued', 'sending')"):
            return
        world.pass_time(minutes=10)
        world.sync(a_row("LAMP", 50))


def test_a_claim_leaves_in_order_over_one_connection_and_every_request_is_notified(world, server):
    emails = world.queue_alerts(people=120)
    assert send(world, server)["sent"] == 120
    assert recipients(server) == emails and len(server.sessions) == 1
    assert world.states() == {"notified": 120}


def test_several_connections_send_each_message_once(world, server):
    emails = world.queue_alerts(people=150)
    assert send(world, server, connections=4)["sent"] == 150
    assert sorted(recipients(server)) == emails
    assert len(server.sessions) == 4


def test_a_server_without_pipelining_gets_one_command_at_a_time(world):
    with ScriptedSmtpServer(extensions=("SIZE 1000000",)) as server:
        emails = world.queue_alerts(people=20)
        send(world, server)
        assert recipients(server) == emails
        assert not any(session.early for session in server.sessions)


@pytest.mark.parametrize("step", ["CONNECT", "EHLO"])
@pytest.mark.parametrize("reply", ["421 4.3.2 too busy", HANG_UP])
def test_a_server_that_is_busy_for_a_moment_costs_nobody_a_place(world, server, step, reply):
    emails = world.queue_alerts()
    server.script(step, reply)
    assert send(world, server)["sent"] == 3
    assert recipients(server) == emails


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA", "CONTENT"])
@pytest.mark.parametrize("place", [0, 1])
def test_a_421_at_any_step_loses_and_repeats_nobody(world, server, step, place):
    emails = world.queue_alerts()
    server.script(step, *[USUAL] * place, "421 4.3.2 shutting down")
    send(world, server)
    assert Counter(messages(world)) in ({SENT: 3}, {SENT: 2, TEMPORARY: 1})
    send_until_quiet(world, server)
    assert sorted(recipients(server)) == emails
    assert world.states() == {"notified": 3}


def test_a_greylisted_address_is_tried_again_and_the_others_go_at_once(world, server):
    emails = world.queue_alerts()
    server.script("RCPT", "450 4.7.1 greylisted, come back later")
    send(world, server)
    assert messages(world) == [TEMPORARY, SENT, SENT]
    assert world.query("SELECT outcome, code FROM delivery_attempt") == [("temporary", "450 4.7.1")]
    world.pass_time(minutes=1)
    send(world, server)
    assert recipients(server) == [*emails[1:], emails[0]]


@pytest.mark.parametrize("reply", ["550 no such user", "550 5.1.1 no such user", "551 5.1.6 moved away"])
def test_an_address_that_the_server_does_not_know_is_suppressed(world, server, reply):
    emails = world.queue_alerts()
    server.script("RCPT", USUAL, reply)
    send(world, server)
    assert messages(world) == [SENT, ("failed", "invalid_address"), SENT]
    assert world.query("SELECT address_key FROM suppression") == [(emails[1],)]


@pytest.mark.parametrize(
    ("step", "reply"),
    [
        ("RCPT", "550 5.7.1 blocked"),
        ("MAIL", "550 sender unknown"),
        ("MAIL", "553 5.1.8 sender has no domain"),
        ("CONTENT", "550 5.7.1 looks like spam"),
    ],
)
def test_a_refusal_for_reasons_of_policy_suppresses_nobody_and_is_tried_again(world, server, step, reply):
    emails = world.queue_alerts()
    server.script(step, reply)
    send(world, server)
    assert messages(world) == [NOT_SEEN, SENT, SENT]
    world.pass_time(minutes=1)
    send(world, server)
    assert sorted(recipients(server)) == emails
    assert world.query("SELECT * FROM suppression") == []


@pytest.mark.parametrize(
    ("step", "reply"), [("CONTENT", "554 5.6.0 content refused"), ("RCPT", "552 5.2.2 mailbox full")]
)
def test_a_message_that_is_refused_for_good_is_given_up_and_suppresses_nobody(world, server, step, reply):
    world.queue_alerts()
    server.script(step, reply)
    send(world, server)
    assert messages(world) == [("failed", "undeliverable"), SENT, SENT]
    assert world.query("SELECT * FROM suppression") == []
    assert world.states() == {"skipped": 1, "notified": 2}


def test_a_wrong_password_pauses_the_channel_and_all_keep_their_places(world):
    with ScriptedSmtpServer(credentials=("shop", "right")) as server:
        emails = world.queue_alerts(people=30)
        queue = world.query("SELECT message_id, due_at, attempt_count FROM message ORDER BY message_id")
        assert send(world, server, username="shop", password="wrong")["sent"] == 0
        assert world.value("SELECT pause_reason FROM channel WHERE channel = 'EMAIL'").startswith("535 5.7.8")
        assert (
            world.query("SELECT message_id, due_at, attempt_count FROM message ORDER BY message_id") == queue
        )
        world.pass_time(seconds=30)
        send(world, server, username="shop", password="right")
        assert recipients(server) == emails


def test_a_probe_that_fails_leaves_the_channel_paused_and_the_next_one_comes_later(world, server):
    world.queue_alerts(people=30)
    server.script("MAIL", *["530 5.7.0 authenticate first"] * 8)
    send(world, server)
    paused_at = world.value("SELECT paused_at FROM channel WHERE channel = 'EMAIL'")
    server.script("MAIL", *["530 5.7.0 authenticate first"] * 8)
    mails_before = sum(session.verbs.count("MAIL") for session in server.sessions)
    for _ in range(3):
        world.now = world.value("SELECT probe_at FROM channel WHERE channel = 'EMAIL'")
        send(world, server)
    probes = sum(session.verbs.count("MAIL") for session in server.sessions) - mails_before
    assert probes == 3
    row = world.query("SELECT paused_at, probe_at - :now FROM channel WHERE channel = 'EMAIL'", now=world.now)
    assert row[0][0] == paused_at and row[0][1].total_seconds() == 240


def test_nobody_listening_is_the_channels_fault_and_no_attempt_of_a_message(world):
    with ScriptedSmtpServer() as server:
        sender = sender_to(server)
    world.queue_alerts()
    world.dispatch(sender=sender)
    assert world.query("SELECT DISTINCT state, reason, attempt_count FROM message") == [
        ("queued", "channel_paused", 0)
    ]


@pytest.mark.parametrize("reply", [HANG_UP, "banana"])
def test_no_answer_to_a_whole_message_leaves_it_alone_in_doubt(world, server, reply):
    emails = world.queue_alerts()
    server.script("CONTENT", USUAL, reply)
    assert send(world, server) | {"later": 0} == {
        "sent": 2, "in_doubt": 1, "recorded": 0, "failed": 0, "skipped": 0, "later": 0,
    }  # fmt: skip
    assert messages(world) == [SENT, IN_DOUBT, SENT]
    world.pass_time(minutes=4)
    send(world, server)
    assert recipients(server) == [emails[0], emails[2], emails[1]]


def test_a_slow_server_is_waited_for_up_to_the_final_timeout(world, server):
    emails = world.queue_alerts()
    server.script("CONTENT", SILENCE)
    assert send(world, server, final_timeout=1.0)["in_doubt"] == 1
    assert recipients(server) == emails[1:]
    assert world.query("SELECT detail FROM delivery_attempt") == [("timed out",)]


def test_a_slow_server_before_the_content_is_no_doubt(world, server):
    emails = world.queue_alerts()
    server.script("RCPT", SILENCE)
    send(world, server, timeout=1.0)
    assert messages(world) == [TEMPORARY, SENT, SENT]
    world.pass_time(minutes=1)
    send(world, server)
    assert sorted(recipients(server)) == emails


def test_a_doubtful_message_goes_again_under_its_message_id(world, server):
    world.queue_alerts(people=1)
    server.script("CONTENT", SWALLOW)
    send(world, server)
    world.pass_time(minutes=4)
    send(world, server)
    first, second = (message_from_bytes(mail.content)["Message-ID"] for mail in server.mails)
    assert first == second
    assert world.states() == {"notified": 1}


def test_held_a_doubtful_message_waits_for_a_person_and_raises_an_alert(world, server):
    world.set_rules(on_doubt="hold")
    world.queue_alerts(people=2)
    server.script("CONTENT", SWALLOW)
    send(world, server)
    world.pass_time(minutes=4)
    send(world, server)
    assert messages(world) == [("held", "in_doubt"), SENT]
    assert len(server.mails) == 2
    assert world.query("SELECT kind FROM alert WHERE ended_at IS NULL") == [("messages_held",)]


def test_a_message_that_is_in_doubt_each_time_is_held_in_the_end(world, server):
    world.queue_alerts(people=1)
    for _ in range(6):
        server.script("CONTENT", SWALLOW)
        send(world, server)
        world.pass_time(minutes=4)
    send(world, server)
    assert messages(world) == [("held", "in_doubt")]
    assert len(server.mails) == 3


def test_mails_are_of_seven_bits_with_short_lines_whatever_the_title_holds(world):
    title = "Lámpa ☂ " + "x" * 3000
    with ScriptedSmtpServer(extensions=()) as server:
        world.queue_alerts(people=1, title=title)
        send(world, server)
        content = server.mails[0].content
    assert content.isascii() and max(map(len, content.split(b"\r\n"))) <= 998
    mail = message_from_bytes(content, policy=policy.default)
    assert title in mail.get_body(("plain",)).get_content().replace("\n", "")
    assert "x" * 3000 in mail["Subject"].replace(" ", "")


def test_a_dot_at_the_start_of_a_line_arrives(world, server):
    world.queue_alerts(people=1)
    content = b"Subject: dots\r\n\r\n.\r\n..two\r\n.QUIT\r\n"
    sender = sender_to(server)
    kept = sender.send
    sender.send = lambda batch: kept(replace(envelope, content=content) for envelope in batch)
    world.dispatch(sender=sender)
    assert [mail.content for mail in server.mails] == [content]


def test_a_message_that_is_too_large_for_the_server_fails_and_says_why(world):
    with ScriptedSmtpServer(extensions=("SIZE 500",)) as server:
        world.queue_alerts(people=1)
        send(world, server)
    assert messages(world) == [("failed", "undeliverable")]
    assert "the server takes 500" in world.value("SELECT detail FROM delivery_attempt")


def test_ten_refused_addresses_in_a_row_pause_the_channel_instead_of_being_suppressed(world, server):
    world.queue_alerts(people=20)
    server.script("RCPT", *["550 5.1.1 no such user"] * 11)
    send(world, server)
    assert world.query("SELECT * FROM suppression") == []
    assert "addresses in a row" in world.value("SELECT pause_reason FROM channel WHERE channel = 'EMAIL'")


def test_nine_refused_addresses_before_one_that_is_taken_are_suppressed(world, server):
    emails = world.queue_alerts(people=20)
    server.script("RCPT", *["550 5.1.1 no such user"] * 9)
    send(world, server)
    assert {row.address_key for row in world.query("SELECT address_key FROM suppression")} == set(emails[:9])
    assert recipients(server) == emails[9:]


_mishaps = st.lists(
    st.tuples(
        st.sampled_from(["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "MIDDLE", "CONTENT"]),
        st.sampled_from([USUAL, "421 4.3.2 closing", "450 4.2.0 later", HANG_UP, SWALLOW]),
    ),
    max_size=14,
)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(mishaps=_mishaps, connections=st.sampled_from([1, 3]))
def test_whatever_a_server_does_for_a_while_everyone_gets_the_mail(new_world, mishaps, connections):
    with new_world() as world, ScriptedSmtpServer() as server:
        swallowed = 0
        for step, reply in mishaps:
            is_fitting = step == "CONTENT" if reply == SWALLOW else not (step == "MIDDLE" and reply[0] == "4")
            server.script(step, reply if is_fitting else USUAL)
            swallowed += is_fitting and reply == SWALLOW
        emails = world.queue_alerts(people=15)
        send_until_quiet(world, server, connections=connections)
        received = Counter(recipients(server))
        held = world.value("SELECT count(*) FROM message WHERE state = 'held'")
        assert set(received) == set(emails) and received.total() - 15 <= swallowed
        assert world.states().get("notified", 0) == 15 - held
