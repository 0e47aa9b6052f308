"""Files that only their owner can read: passwords, keys and addresses that hold them."""

import os
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Write whole or not at all, never readable by others in between."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{text}\n")
    unfinished.replace(path)
