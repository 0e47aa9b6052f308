"""One lane of the dispatch: claim, check, render, send, mark, until nothing is due (SEMANTICS 5, 6).

Three things go on at once. This thread claims and checks, up to a claim ahead of the sending. A second
one renders, sends over some connections and writes the journal. A third one marks what came of it. What was
checked is checked again if more than a second passes before it leaves.
"""

from collections.abc import Sequence
from datetime import datetime

from include.db.queries import run_query
from include.domain.delivery import next_claim
from include.domain.rules import RuleSet
from include.domain.wake import DISPATCH
from include.errors import ConfigurationError
from include.messaging.render.library import TemplateError
from include.messaging.senders.base import Sender
from include.services.channels import PAUSED, take_probe
from include.services.checks import check
from include.services.compose import composer_for
from include.services.due import wake
from include.services.journal import Journal
from include.services.lane import Lane
from include.services.marker import Marker
from include.services.marks import Key
from include.services.outbox import LEASE, Parcel, claim, find_delivery, read_delivery
from include.services.outgoing import Outlet
from include.services.rate_limits import Room, find_room, take_tokens
from include.services.recovery import recover_journals
from include.services.rules import rules_in_force
from include.services.verdicts import Verdicts

__all__ = ["Lane", "dispatch_lane"]

FIRST_CLAIM = 100
LONGEST_PAUSE = 1.0
SECONDS_TO_STOP = 30.0


def dispatch_lane(lane: Lane, stop_at: datetime) -> dict[str, int]:
    """Send what is due until nothing is, `stop_at` has come or the channel paused; counts by outcome.

    Raises ConfigurationError at the end when a template is wrong: its messages wait, the others went.
    """
    run = _Run(lane)
    is_whole = False
    try:
        run.feed(stop_at)
        is_whole = True
    finally:
        run.close(is_whole)
    if run.marker.failure is not None:
        raise run.marker.failure
    if run.problems:
        raise ConfigurationError(f"{len(run.problems)} messages wait for their template: {run.problems[0]}")
    return lane.summary()


class _Run:
    """One call of dispatch_lane."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._delivery = read_delivery(lane.engine)
        self._composer = composer_for(
            lane.channel, self._delivery, lane.mailbox, lane.templates, lane.engine, lane.intake_url
        )
        self._rules = RuleSet()
        self._claim_size = FIRST_CLAIM
        self._is_probing = False
        self._is_parked = False
        self._recovered_at: datetime | None = None
        with lane.engine.connect() as connection:
            state = run_query(connection, "channel.find_channel", channel=lane.channel).one()
        self._journal = (
            Journal(lane.journals, self._delivery.identity, lane.name) if lane.journals is not None else None
        )
        self.marker = Marker(lane, state.consecutive_errors, state.refused_addresses)
        self._live, self._recorded = (self._open_outlet(sender) for sender in (lane.sender, lane.recorder))

    @property
    def problems(self) -> list[TemplateError]:
        """Why templates could not be used."""
        return self._live.problems + self._recorded.problems

    def feed(self, stop_at: datetime) -> None:
        """Claim, check and hand over until nothing is due."""
        is_going = True
        while is_going and self._lane.clock() < stop_at and not self.marker.halted.is_set():
            began_at, ended_count = self._lane.clock(), self.marker.ended_count
            is_going = self._feed_once()
            seconds = (self._lane.clock() - began_at).total_seconds()
            self._claim_size = next_claim(self._claim_size, self.marker.ended_count - ended_count, seconds)

    def close(self, is_whole: bool) -> None:
        """End the threads, write what is known and free what did not leave; give up on a stuck connection."""
        if not is_whole:
            self.marker.halted.set()
        is_halted, patience = self.marker.halted.is_set(), None if is_whole else SECONDS_TO_STOP
        doubtful = [outlet.close(is_halted, patience) for outlet in (self._live, self._recorded)]
        is_marked = self.marker.close(set().union(*doubtful))
        if self._journal is not None:
            self._journal.close(is_marked)
        if self.marker.failure is None:
            with self._lane.engine.begin() as connection:
                wake(connection, DISPATCH)

    def _feed_once(self) -> bool:
        """One claim; False when there is nothing to do."""
        now = self._lane.clock()
        self._recover(now)
        with self._lane.engine.begin() as connection:
            state = run_query(connection, "channel.find_channel", channel=self._lane.channel).one()
            if state.paused_at is not None and not take_probe(connection, self._lane.channel, now):
                self.marker.halt(PAUSED)
                return False
            self._delivery = find_delivery(connection)
            _, self._rules = rules_in_force(connection, now)
            self._is_probing = state.paused_at is not None
            size = 1 if self._is_probing else self._claim_size
            room = find_room(
                connection, self._lane.channel, self._rules.limits(self._lane.channel), size, now
            )
        keys = self._claim(room, now)
        if not keys:
            return self._find_parked() or self._pause_until(room.next_at)
        self._hand_over(self._within_limits(self._fit(keys)))
        if self._is_probing:
            self.marker.wait_until_marked()
        else:
            self._live.work.wait_below(size, self.marker.halted)
            self._recorded.work.wait_below(size, self.marker.halted)
        return True

    def _recover(self, now: datetime) -> None:
        """Dead lanes' journals are read long before their leases end: a claim frees what has no lease."""
        if self._recovered_at is None or now - self._recovered_at >= LEASE / 6:
            recover_journals(self._lane.engine, self._lane.journals, now)
            self._recovered_at = now

    def _claim(self, room: Room, now: datetime) -> list[Key]:
        if room.claim_size < 1:
            return []
        return claim(
            self._lane.engine, self._lane.channel, self._lane.name, room.claim_size, now, room.parked
        )

    def _find_parked(self) -> bool:
        """Whether this lane parked something since it last looked; then it can be claimed now."""
        was_parked, self._is_parked = self._is_parked, False
        if was_parked:
            self.marker.wait_until_written()
        return was_parked

    def _pause_until(self, next_at: datetime | None) -> bool:
        """A rate limit holds back what is due: wait for room. False when nothing is held back."""
        if next_at is None:
            return False
        now = self._lane.clock()
        self._lane.pause(min(max((next_at - now).total_seconds(), 0.01), LONGEST_PAUSE))
        return self._lane.clock() > now

    def _fit(self, keys: Sequence[Key]) -> list[Parcel]:
        """What may leave now; what may not is marked."""
        now = self._lane.clock()
        lane, fit = self._lane, []
        for row, verdict in check(lane.engine, lane.name, lane.channel, keys, self._rules, now):
            parcel = Parcel(Key(row.shop_id, row.message_id), row, now)
            if verdict is None:
                fit.append(parcel)
            elif verdict.is_held:
                self.marker.judge(parcel, Verdicts.hold, verdict.reason)
            elif verdict.until is None:
                self.marker.judge(parcel, Verdicts.skip, verdict.reason)
            else:
                self.marker.judge(parcel, Verdicts.wait, verdict.reason, verdict.until)
        return fit

    def _recheck(self, parcels: Sequence[Parcel]) -> Sequence[Parcel]:
        if self._is_paused():
            self.marker.halt(PAUSED)
            return []
        fit = self._fit([parcel.key for parcel in parcels])
        self.marker.drop(parcels, kept=fit)
        return fit

    def _is_paused(self) -> bool:
        """Whether somebody paused the channel since the claim; a probe may leave nevertheless."""
        with self._lane.engine.connect() as connection:
            state = run_query(connection, "channel.find_channel", channel=self._lane.channel).one()
        return state.paused_at is not None and not self._is_probing

    def _within_limits(self, parcels: list[Parcel]) -> list[Parcel]:
        limits = self._rules.limits(self._lane.channel)
        if not limits or not parcels:
            return parcels
        with self._lane.engine.begin() as connection:
            allowed, above = take_tokens(connection, self._lane.channel, limits, parcels, self._lane.clock())
        for parcel, domain in above:
            self.marker.judge(parcel, Verdicts.park, domain)
            self._is_parked = True
        return allowed

    def _hand_over(self, parcels: Sequence[Parcel]) -> None:
        self.marker.open(parcels)
        live = [parcel for parcel in parcels if self._delivery.is_live_for(parcel.row.address)]
        if len(live) < len(parcels):
            live_keys = {parcel.key for parcel in live}
            self._recorded.work.put([parcel for parcel in parcels if parcel.key not in live_keys])
        self._live.work.put(live)

    def _open_outlet(self, sender: Sender) -> Outlet:
        return Outlet(self._lane, sender, self._composer, self.marker, self._journal, self._recheck)
