"""A mail server that keeps every mail as a file.

`python -m include.local.mail_sink --mailbox DIR --port-file FILE`

Files are named by order of arrival. The envelope is put in front of the mail as delivering servers do it:
`Return-Path` and one `Delivered-To` per recipient. A mail is answered after its file was written, so what was
answered survives a kill of the sink.
"""

import argparse
import asyncio
import contextlib
import itertools
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

from include.local.ports import HOST, write_port

MAX_MAIL_BYTES = 32 * 1024 * 1024


@dataclass
class Mailbox:
    """A folder of `.eml` files; a mail appears whole or not at all."""

    folder: Path
    numbers: Iterator[int] = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        taken = [int(path.stem) for path in self.folder.glob("*.eml") if path.stem.isdigit()]
        self.numbers = itertools.count(max(taken, default=0) + 1)

    def keep(self, sender: str, recipients: list[str], content: bytes) -> Path:
        """Write one mail and return its file."""
        name = f"{next(self.numbers):08d}.eml"
        lines = [f"Return-Path: <{sender}>", *(f"Delivered-To: {recipient}" for recipient in recipients)]
        unfinished = self.folder / f".{name}.part"
        unfinished.write_bytes("".join(f"{line}\r\n" for line in lines).encode() + content)
        return unfinished.rename(self.folder / name)


@dataclass(frozen=True)
class Pace:
    """How long a mail takes, for the play of a slow provider: the seconds in `file`, read for every mail."""

    file: Path | None = None

    def seconds(self) -> float:
        """0 without a file, or without a number in it."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            return float(self.file.read_text()) if self.file else 0.0
        return 0.0


class MailSink:
    """The hooks that aiosmtpd calls."""

    def __init__(self, mailbox: Mailbox, pace: Pace) -> None:
        self.mailbox = mailbox
        self.pace = pace

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [*responses[:-1], "250-PIPELINING", responses[-1]]

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        seconds = self.pace.seconds()
        await asyncio.sleep(seconds / 2)
        path = self.mailbox.keep(envelope.mail_from or "", list(envelope.rcpt_tos), content)
        print(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} kept {path.name} {len(content)} bytes", flush=True)  # noqa: T201
        await asyncio.sleep(seconds / 2)
        return f"250 2.0.0 kept as {path.name}"


async def serve(mailbox: Path, port_file: Path, port: int, pace: Pace) -> None:
    """Take mails until SIGTERM or SIGINT; `port` 0 takes a free one. The port is told in `port_file`."""
    sink = MailSink(Mailbox(mailbox), pace)
    loop = asyncio.get_running_loop()

    def conversation() -> SMTP:
        return SMTP(
            sink, hostname="localhost", data_size_limit=MAX_MAIL_BYTES, enable_SMTPUTF8=True, loop=loop
        )

    server = await loop.create_server(conversation, HOST, port)
    write_port(port_file, server.sockets[0].getsockname()[1])
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    await stopped.wait()
    server.close()


def main() -> None:
    """Take mail until a signal comes."""
    parser = argparse.ArgumentParser(prog="python -m include.local.mail_sink", description=__doc__)
    parser.add_argument("--mailbox", type=Path, required=True, help="folder of the .eml files")
    parser.add_argument("--port-file", type=Path, required=True, help="is written when mails are taken")
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    parser.add_argument("--pace-file", type=Path, help="the seconds that each mail takes, if the file exists")
    given = parser.parse_args()
    asyncio.run(serve(given.mailbox, given.port_file, given.port, Pace(given.pace_file)))


if __name__ == "__main__":
    main()
