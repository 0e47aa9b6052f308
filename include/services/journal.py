"""What a lane has handed over, kept on its machine's disk until the marks are in the database (SEMANTICS 6.3).

Between a provider's answer and its mark in the database lie some milliseconds and some dozen messages. The
journal names them: a line is appended after each answer and before the next message's content leaves, so that
a killed process leaves one message per connection in doubt and no more. What a process wrote survives it; for
the case that the machine falls too, a thread calls fdatasync after every SYNC_COUNT lines or SYNC_SECONDS.
Where the disk goes with the worker (a pod), the marks themselves, written every `Lane.marks_every`, are the
bound: in doubt is what one connection sends in that time.

A lane has a folder of its own, in which it keeps `lane.json` locked as long as it lives. Who gets that lock
finds a dead lane's journal (`recover_journals`): when a lane starts on the machine, and in housekeeping, always
before leases that ran out are looked at.
"""

import contextlib
import errno
import fcntl
import json
import logging
import os
import re
import secrets
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from include.services.marks import Key

Answer = Literal["sent", "recorded", "refused", "in_doubt"]

log = logging.getLogger(__name__)

SYNC_COUNT = 64
SYNC_SECONDS = 0.05
# Far more than a lane ever has handed over without a mark: the file before the last one is not needed.
LINES_PER_FILE = 50_000
_OFFERED = "offered"
_HEADER = "lane.json"
_LINE = re.compile(r"(offered|sent|recorded|refused|in_doubt) (\d+\.\d{6}) (\d+) (.+)")


class Journal:
    """The journal of one living lane; its connections write from their threads."""

    def __init__(self, journals: Path, database: str, lane: str) -> None:
        name = secrets.token_hex(8)
        unfinished = journals / f".{name}"
        unfinished.mkdir(parents=True)
        self._lock_number = os.open(unfinished / _HEADER, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._lock_number, fcntl.LOCK_EX)
        os.write(self._lock_number, json.dumps({"database": database, "lane": lane}).encode())
        self.folder = unfinished.rename(journals / name)
        self._line_count = 0
        self._full_at = LINES_PER_FILE
        self._unwritten: list[bytes] = []
        self._file = self._open_file()
        self._writing = threading.Lock()
        self._is_wanted = threading.Event()
        self._is_closing = False
        self._syncer = threading.Thread(target=self._sync_now_and_then, name="journal", daemon=True)
        self._syncer.start()

    def answer(self, key: Key, answer: Answer, at: datetime) -> None:
        """This message was answered. It is written down before anything else leaves, at the latest."""
        with self._writing:
            self._unwritten.append(_line(answer, key, at))

    def offer(self, key: Key) -> None:
        """This message's content leaves now."""
        with self._writing:
            self._unwritten.append(_line(_OFFERED, key, None))
            self._write()
        if self._line_count % SYNC_COUNT < 2:
            self._is_wanted.set()

    def close(self, is_marked: bool) -> None:
        """Let go; the folder is deleted if everything in it is marked, else whoever comes next reads it."""
        self._is_closing = True
        self._is_wanted.set()
        self._syncer.join()
        try:
            with self._writing:
                self._write()
        finally:
            if is_marked:
                shutil.rmtree(self.folder, ignore_errors=True)
            os.close(self._file)
            os.close(self._lock_number)

    def _write(self) -> None:
        if self._line_count >= self._full_at:
            self._turn()
        self._line_count += len(self._unwritten)
        lines = b"".join(self._unwritten)
        if os.write(self._file, lines) < len(lines):
            raise OSError(errno.ENOSPC, "The journal has no room; nothing leaves without it")
        self._unwritten.clear()

    def _turn(self) -> None:
        for needless in sorted(self.folder.glob("*.lines"))[:-1]:
            needless.unlink()
        self._full_at = self._line_count + LINES_PER_FILE
        full, self._file = self._file, self._open_file()
        os.fdatasync(full)
        os.close(full)

    def _open_file(self) -> int:
        name = f"{self._line_count:012d}.lines"
        return os.open(self.folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def _sync_now_and_then(self) -> None:
        synced_count = 0
        while not self._is_closing:
            self._is_wanted.wait(SYNC_SECONDS)
            self._is_wanted.clear()
            # A full disk stops the lane at its next offer; a file that _turn closed was synced there.
            with contextlib.suppress(OSError):
                with self._writing:
                    if self._unwritten:
                        self._write()
                if self._line_count != synced_count:
                    synced_count = self._line_count
                    os.fdatasync(self._file)


@dataclass
class DeadJournal:
    """What a lane that died had handed over; `doubtful` has no answer.

    `is_damaged` when lines can't be read, as after a power failure: then whatever else the lane had may have
    left too.
    """

    folder: Path
    database: str
    lane: str
    is_damaged: bool = False
    sent: list[tuple[Key, datetime]] = field(default_factory=list)
    recorded: list[tuple[Key, datetime]] = field(default_factory=list)
    doubtful: set[Key] = field(default_factory=set)

    def delete(self) -> None:
        """Once its content is in the database."""
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def locked_dead_journals(journals: Path, database: str) -> Iterator[list[DeadJournal]]:
    """The journals of this database's dead lanes; nobody else gets them meanwhile."""
    with contextlib.ExitStack() as locks:
        found = [_read_if_dead(path, locks) for path in sorted(journals.glob(f"[!.]*/{_HEADER}"))]
        yield [journal for journal in found if journal is not None and journal.database == database]


def _read_if_dead(header: Path, locks: contextlib.ExitStack) -> DeadJournal | None:
    try:
        number = os.open(header, os.O_RDWR)
    except FileNotFoundError:
        return None
    locks.callback(os.close, number)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    if not header.exists():  # its lane ended well, or another reader was faster
        return None
    try:
        journal = DeadJournal(header.parent, **json.loads(header.read_bytes()))
    except (ValueError, TypeError):
        log.warning("A journal that names no lane is dropped; its messages go again when their leases end.")
        shutil.rmtree(header.parent, ignore_errors=True)
        return None
    for file in sorted(header.parent.glob("*.lines")):
        # The last line of a killed writer may be half a line: what follows the last line end is not read.
        for line in file.read_bytes().split(b"\n")[:-1]:
            _read_line(journal, line.decode("utf-8", "replace"))
    return journal


def _read_line(journal: DeadJournal, line: str) -> None:
    match = _LINE.fullmatch(line)
    if match is None:
        journal.is_damaged = True
        return
    what, seconds, message_id, shop_id = match.groups()
    key = Key(shop_id, int(message_id))
    if what in (_OFFERED, "in_doubt"):
        journal.doubtful.add(key)
        return
    journal.doubtful.discard(key)
    if what != "refused":
        entries = journal.sent if what == "sent" else journal.recorded
        entries.append((key, datetime.fromtimestamp(float(seconds), UTC)))


def _line(what: str, key: Key, at: datetime | None) -> bytes:
    return f"{what} {at.timestamp() if at else 0:.6f} {key.message_id} {key.shop_id}\n".encode()
