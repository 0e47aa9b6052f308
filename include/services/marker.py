"""Writes what a lane's messages came to, behind the sending and on a connection of its own."""

import threading
from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from include.messaging.senders.base import Outcome
from include.services.channels import PAUSED, note_errors, note_success
from include.services.lane import Lane
from include.services.marks import Key, Marks
from include.services.outbox import LEASE, Parcel, release_claims, renew_leases
from include.services.verdicts import ChannelNews, Verdicts

_LOOK_SECONDS = 5.0


class Marker:
    """Takes outcomes from the lane's threads and writes them every `lane.marks_every`; keeps the leases.

    `halted` is set when the channel paused or a thread failed: then nothing more should leave. `failure` is
    the first error of any of the lane's threads.
    """

    def __init__(self, lane: Lane, errors: int, refusals: int) -> None:
        self.halted = threading.Event()
        self.failure: BaseException | None = None
        self.ended_count = 0
        self._lane = lane
        self._verdicts = Verdicts(lane.counts, errors, refusals)
        self._open: dict[Key, Parcel] = {}
        self._doubtful: set[Key] = set()
        self._changed = threading.Condition()
        self._reason: str | None = None
        self._is_pending = False
        self._is_writing = False
        self._closing = threading.Event()
        self._leased_at = lane.clock()
        self._thread = threading.Thread(target=self._run, name="marks", daemon=True)
        self._thread.start()

    def open(self, parcels: Iterable[Parcel]) -> None:
        """These messages are on their way to a connection."""
        with self._changed:
            self._open.update((parcel.key, parcel) for parcel in parcels)

    def end(self, parcel: Parcel, outcome: Outcome, is_recorded: bool = False) -> datetime:
        """Take a message's outcome; when that was."""
        now = self._lane.clock()
        if outcome.kind == "sent":
            self.judge(parcel, Verdicts.accept, now, is_recorded)
        else:
            self.judge(parcel, Verdicts.refuse, outcome, now)
            if outcome.kind == "in_doubt":
                self._doubtful.add(parcel.key)
        return now

    def judge(self, parcel: Parcel, verdict: Callable[..., None], *details: Any) -> None:
        """Take a verdict, a method of Verdicts, on a message, which is on its way no more."""
        with self._changed:
            self._open.pop(parcel.key, None)
            self.ended_count += 1
            verdict(self._verdicts, parcel, *details)
            if self._verdicts.is_over:
                self.halted.set()
            if not self._is_pending:
                self._is_pending = True
                self._changed.notify_all()

    def drop(self, parcels: Iterable[Parcel], kept: Iterable[Parcel]) -> None:
        """Of these messages only those `kept` are still on their way."""
        gone = {parcel.key for parcel in parcels} - {parcel.key for parcel in kept}
        with self._changed:
            for key in gone:
                self._open.pop(key, None)

    def halt(self, reason: str) -> None:
        """Nothing more should leave; what did not is free again with this reason."""
        with self._changed:
            self._reason = reason
            self.halted.set()
            self._changed.notify_all()

    def fail(self, error: BaseException) -> None:
        """A thread of the lane failed: stop everything, and raise its error in the end."""
        with self._changed:
            self.failure = self.failure or error
            self.halted.set()
            self._changed.notify_all()

    def wait_until_marked(self) -> None:
        """Until nothing is on its way and everything known is written, or all is halted."""
        with self._changed:
            self._changed.wait_for(lambda: self.halted.is_set() or self._is_idle())

    def wait_until_written(self) -> None:
        """Until what is known by now is written, or all is halted."""
        with self._changed:
            self._changed.wait_for(lambda: self.halted.is_set() or not (self._is_pending or self._is_writing))

    def close(self, leaving: Collection[Key]) -> bool:
        """Write what is left and free what did not leave, save what is `leaving`; whether all is known."""
        with self._changed:
            self._verdicts.confirm_suspects()
            self._is_pending = True
            self._closing.set()
            self._changed.notify_all()
        self._thread.join()
        if self.failure is not None:
            return False
        self._free_unsent(leaving)
        return not leaving

    def _is_idle(self) -> bool:
        return not (self._open or self._is_pending or self._is_writing)

    def _run(self) -> None:
        try:
            with self._lane.engine.connect() as connection:
                while not self._closing.is_set():
                    with self._changed:
                        self._changed.wait_for(lambda: self._is_pending, _LOOK_SECONDS)
                    self._closing.wait(self._lane.marks_every.total_seconds())
                    self._write(connection)
                self._write(connection)
        except BaseException as error:
            self.fail(error)

    def _write(self, connection: Connection) -> None:
        with self._changed:
            marks, news = self._verdicts.take()
            self._is_pending, self._is_writing = False, True
        with connection.begin():
            self._write_all(connection, marks, news)
        with self._changed:
            self._is_writing = False
            self._changed.notify_all()

    def _write_all(self, connection: Connection, marks: Marks, news: ChannelNews) -> None:
        now = self._lane.clock()
        marks.write(connection, self._lane.name, now)
        if now - self._leased_at >= LEASE / 3:
            renew_leases(connection, self._lane.name, self._doubtful, now)
            self._leased_at = now
        if news.has_success:
            note_success(connection, self._lane.channel, now)
        if (news.errors or news.refusals) and self._note_errors(connection, news, now):
            self.halt(PAUSED)

    def _note_errors(self, connection: Connection, news: ChannelNews, now: datetime) -> bool:
        return note_errors(
            connection, self._lane.channel, news.errors, news.refusals, news.detail, news.probe_at, now
        )

    def _free_unsent(self, leaving: Collection[Key]) -> None:
        unsent = sorted(self._open.keys() - set(leaving))
        if unsent:
            with self._lane.engine.begin() as connection:
                release_claims(connection, self._lane.name, unsent, self._reason)
