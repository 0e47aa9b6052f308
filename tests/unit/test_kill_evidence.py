"""The judge of the kill campaign sees what it has to see."""

from pathlib import Path

from include.local.mail_sink import Mailbox
from tests.e2e.kills.evidence import Mail, count_overtaken, judge, read_mails

ANN, BOB, EVE = (f"{name}@example.org" for name in ("ann", "bob", "eve"))
OWED = {"LAMP": [ANN, BOB]}


def test_everybody_told_once_is_no_finding() -> None:
    verdict = judge([Mail(ANN, "<1>"), Mail(BOB, "<2>")], OWED, distance=0)
    assert (verdict.owed, verdict.told) == (2, 2)
    assert (verdict.lost, verdict.repeated, verdict.strangers, verdict.overtaken) == (0, 0, 0, 0)


def test_who_has_no_mail_is_lost() -> None:
    assert judge([Mail(ANN, "<1>")], OWED, distance=0).lost == 1


def test_copies_of_a_message_id_are_counted_as_repeated() -> None:
    verdict = judge(
        [Mail(ANN, "<1>"), Mail(BOB, "<2>"), Mail(ANN, "<1>"), Mail(ANN, "<1>")], OWED, distance=9
    )
    assert (verdict.repeated, verdict.most_copies, verdict.told_by_two_messages) == (2, 3, 0)


def test_two_message_ids_to_one_person_are_no_copies() -> None:
    verdict = judge([Mail(ANN, "<1>"), Mail(BOB, "<2>"), Mail(ANN, "<3>")], OWED, distance=9)
    assert (verdict.repeated, verdict.told_by_two_messages) == (0, 1)


def test_who_is_owed_nothing_is_a_stranger() -> None:
    verdict = judge([Mail(ANN, "<1>"), Mail(BOB, "<2>"), Mail(EVE, "<3>")], OWED, distance=0)
    assert verdict.strangers == 1


def test_overtaken_is_who_comes_after_somebody_far_behind() -> None:
    people = ["a", "b", "c", "d"]
    assert count_overtaken(["a", "b", "c", "d"], people, distance=0) == 0
    assert count_overtaken(["b", "a", "d", "c"], people, distance=1) == 0
    assert count_overtaken(["d", "a", "b", "c"], people, distance=1) == 2


def test_mails_are_read_in_order_of_arrival(tmp_path: Path) -> None:
    mailbox = Mailbox(tmp_path)
    for name, number in ((BOB, 1), (ANN, 2)):
        content = f"Subject: Back\r\nMessage-ID: <{number}@shop>\r\n\r\nHello\r\n".encode()
        mailbox.keep("shop@example.org", [name], content)
    assert read_mails(tmp_path) == [Mail(BOB, "<1@shop>"), Mail(ANN, "<2@shop>")]
