"""A sender that writes files: for replays, and to record what would have been sent."""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from include.messaging.senders.base import Envelope, Outcome

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


class FileSender:
    """Writes each message as one file; the same key writes the same file again."""

    channel = "email"

    def __init__(self, folder: Path, suffix: str = ".eml") -> None:
        self.folder = folder
        self._suffix = suffix
        self.leaving: Callable[[Envelope], None] = lambda _: None
        folder.mkdir(parents=True, exist_ok=True)

    def send(self, batch: Iterable[Envelope]) -> Iterator[tuple[Envelope, Outcome]]:
        """Write and answer `sent`; a full disk or a missing folder is temporary."""
        for envelope in batch:
            try:
                self._write(envelope)
            except OSError as error:
                yield envelope, Outcome("temporary", detail=error.strerror or type(error).__name__)
            else:
                yield envelope, Outcome("sent", code="file")

    def close(self) -> None:
        """Nothing is kept open."""

    def path_of(self, key: str) -> Path:
        """The file of a message's key: readable, and never shared by two keys."""
        readable = _UNSAFE.sub("_", key).strip("._")[:80]
        return self.folder / f"{readable}-{hashlib.sha256(key.encode()).hexdigest()[:8]}{self._suffix}"

    def _write(self, envelope: Envelope) -> None:
        path = self.path_of(envelope.key)
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_bytes(envelope.content)
        unfinished.replace(path)
