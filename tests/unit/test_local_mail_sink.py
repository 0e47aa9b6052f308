import contextlib
import signal
import smtplib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from include.local.mail_sink import Mailbox, Pace
from include.local.ports import HOST, free_port, kept_port, read_port, write_port
from include.settings import PROJECT_HOME

MAIL = b"Subject: Back in stock\r\n\r\n.one\r\ntwo\r\n"


@contextlib.contextmanager
def sink(folder: Path) -> Iterator[tuple[subprocess.Popen, int]]:
    port_file = folder / "port"
    port_file.unlink(missing_ok=True)
    files = ["--mailbox", str(folder / "mailbox"), "--port-file", str(port_file)]
    process = subprocess.Popen([sys.executable, "-m", "include.local.mail_sink", *files], cwd=PROJECT_HOME)
    try:
        limit = time.monotonic() + 30
        while (port := read_port(port_file)) is None:
            assert time.monotonic() < limit
            assert process.poll() is None
        yield process, port
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, subprocess.Popen, int]]:
    folder = tmp_path_factory.mktemp("sink")
    with sink(folder) as (process, port):
        yield folder / "mailbox", process, port


def test_mails_become_files_in_order_of_arrival(running: tuple[Path, subprocess.Popen, int]) -> None:
    mailbox, _, port = running
    before = set(mailbox.glob("*.eml"))
    with smtplib.SMTP(HOST, port) as client:
        for name in ("ann", "bob"):
            client.sendmail("shop@example.org", [f"{name}@example.org"], MAIL)
    first, second = sorted(set(mailbox.glob("*.eml")) - before)
    assert b"Delivered-To: ann@example.org\r\n" in first.read_bytes()
    assert b"Delivered-To: bob@example.org\r\n" in second.read_bytes()
    assert first.read_bytes().startswith(b"Return-Path: <shop@example.org>\r\n")
    assert first.read_bytes().endswith(MAIL)
    assert not list(mailbox.glob(".*"))


def test_commands_may_be_sent_without_waiting(running: tuple[Path, subprocess.Popen, int]) -> None:
    _, _, port = running
    with socket.create_connection((HOST, port)) as connection, connection.makefile("rb") as replies:
        replies.readline()
        connection.sendall(b"EHLO test\r\n")
        offers = [replies.readline()]
        while offers[-1].startswith(b"250-"):
            offers.append(replies.readline())
        assert {b"250-PIPELINING\r\n", b"250-8BITMIME\r\n"} <= set(offers)
        connection.sendall(b"MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n")
        assert [replies.readline()[:3] for _ in range(3)] == [b"250", b"250", b"354"]
        connection.sendall(MAIL + b".\r\nQUIT\r\n")
        assert [replies.readline()[:3] for _ in range(2)] == [b"250", b"221"]


def test_it_listens_on_127_0_0_1_only(running: tuple[Path, subprocess.Popen, int]) -> None:
    _, process, port = running
    listening = [c.laddr for c in psutil.Process(process.pid).net_connections() if c.status == "LISTEN"]
    assert [(address.ip, address.port) for address in listening] == [(HOST, port)]


def test_it_ends_when_asked_and_counts_on_after_a_restart(tmp_path: Path) -> None:
    for number in (1, 2):
        with sink(tmp_path) as (process, port):
            with smtplib.SMTP(HOST, port) as client:
                client.sendmail("shop@example.org", ["ann@example.org"], MAIL)
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        assert len(list((tmp_path / "mailbox").glob("*.eml"))) == number


def test_a_mailbox_goes_on_after_its_last_number(tmp_path: Path) -> None:
    (tmp_path / "00000041.eml").write_bytes(b"")
    (tmp_path / "note.eml").write_bytes(b"")
    assert Mailbox(tmp_path).keep("a@example.org", ["b@example.org"], MAIL).name == "00000042.eml"


def test_a_port_is_kept_while_it_is_free(tmp_path: Path) -> None:
    file = tmp_path / "port"
    port = free_port()
    write_port(file, port)
    assert kept_port(file) == port
    with socket.create_server((HOST, port)):
        assert kept_port(file) != port
    file.write_text("nonsense")
    assert kept_port(file) > 0
    assert not list(tmp_path.glob(".*"))


def test_what_was_answered_is_in_a_file_even_when_the_sink_is_killed_at_once(tmp_path: Path) -> None:
    with sink(tmp_path) as (process, port), smtplib.SMTP(HOST, port) as client:
        client.sendmail("shop@example.org", ["ann@example.org"], MAIL)
        process.kill()
        assert len(list((tmp_path / "mailbox").glob("*.eml"))) == 1


def test_a_slow_provider_can_be_played_and_its_pace_be_changed(tmp_path: Path) -> None:
    pace = Pace(tmp_path / "pace")
    assert pace.seconds() == 0
    pace.file.write_text("0.05")
    assert pace.seconds() == 0.05
    pace.file.write_text("")
    assert pace.seconds() == 0
