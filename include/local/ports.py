"""Ports on 127.0.0.1, and the small files by which a process tells its port."""

import contextlib
import os
import socket
from pathlib import Path

HOST = "127.0.0.1"


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """True when this process could listen on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def kept_port(file: Path) -> int:
    """The port of the last start if it is still free, else another one; bookmarks and logins stay valid."""
    last = read_port(file)
    return last if last is not None and is_free(last) else free_port()


def read_port(file: Path) -> int | None:
    """The port in the file; None when there is no file or no number in it."""
    with contextlib.suppress(FileNotFoundError, ValueError):
        return int(file.read_text())
    return None


def write_port(file: Path, port: int) -> None:
    """Whole or not at all: the reader polls the file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    unfinished.write_text(f"{port}\n")
    unfinished.replace(file)


def answers(port: int) -> bool:
    """True when somebody listens on the port."""
    try:
        with socket.create_connection((HOST, port), timeout=2):
            return True
    except OSError:
        return False
