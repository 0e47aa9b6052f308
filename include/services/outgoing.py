"""The ways out of a lane: each renders and sends in a thread of its own."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

from include.domain.delivery import TEMPLATE_RETRY
from include.messaging.address import AddressRefused
from include.messaging.render.library import TemplateError
from include.messaging.senders.base import Envelope, Outcome, Sender
from include.messaging.sms_segments import SmsTooLong
from include.services.compose import Composer
from include.services.journal import Answer, Journal
from include.services.lane import Lane
from include.services.marker import Marker
from include.services.marks import Key
from include.services.outbox import Parcel
from include.services.verdicts import Verdicts

# What was checked longer ago is checked again before it leaves: consent, stock, lease (SEMANTICS 5, 10.2).
CHECK_HOLDS = timedelta(seconds=1)
TAKEN_TOGETHER = 50

Recheck = Callable[[Sequence[Parcel]], Sequence[Parcel]]


class WorkList:
    """What waits for a connection, in order."""

    def __init__(self) -> None:
        self._waiting: deque[Parcel] = deque()
        self._changed = threading.Condition()
        self._is_closed = False

    def put(self, parcels: Sequence[Parcel]) -> None:
        """Append."""
        with self._changed:
            self._waiting.extend(parcels)
            self._changed.notify_all()

    def take(self) -> list[Parcel]:
        """The next few, without waiting."""
        with self._changed:
            taken = [self._waiting.popleft() for _ in range(min(TAKEN_TOGETHER, len(self._waiting)))]
            self._changed.notify_all()
            return taken

    def wait_for_work(self) -> bool:
        """Until there is work; False once the list is closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closed)
            return bool(self._waiting)

    def wait_below(self, count: int, halted: threading.Event) -> None:
        """Until fewer wait, or all is halted."""
        with self._changed:
            while len(self._waiting) >= count and not halted.is_set():
                self._changed.wait(0.1)

    def close(self, is_dropped: bool) -> None:
        """Nothing more comes; what waits is dropped if so told."""
        with self._changed:
            if is_dropped:
                self._waiting.clear()
            self._is_closed = True
            self._changed.notify_all()


class LeftAlone(Exception):
    """The lane has ended and freed this message meanwhile: it must not leave from here."""


class Outlet:
    """A sender with its thread: renders and sends what its list holds, and writes the journal."""

    def __init__(
        self,
        lane: Lane,
        sender: Sender,
        composer: Composer,
        marker: Marker,
        journal: Journal | None,
        recheck: Recheck,
    ) -> None:
        self.work = WorkList()
        self.problems: list[TemplateError] = []
        self._lane = lane
        self._sender = sender
        self._composer = composer
        self._marker = marker
        self._journal = journal
        self._recheck = recheck
        self._is_recorder = sender is lane.recorder
        self._underway: dict[str, Parcel] = {}
        self._leaving: set[Key] = set()
        self._is_left_alone = False
        self._handing_over = threading.Lock()
        sender.leaving = self._note_leaving
        self._thread = threading.Thread(target=self._run, name="outlet", daemon=True)
        self._thread.start()

    def close(self, is_dropped: bool, patience: float | None) -> set[Key]:
        """Let it end; messages that are leaving without an outcome even then are in doubt, no other leaves."""
        self.work.close(is_dropped)
        self._thread.join(patience)
        with self._handing_over:
            self._is_left_alone = True
            return set(self._leaving)

    def _run(self) -> None:
        try:
            while self.work.wait_for_work() and not self._marker.halted.is_set():
                for envelope, outcome in self._sender.send(self._envelopes()):
                    self._end(self._underway.pop(envelope.key), outcome)
        except BaseException as error:
            self._marker.fail(error)
        finally:
            self._sender.close()

    def _end(self, parcel: Parcel, outcome: Outcome) -> None:
        at = self._marker.end(parcel, outcome, self._is_recorder)
        self._leaving.discard(parcel.key)
        if self._journal is not None:
            self._journal.answer(parcel.key, self._answer_of(outcome), at)

    def _answer_of(self, outcome: Outcome) -> Answer:
        if outcome.kind == "sent":
            return "recorded" if self._is_recorder else "sent"
        return "in_doubt" if outcome.kind == "in_doubt" else "refused"

    def _note_leaving(self, envelope: Envelope) -> None:
        key = self._underway[envelope.key].key
        with self._handing_over:
            if self._is_left_alone:
                raise LeftAlone
            self._leaving.add(key)
        if self._journal is not None:
            self._journal.offer(key)

    def _envelopes(self) -> Iterator[Envelope]:
        """Composed in blocks: in turns with sending, each would find the processor's caches full of the other."""
        while not self._marker.halted.is_set() and (block := self._compose_all(self.work.take())):
            while block and not self._marker.halted.is_set():
                parcel, envelope = block.popleft()
                if self._lane.clock() - parcel.checked_at > CHECK_HOLDS:
                    block = self._compose_all(self._recheck([parcel, *(other for other, _ in block)]))
                    continue
                self._underway[envelope.key] = parcel
                yield envelope

    def _compose_all(self, parcels: Sequence[Parcel]) -> deque[tuple[Parcel, Envelope]]:
        composed = ((parcel, self._compose(parcel)) for parcel in parcels)
        return deque((parcel, envelope) for parcel, envelope in composed if envelope is not None)

    def _compose(self, parcel: Parcel) -> Envelope | None:
        now = self._lane.clock()
        try:
            return self._composer.compose(parcel.row, now)
        except TemplateError as error:
            self.problems.append(error)
            self._marker.judge(parcel, Verdicts.wait, "template_error", now + TEMPLATE_RETRY)
        except AddressRefused:
            self._marker.judge(parcel, Verdicts.refuse_address)
        except SmsTooLong:
            self._marker.judge(parcel, Verdicts.fail, "undeliverable")
        return None
