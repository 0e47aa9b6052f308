import re
from datetime import UTC, datetime
from email import message_from_bytes, policy
from html import unescape

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.messaging.address import Mailbox
from include.messaging.render import RenderedEmail, build_message
from include.messaging.senders.base import Envelope, Outcome
from include.messaging.senders.smtp import SmtpSender, SmtpSettings
from tests.fixtures.smtp_server import HANG_UP, SILENCE, USUAL, ScriptedSmtpServer

CONTENT = b"Subject: hello\r\n\r\nhello\r\n"


def envelopes(count: int, content: bytes = CONTENT) -> list[Envelope]:
    return [
        Envelope(f"flow:{n}:mail", f"<{n}@s>", "shop@shop.example", f"p{n}@mail.example", content)
        for n in range(1, count + 1)
    ]


def sender_to(server: ScriptedSmtpServer, pauses: list[float] | None = None, **changes) -> SmtpSender:
    chosen = {
        "host": "127.0.0.1",
        "port": server.port,
        "security": "none",
        "from_address": "shop@shop.example",
        "timeout": 5.0,
        "final_timeout": 5.0,
        **changes,
    }
    return SmtpSender(SmtpSettings(**chosen), pause=[].append if pauses is None else pauses.append)


def kinds(results: list[tuple[Envelope, Outcome]]) -> list[str]:
    return [outcome.kind for _, outcome in results]


def recipients(server: ScriptedSmtpServer) -> list[str]:
    return [mail.recipient.split("@")[0] for mail in server.mails]


def test_a_batch_leaves_in_order_over_one_connection(server):
    sender = sender_to(server)
    batch = envelopes(5)
    results = list(sender.send(batch))
    assert [envelope for envelope, _ in results] == batch
    assert kinds(results) == ["sent"] * 5
    assert recipients(server) == ["p1", "p2", "p3", "p4", "p5"]
    assert server.mails[0].sender == "shop@shop.example"
    assert server.mails[0].content == CONTENT
    assert len(server.sessions) == 1


def test_the_connection_is_kept_between_batches_and_left_politely(server):
    sender = sender_to(server)
    list(sender.send(envelopes(2)))
    list(sender.send(envelopes(2)))
    sender.close()
    assert len(server.sessions) == 1
    assert kinds(sender.send(envelopes(1))) == ["sent"]
    assert server.sessions[0].verbs[-1] == "QUIT"
    assert len(server.sessions) == 2


def test_commands_go_ahead_only_where_the_server_offers_it():
    with ScriptedSmtpServer(("PIPELINING",)) as pipelining, ScriptedSmtpServer(()) as plain:
        list(sender_to(pipelining).send(envelopes(3)))
        list(sender_to(plain).send(envelopes(3)))
        assert pipelining.sessions[0].early.count("MAIL FROM:<shop@shop.example>") == 3
        assert "DATA" not in pipelining.sessions[0].early
        assert plain.sessions[0].early == []


def test_no_content_leaves_before_the_outcome_before_it_was_taken(server):
    results = sender_to(server).send(envelopes(3))
    next(results)
    assert recipients(server) == ["p1"]
    results.close()
    assert recipients(server) == ["p1"]


def test_a_batch_given_up_early_leaves_a_sender_that_still_sends(server):
    sender = sender_to(server)
    results = sender.send(envelopes(3))
    next(results)
    results.close()
    assert kinds(sender.send(envelopes(2))) == ["sent", "sent"]
    assert recipients(server) == ["p1", "p1", "p2"]


def test_a_connection_ends_after_its_number_of_messages(server):
    results = list(sender_to(server, max_messages_per_connection=2).send(envelopes(5)))
    assert kinds(results) == ["sent"] * 5
    assert [session.verbs.count("MAIL") for session in server.sessions] == [2, 2, 1]
    assert [session.verbs[-1] for session in server.sessions[:2]] == ["QUIT", "QUIT"]


@pytest.mark.parametrize(
    ("step", "reply", "kind"),
    [
        ("MAIL", "451 4.3.0 later", "temporary"),
        ("MAIL", "550 5.1.8 not you", "channel_refused"),
        ("RCPT", "450 4.7.1 greylisted", "temporary"),
        ("RCPT", "550 5.1.1 no such user", "address_refused"),
        ("RCPT", "550 no such user", "address_refused"),
        ("RCPT", "550 5.7.1 blocked", "channel_refused"),
        ("RCPT", "553 bad mailbox", "message_refused"),
        ("DATA", "451 4.3.0 later", "temporary"),
        ("DATA", "554 5.6.0 no", "message_refused"),
        ("CONTENT", "452 4.3.1 disk full", "temporary"),
        ("CONTENT", "554 5.6.0 bad content", "message_refused"),
        ("CONTENT", "550 5.1.1 no such user", "address_refused"),
        ("CONTENT", "550-5.7.1 a long\n550-5.7.1 story\n550 5.7.1 in lines", "channel_refused"),
    ],
)
def test_one_refused_message_does_not_disturb_the_others(server, step, reply, kind):
    server.script(step, USUAL, reply)
    results = list(sender_to(server).send(envelopes(4)))
    assert kinds(results) == ["sent", kind, "sent", "sent"]
    assert results[1][1].code.startswith(reply[:3])
    assert recipients(server) == ["p1", "p3", "p4"]
    assert len(server.sessions) == 1


def test_the_first_message_refused_does_not_disturb_the_second(server):
    server.script("RCPT", "550 5.1.1 no such user")
    assert kinds(sender_to(server).send(envelopes(2))) == ["address_refused", "sent"]


def test_a_server_that_asks_for_the_content_in_spite_of_all_gets_an_empty_one():
    with ScriptedSmtpServer(("PIPELINING",)) as server:
        server.script("RCPT", "550 5.1.1 no such user")
        server.script("DATA", "354 go on nevertheless")
        assert kinds(sender_to(server).send(envelopes(2))) == ["address_refused", "sent"]
        assert recipients(server) == ["p2"]


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("reply", ["421 4.3.2 closing", HANG_UP])
def test_a_kept_connection_lost_before_the_content_costs_nothing(server, step, reply):
    server.script(step, USUAL, reply)
    assert kinds(sender_to(server).send(envelopes(3))) == ["sent"] * 3
    assert recipients(server) == ["p1", "p2", "p3"]
    assert len(server.sessions) == 2


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("reply", ["421 4.3.2 closing", HANG_UP])
def test_a_fresh_connection_lost_before_the_content_makes_the_message_temporary(server, pauses, step, reply):
    server.script(step, reply)
    results = list(sender_to(server, pauses, reconnect_pauses=(0.5,)).send(envelopes(2)))
    assert kinds(results) == ["temporary", "sent"]
    assert results[0][1].is_tried
    assert pauses == [0.5]


def test_a_421_after_the_content_is_temporary_and_the_rest_goes_on(server):
    server.script("CONTENT", "421 4.3.2 shutting down")
    results = list(sender_to(server).send(envelopes(3)))
    assert kinds(results) == ["temporary", "sent", "sent"]
    assert results[0][1].code == "421 4.3.2"
    assert recipients(server) == ["p2", "p3"]


def test_no_answer_to_a_whole_message_leaves_only_it_in_doubt(server):
    server.script("CONTENT", USUAL, HANG_UP)
    assert kinds(sender_to(server).send(envelopes(4))) == ["sent", "in_doubt", "sent", "sent"]
    assert recipients(server) == ["p1", "p3", "p4"]


def test_a_silent_server_leaves_the_message_in_doubt_after_the_final_timeout(server):
    server.script("CONTENT", SILENCE)
    assert kinds(sender_to(server, final_timeout=1.0).send(envelopes(2))) == ["in_doubt", "sent"]


def test_a_reply_that_is_no_smtp_after_the_content_leaves_it_in_doubt(server):
    server.script("CONTENT", "hello?")
    assert kinds(sender_to(server).send(envelopes(2))) == ["in_doubt", "sent"]


def test_a_silent_server_before_the_content_is_temporary(server):
    server.script("RCPT", SILENCE)
    results = list(sender_to(server, timeout=1.0).send(envelopes(2)))
    assert kinds(results) == ["temporary", "sent"]
    assert "timed out" in results[0][1].detail


def test_a_connection_that_breaks_in_the_middle_of_the_content_is_no_doubt(server):
    server.script("MIDDLE", HANG_UP, USUAL, HANG_UP)
    large = (b"x" * 998 + b"\r\n") * 20_000
    results = list(sender_to(server).send([*envelopes(1, large), *envelopes(1), *envelopes(1, large)]))
    assert kinds(results) == ["temporary", "sent", "sent"]
    assert len(server.sessions) == 3


def test_a_server_that_swallows_all_answers_is_left_alone_after_some_tries(server, pauses):
    server.script("CONTENT", *[HANG_UP] * 10)
    results = list(sender_to(server, pauses, reconnect_pauses=(0.0, 1.0)).send(envelopes(10)))
    assert kinds(results) == ["in_doubt"] * 3 + ["temporary"] * 7
    assert [outcome.is_tried for _, outcome in results] == [True] * 3 + [False] * 7
    assert pauses == [0.0, 1.0]


def test_the_next_batch_tries_a_channel_that_was_down_again(server):
    server.script("CONNECT", "421 busy", "421 busy")
    sender = sender_to(server, reconnect_pauses=(0.0,))
    first = list(sender.send(envelopes(2)))
    assert kinds(first) == ["temporary", "temporary"]
    assert [outcome.is_tried for _, outcome in first] == [False, False]
    assert kinds(sender.send(envelopes(2))) == ["sent", "sent"]


def test_a_connect_refused_for_good_stops_the_batch_at_once(server, pauses):
    server.script("CONNECT", "554 5.7.1 not from your network")
    results = list(sender_to(server, pauses).send(envelopes(3)))
    assert kinds(results) == ["channel_refused"] * 3
    assert len(server.sessions) == 1
    assert pauses == []


def test_nobody_listening_is_temporary_and_names_the_server(pauses):
    with ScriptedSmtpServer() as gone:
        port = gone.port
    settings = SmtpSettings("127.0.0.1", port, "none", "shop@shop.example", reconnect_pauses=(0.0, 2.0))
    results = list(SmtpSender(settings, pauses.append).send(envelopes(3)))
    assert kinds(results) == ["temporary"] * 3
    assert f"127.0.0.1:{port}" in results[0][1].detail
    assert pauses == [0.0, 2.0]


def test_lines_and_dots_arrive_as_they_were_meant(server):
    content = b".\r\n..\r\n.dot\nlone LF\rlone CR\r\n\r\nlast without end"
    list(sender_to(server).send(envelopes(2, content)))
    expected = b".\r\n..\r\n.dot\r\nlone LF\r\nlone CR\r\n\r\nlast without end\r\n"
    assert [mail.content for mail in server.mails] == [expected, expected]


def test_an_empty_message_is_still_a_message(server):
    assert kinds(sender_to(server).send(envelopes(2, b""))) == ["sent", "sent"]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(lines=st.lists(st.text(alphabet=".a\r\n ", max_size=12), max_size=8))
def test_any_content_arrives_with_only_its_line_ends_changed(server, lines):
    content = "\n".join(lines).encode()
    server.mails.clear()
    list(sender_to(server).send(envelopes(2, content)))
    expected = re.sub(rb"\r\n|\r|\n", b"\r\n", content)
    if expected and not expected.endswith(b"\r\n"):
        expected += b"\r\n"
    assert [mail.content for mail in server.mails] == [expected, expected]


def test_eight_bit_content_is_declared_or_refused():
    content = "Subject: x\r\n\r\ngrüße\r\n".encode()
    with ScriptedSmtpServer(("8BITMIME",)) as able, ScriptedSmtpServer(("PIPELINING",)) as unable:
        assert kinds(sender_to(able).send(envelopes(1, content))) == ["sent"]
        assert "MAIL FROM:<shop@shop.example> BODY=8BITMIME" in able.sessions[0].commands
        batch = [*envelopes(1), *envelopes(1, content), *envelopes(1)]
        results = list(sender_to(unable).send(batch))
        assert kinds(results) == ["sent", "message_refused", "sent"]
        assert "8BITMIME" in results[1][1].detail


def test_a_message_larger_than_the_server_takes_is_refused_before_it_is_offered():
    with ScriptedSmtpServer(("SIZE 100",)) as server:
        [(_, outcome)] = sender_to(server).send(envelopes(1, b"x" * 101))
        assert outcome.kind == "message_refused"
        assert outcome.detail == "the message has 101 bytes; the server takes 100"
        assert "MAIL" not in server.sessions[0].verbs
        list(sender_to(server).send(envelopes(1, b"x" * 90)))
        assert "MAIL FROM:<shop@shop.example> SIZE=90" in server.sessions[1].commands


def test_addresses_outside_ascii_need_smtputf8():
    batch = [Envelope("k", "<i>", "shop@shop.example", "zoë@mail.example", CONTENT)]
    with ScriptedSmtpServer(("SMTPUTF8",)) as able, ScriptedSmtpServer(()) as unable:
        assert kinds(sender_to(able).send(batch)) == ["sent"]
        assert "MAIL FROM:<shop@shop.example> SMTPUTF8" in able.sessions[0].commands
        assert recipients(able) == ["zoë"]
        assert kinds(sender_to(unable).send(batch)) == ["message_refused"]


@pytest.mark.parametrize("recipient", ["a@b.example>\r\nRCPT TO:<all@b.example", "a b@c.example", "nobody"])
def test_an_address_that_would_break_the_command_never_reaches_the_server(server, recipient):
    bad = Envelope("k", "<i>", "shop@shop.example", recipient, CONTENT)
    results = list(sender_to(server).send([*envelopes(1), bad, *envelopes(1)]))
    assert kinds(results) == ["sent", "message_refused", "sent"]
    assert recipient not in results[1][1].detail
    assert not any("all@" in command for command in server.sessions[0].commands)


def test_a_rendered_mail_arrives_as_it_was_rendered(server):
    rendered = RenderedEmail("Écharpe .", ".\n..\nplain\n.", "<p>Écharpe</p>\n.")
    content = build_message(
        rendered,
        key="flow:1:mail",
        message_id="<1@s>",
        sender=Mailbox("shop@shop.example", "Zoë"),
        recipient="ann@mail.example",
        date=datetime(2026, 3, 1, tzinfo=UTC),
    )
    list(sender_to(server).send(envelopes(1, content)))
    message = message_from_bytes(server.mails[0].content, policy=policy.default)
    assert message["Subject"] == rendered.subject
    for subtype, text in (("plain", rendered.text), ("html", rendered.html)):
        assert unescape(message.get_body((subtype,)).get_content()).splitlines() == text.splitlines()


def test_outcomes_hold_no_address(server):
    server.script("RCPT", "550 5.1.1 <p1@mail.example>: p1 is unknown, says shop@shop.example")
    server.script("CONTENT", "421 4.3.2 bye p2@mail.example")
    for _, outcome in sender_to(server).send(envelopes(2)):
        assert "@" not in outcome.detail
        assert "p1" not in outcome.detail
