import pytest

from include.messaging.senders.replies import classify, redact


@pytest.mark.parametrize(
    ("stage", "code", "text", "kind"),
    [
        ("content", 250, "2.0.0 queued as 4711", "sent"),
        ("content", 251, "will forward", "sent"),
        ("connect", 421, "too many connections", "temporary"),
        ("auth", 454, "4.7.0 temporary failure", "temporary"),
        ("mail", 451, "4.3.0 try later", "temporary"),
        ("rcpt", 450, "4.7.1 greylisted", "temporary"),
        ("rcpt", 450, "5.1.1 confused", "temporary"),
        ("rcpt", 452, "4.2.2 mailbox full", "temporary"),
        ("data", 451, "local error", "temporary"),
        ("content", 452, "4.3.1 disk full", "temporary"),
        ("connect", 554, "no service here", "channel_refused"),
        ("auth", 535, "5.7.8 wrong password", "channel_refused"),
        ("auth", 535, "wrong password", "channel_refused"),
        ("mail", 550, "5.1.1 who are you", "channel_refused"),
        ("mail", 530, "log in first", "channel_refused"),
        ("rcpt", 550, "5.7.1 relaying denied", "channel_refused"),
        ("rcpt", 554, "5.7.606 banned address", "channel_refused"),
        ("content", 550, "5.7.26 not authenticated", "channel_refused"),
        ("content", 554, "5.7.0 looks like spam", "channel_refused"),
        ("rcpt", 550, "5.1.8 our own address is bad", "channel_refused"),
        ("rcpt", 550, "5.1.1 no such user", "address_refused"),
        ("rcpt", 553, "5.1.2 no such domain", "address_refused"),
        ("rcpt", 551, "5.1.6 moved", "address_refused"),
        ("rcpt", 556, "5.1.10 takes no mail", "address_refused"),
        ("rcpt", 550, "no such user", "address_refused"),
        ("rcpt", 550, "5.2.1 disabled", "address_refused"),
        ("content", 550, "5.1.1 no such user", "address_refused"),
        ("rcpt", 501, "5.1.3 bad syntax", "message_refused"),
        ("rcpt", 553, "not allowed", "message_refused"),
        ("rcpt", 550, "5.1.1x no code at all", "address_refused"),
        ("data", 554, "no valid recipients", "message_refused"),
        ("content", 550, "no thanks", "message_refused"),
        ("content", 552, "5.3.4 too big", "message_refused"),
        ("content", 554, "5.6.0 bad content", "message_refused"),
        ("content", 354, "go on", "in_doubt"),
        ("mail", 354, "go on", "temporary"),
    ],
)
def test_a_reply_means(stage, code, text, kind):
    assert classify(stage, code, text).kind == kind


def test_the_code_keeps_the_enhanced_code():
    assert classify("rcpt", 550, "5.1.1 no such user").code == "550 5.1.1"
    assert classify("rcpt", 550, "no such user").code == "550"


@pytest.mark.parametrize(
    "text",
    [
        "5.1.1 <ann.smith@mail.example>: unknown",
        "5.1.1 ann.smith@mail.example is unknown",
        "5.1.1 no mailbox ANN.SMITH here",
        "5.1.1 'ann.smith+x@mail.example' (see https://help.example/?u=ann.smith@mail.example)",
    ],
)
def test_no_address_is_repeated(text):
    assert "smith" not in classify("rcpt", 550, text, "ann.smith@mail.example").detail.lower()


def test_a_word_that_only_contains_the_local_part_stays():
    assert redact("no mailbox", "no@mail.example") == "[address] mailbox"
    assert redact("notable", "no@mail.example") == "notable"


def test_the_detail_is_one_short_printable_line():
    detail = redact("first\nsecond\x1b[31m\r\n" + "x" * 1000)
    assert detail.startswith("first second [31m x")
    assert len(detail) == 200
