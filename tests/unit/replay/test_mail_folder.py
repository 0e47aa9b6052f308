from pathlib import Path

from include.local.replay.mail_folder import MailFolder
from include.messaging.senders.base import Envelope


def test_a_message_that_is_sent_twice_is_kept_twice_in_the_order_of_sending(tmp_path: Path) -> None:
    sender = MailFolder(tmp_path)
    envelopes = [
        Envelope("one", "<1>", "a@x.example", "b@x.example", content) for content in (b"1", b"2", b"3")
    ]
    outcomes = [outcome.kind for _, outcome in sender.send(envelopes)]
    assert outcomes == ["sent"] * 3
    assert [path.read_bytes() for path in sorted(tmp_path.iterdir())] == [b"1", b"2", b"3"]
