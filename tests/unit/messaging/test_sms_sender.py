"""SMS by a Twilio-compatible API (SEMANTICS 6.2, 6.3)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from include.messaging.senders.base import Envelope, Outcome
from include.messaging.senders.sms import SmsAccount, SmsSender
from include.messaging.senders.sms_replies import classify, redact
from tests.fixtures.sms_server import HANG_UP, SWALLOW, SmsServer

NUMBER = "+4915112345678"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def server() -> Iterator[SmsServer]:
    with SmsServer() as server:
        yield server


def an_sms(text: str = "Back in stock: lamp", number: str = NUMBER) -> Envelope:
    return Envelope("demo/flow:1:tell", "<1@sms.invalid>", "+4930123", number, text.encode())


def a_sender(server: SmsServer, **changes: object) -> SmsSender:
    account = {
        "account_sid": "AC1",
        "sender": "+4930123",
        "password": "secret",
        "url": server.url,
        "timeout": 5.0,
    }
    return SmsSender(SmsAccount(**{**account, **changes}), lambda: NOW)  # type: ignore[arg-type]


def outcome_of(server: SmsServer, *answers: object, **changes: object) -> Outcome:
    server.answers[NUMBER] = list(answers)
    return next(a_sender(server, **changes).send([an_sms()]))[1]


def test_an_sms_is_posted_with_its_number_origin_and_text(server: SmsServer) -> None:
    assert outcome_of(server).kind == "sent"
    assert {name: server.taken[0][name] for name in ("To", "From", "Body")} == {
        "To": NUMBER,
        "From": "+4930123",
        "Body": "Back in stock: lamp",
    }
    assert server.requests == ["POST /2010-04-01/Accounts/AC1/Messages.json"]


def test_a_messaging_service_is_named_as_such(server: SmsServer) -> None:
    outcome_of(server, sender="MG123")
    assert server.taken[0]["MessagingServiceSid"] == "MG123" and "From" not in server.taken[0]


def test_a_text_outside_latin_arrives_as_it_is(server: SmsServer) -> None:
    list(a_sender(server).send([an_sms("Größe 42 & mehr <b> 🎉")]))
    assert server.taken[0]["Body"] == "Größe 42 & mehr <b> 🎉"


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, 21211, "address_refused"),
        (400, 21614, "address_refused"),
        (400, 21610, "recipient_objects"),
        (400, 21617, "message_refused"),
        (400, 21212, "channel_refused"),
        (401, 20003, "channel_refused"),
        (404, 20404, "channel_refused"),
        (429, 20429, "temporary"),
        (500, None, "temporary"),
        (503, None, "temporary"),
        (302, None, "channel_refused"),
    ],
)
def test_what_an_error_means(server: SmsServer, status: int, code: int | None, kind: str) -> None:
    outcome = outcome_of(server, (status, {"code": code, "message": f"The number {NUMBER} is wrong"}, {}))
    assert outcome.kind == kind
    assert outcome.detail == "The number [number] is wrong"


def test_a_wrong_password_is_the_channels_fault(server: SmsServer) -> None:
    assert outcome_of(server, password="wrong").kind == "channel_refused"


def test_retry_after_is_honoured_in_seconds_and_as_a_date(server: SmsServer) -> None:
    assert outcome_of(server, (429, {}, {"Retry-After": "7"})).retry_after == 7
    later = format_datetime(NOW + timedelta(seconds=90))
    assert outcome_of(server, (503, {}, {"Retry-After": later})).retry_after == 90
    assert outcome_of(server, (503, {}, {"Retry-After": "soon"})).retry_after is None


def test_an_error_that_is_no_json_is_read_by_its_status(server: SmsServer) -> None:
    assert classify(502, None, "Bad Gateway", None) == Outcome("temporary", "502", "Bad Gateway")


def test_a_request_without_an_answer_is_looked_up_and_found(server: SmsServer) -> None:
    assert outcome_of(server, SWALLOW) == Outcome("sent", "listed")
    assert len(server.taken) == 1


def test_what_the_provider_does_not_list_stays_in_doubt(server: SmsServer) -> None:
    assert outcome_of(server, HANG_UP).kind == "in_doubt"


def test_an_older_sms_with_the_same_text_settles_no_doubt(server: SmsServer) -> None:
    old = format_datetime(NOW - timedelta(hours=3))
    server.taken.append({"To": NUMBER, "Body": "Back in stock: lamp", "created": old})
    assert outcome_of(server, HANG_UP).kind == "in_doubt"


def test_a_provider_that_can_not_be_reached_is_the_channels_fault_and_no_attempt() -> None:
    with SmsServer() as gone:
        sender = a_sender(gone)
    outcome = next(sender.send([an_sms()]))[1]
    assert (outcome.kind, outcome.is_tried) == ("channel_refused", False)


def test_each_outcome_is_taken_before_the_next_sms_leaves(server: SmsServer) -> None:
    sending = a_sender(server).send([an_sms("one"), an_sms("two")])
    next(sending)
    assert [taken["Body"] for taken in server.taken] == ["one"]
    sending.close()
    assert len(server.taken) == 1


def test_no_number_is_in_what_people_see() -> None:
    assert redact("'To' +1 (555) 010-0199 is not valid, nor 004915112345678.") == (
        "'To' [number] is not valid, nor [number]."
    )
    assert NUMBER not in repr(an_sms()) and "secret" not in repr(SmsAccount("AC1", "+1", "secret"))
