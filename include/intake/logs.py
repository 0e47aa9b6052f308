"""One JSON line per request and per problem; no address, no body, no query, no path that names a person."""

import logging
import sys
import threading
import time
import traceback
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec

_encode = msgspec.json.Encoder().encode


class JsonLines(logging.Formatter):
    """Records as JSON lines; of an exception its class and where it was raised, since its text may hold values."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging.Formatter."""
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        line |= getattr(record, "facts", {})
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = type(record.exc_info[1]).__name__
            frames = traceback.extract_tb(record.exc_info[2])[-6:]
            line["raised_at"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        return _encode(line).decode()


class LineBuffer(logging.StreamHandler[TextIO]):
    """Writes lines out once a second, or at once where something is wrong: a flush per request costs as much as it."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        threading.Thread(target=self._write_out, name="log lines", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler."""
        self.stream.write(self.format(record) + self.terminator)
        if record.levelno >= logging.WARNING:
            self.flush()

    def _write_out(self) -> None:
        while True:
            time.sleep(1)
            self.flush()


def write_json_lines() -> None:
    """Everything that this process logs goes to standard output as JSON lines."""
    handler = LineBuffer(sys.stdout)
    handler.setFormatter(JsonLines())
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
