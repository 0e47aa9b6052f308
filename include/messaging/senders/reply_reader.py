"""Replies as they come over the wire: those to a pipelined group arrive together and are read together."""

import smtplib
import socket
import ssl

_LONGEST_REPLY = 65_536


class ReplyReader:
    """Reads the replies of one session after smtplib has opened it (smtplib reads line by line)."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._rest = b""

    @property
    def has_octets(self) -> bool:
        """Whether something can be read that the operating system does not know of."""
        return bool(self._rest) or (isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0)

    def read(self) -> tuple[int, str]:
        """Code and words of the next reply, code -1 where there is none.

        Raises OSError when the connection ends, times out or says too much.
        """
        words = []
        while True:
            line = self._read_line()
            words.append(line[4:].strip())
            if line[3:4] != b"-":
                code = int(line[:3]) if line[:3].isdigit() else -1
                return code, b"\n".join(words).decode("utf-8", "replace")

    def _read_line(self) -> bytes:
        while (end := self._rest.find(b"\n")) < 0:
            if len(self._rest) > _LONGEST_REPLY:
                raise smtplib.SMTPServerDisconnected("A reply is longer than SMTP allows")
            received = self._socket.recv(_LONGEST_REPLY)
            if not received:
                raise smtplib.SMTPServerDisconnected("Connection unexpectedly closed")
            self._rest += received
        line, self._rest = self._rest[: end + 1], self._rest[end + 1 :]
        return line
