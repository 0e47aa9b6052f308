"""What an outcome means for the message, its address and the channel (SEMANTICS 6.2, 6.5)."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from include.domain.delivery import (
    MOST_CONSECUTIVE_ERRORS,
    MOST_REFUSED_ADDRESSES,
    next_attempt,
)
from include.messaging.senders.base import Outcome
from include.services.marks import Later, Marks
from include.services.outbox import Parcel


@dataclass(frozen=True)
class ChannelNews:
    """What the outcomes since the last writing say about the channel; errors are those after the last success."""

    has_success: bool
    errors: int
    refusals: int
    detail: str
    probe_at: datetime | None


class Verdicts:
    """Collects outcomes in the order in which they came, until they are taken to be written.

    Refused addresses are suspects until a message is taken: when MOST_REFUSED_ADDRESSES follow each other, it
    is the provider that errs, and they wait instead of being suppressed. `errors` and `refusals` are those
    before. `is_over` once either are too many: then a message that is taken after all mends nothing here, a
    probe has to.
    """

    def __init__(self, counts: Counter[str], errors: int, refusals: int) -> None:
        self.marks = Marks()
        self.is_over = False
        self._counts = counts
        self._errors_before = errors
        self._refusals = refusals
        self._suspects: list[Parcel] = []
        self._probe_at: datetime | None = None
        self._forget_channel()

    def accept(self, parcel: Parcel, at: datetime, is_recorded: bool) -> None:
        """The message left, or was recorded."""
        self._counts["recorded" if is_recorded else "sent"] += 1
        (self.marks.recorded if is_recorded else self.marks.sent).append((parcel.key, at))
        if not is_recorded and not self.is_over:
            self.confirm_suspects()
            self._forget_channel(has_success=True)
            self._errors_before = self._refusals = 0

    def refuse(self, parcel: Parcel, outcome: Outcome, now: datetime) -> None:
        """The message did not leave, or nobody knows."""
        if outcome.is_tried or outcome.kind == "message_refused":
            self.marks.attempts.append((parcel.key, outcome))
        if outcome.kind == "in_doubt":
            self._counts["in_doubt"] += 1
        elif outcome.kind == "address_refused":
            self._suspect(parcel, outcome, now)
        elif outcome.kind == "recipient_objects":
            self.fail(parcel, "suppressed")
            self.marks.objected.append(parcel.key)
        elif outcome.kind == "message_refused":
            self.fail(parcel, "undeliverable")
        else:
            self._try_later(parcel, outcome, now)

    def skip(self, parcel: Parcel, reason: str) -> None:
        """It will not be sent."""
        self._counts["skipped"] += 1
        self.marks.skipped.append((parcel.key, reason))

    def hold(self, parcel: Parcel, reason: str) -> None:
        """A person decides about it."""
        self._counts["later"] += 1
        self.marks.held.append((parcel.key, reason))

    def wait(self, parcel: Parcel, reason: str, until: datetime) -> None:
        """It is looked at again then."""
        self._counts["later"] += 1
        self.marks.later.append(Later(parcel.key, reason, until))

    def park(self, parcel: Parcel, full_domain: str) -> None:
        """It waits at its place until its domain, or without one the channel, has room."""
        self._wait_at_its_place(parcel, "rate_limit", full_domain or None)

    def fail(self, parcel: Parcel, reason: str) -> None:
        """It is given up."""
        self._counts["failed"] += 1
        self.marks.failed.append((parcel.key, reason))

    def refuse_address(self, parcel: Parcel) -> None:
        """Nothing can be written to this address, today or later."""
        self.fail(parcel, "invalid_address")
        self.marks.suppressed.append(parcel.key)

    def confirm_suspects(self) -> None:
        """The provider is sane: these addresses do not exist."""
        for parcel in self._suspects:
            self.refuse_address(parcel)
        self._refusals += len(self._suspects)
        self._unnoted_refusals += len(self._suspects)
        self._suspects.clear()

    def take(self) -> tuple[Marks, ChannelNews]:
        """Everything collected so far; suspects stay."""
        news = ChannelNews(
            self._has_success, self._errors, self._unnoted_refusals, self._detail, self._probe_at
        )
        marks, self.marks = self.marks, Marks()
        self._errors_before += self._errors
        self._forget_channel()
        return marks, news

    def _suspect(self, parcel: Parcel, outcome: Outcome, now: datetime) -> None:
        self._suspects.append(parcel)
        in_a_row = self._refusals + len(self._suspects)
        if in_a_row < MOST_REFUSED_ADDRESSES:
            return
        self.is_over = True
        self._detail = f"{in_a_row} addresses in a row were refused, the last one with {_words(outcome)}"
        for suspect in self._suspects:
            self._requeue(suspect, "channel_paused", now, None, tries=1)
        self._unnoted_refusals += len(self._suspects)
        self._refusals = in_a_row
        self._suspects.clear()

    def _try_later(self, parcel: Parcel, outcome: Outcome, now: datetime) -> None:
        is_channels_fault = outcome.kind == "channel_refused" or not outcome.is_tried
        if is_channels_fault:
            self._errors += 1
            self.is_over = self.is_over or self._errors_before + self._errors >= MOST_CONSECUTIVE_ERRORS
            self._detail = _words(outcome)
            if outcome.retry_after:
                self._probe_at = now + timedelta(seconds=outcome.retry_after)
        reason = "channel_paused" if is_channels_fault else "temporary_error"
        if outcome.is_tried or outcome.retry_after:
            self._requeue(parcel, reason, now, outcome.retry_after, tries=int(outcome.is_tried))
        else:
            self._wait_at_its_place(parcel, reason)

    def _requeue(
        self, parcel: Parcel, reason: str, now: datetime, retry_after: float | None, tries: int
    ) -> None:
        due_at = next_attempt(now, parcel.row.attempt_count + tries, retry_after)
        if due_at is None:
            self.fail(parcel, "undeliverable")
            return
        self._counts["later"] += 1
        self.marks.later.append(Later(parcel.key, reason, due_at, tries))

    def _wait_at_its_place(self, parcel: Parcel, reason: str, full_domain: str | None = None) -> None:
        self._counts["later"] += 1
        self.marks.later.append(Later(parcel.key, reason, None, parked_domain=full_domain))

    def _forget_channel(self, has_success: bool = False) -> None:
        self._has_success = has_success
        self._errors = 0
        self._unnoted_refusals = 0
        self._detail = ""
        self._probe_at = None


def _words(outcome: Outcome) -> str:
    return f"{outcome.code} {outcome.detail}".strip() or outcome.kind
