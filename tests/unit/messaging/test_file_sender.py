from include.messaging.senders.base import Envelope
from include.messaging.senders.file import FileSender


def envelope(key: str, content: bytes = b"Subject: x\r\n\r\nhello\r\n") -> Envelope:
    return Envelope(key, "<a@b>", "shop@shop.example", "ann@mail.example", content)


def test_each_message_becomes_a_file(tmp_path):
    sender = FileSender(tmp_path / "new" / "folder")
    outcomes = list(sender.send([envelope("flow:1:mail"), envelope("flow:2:mail")]))
    assert [outcome.kind for _, outcome in outcomes] == ["sent", "sent"]
    files = sorted(sender.folder.iterdir())
    assert [file.suffix for file in files] == [".eml", ".eml"]
    assert files[0].name.startswith("flow_1_mail-")
    assert files[0].read_bytes() == envelope("").content


def test_the_same_key_writes_the_same_file_again(tmp_path):
    sender = FileSender(tmp_path)
    list(sender.send([envelope("flow:1:mail", b"first"), envelope("flow:1:mail", b"second")]))
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"second"]


def test_a_key_never_leaves_the_folder_and_shares_no_file(tmp_path):
    sender = FileSender(tmp_path / "mails")
    paths = {sender.path_of(key) for key in ("../../x", "..:..:x", "a/b", "a:b", "", "x" * 500)}
    assert len(paths) == 6
    assert {path.parent for path in paths} == {tmp_path / "mails"}


def test_a_missing_folder_is_temporary(tmp_path):
    sender = FileSender(tmp_path / "mails")
    sender.folder.rmdir()
    [(_, outcome)] = sender.send([envelope("flow:1:mail")])
    assert (outcome.kind, outcome.detail) == ("temporary", "No such file or directory")


def test_a_repr_shows_no_address():
    assert "@mail.example" not in repr(envelope("flow:1:mail"))
