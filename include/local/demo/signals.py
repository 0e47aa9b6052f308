"""Every wish to end arrives as KeyboardInterrupt, so that what was started is stopped."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

STOPPING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def signals_as_interrupt() -> Iterator[None]:
    """SIGTERM and SIGHUP mean what Ctrl-C means."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with _handlers(interrupt):
        yield


@contextlib.contextmanager
def signals_ignored() -> Iterator[None]:
    """A second Ctrl-C must not leave half of the processes behind."""
    with _handlers(signal.SIG_IGN):
        yield


@contextlib.contextmanager
def _handlers(handler: object) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in STOPPING_SIGNALS}  # type: ignore[arg-type]
    try:
        yield
    finally:
        for number, kept in before.items():
            signal.signal(number, kept)
