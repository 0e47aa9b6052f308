"""A sender that keeps every mail that it is given, also the same one twice."""

import itertools
from pathlib import Path

from include.messaging.senders.file import FileSender


class MailFolder(FileSender):
    """Files numbered in the order of sending, so that nothing that was sent hides behind another's name."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._numbers = itertools.count(1)

    def path_of(self, key: str) -> Path:
        """A new file each time."""
        return self.folder / f"{next(self._numbers):08}.eml"
