"""One kind of process is killed again and again while messages leave; then everything is counted."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from include.services.outbox import LEASE
from tests.e2e.kills.besieged import SOLD_OUT, Besieged
from tests.e2e.kills.evidence import Verdict, judge, read_mails
from tests.e2e.kills.victims import KINDS, find_victim

# Two lanes of the local stack, each with one SMTP connection.
CONNECTIONS = 2
# What two lanes may have in their hands at once, each a claim and one ahead: no order holds within it.
IN_HAND = 400
SLACK_SECONDS = 15.0
# A victim is killed at an age between 0 and this: while it starts, takes over from its predecessor, or works.
OLDEST = dict.fromkeys(KINDS, 0.0) | {"scheduler": 25.0, "triggerer": 15.0, "api-server": 15.0}
SETTLE_SECONDS = 2 * LEASE.total_seconds()


@dataclass(frozen=True)
class Plan:
    """`queued` messages at least wait at every kill; `pace` is what the provider takes for one.

    A share `at_once` of the kills does not wait until mails leave: it strikes what may still recover.
    Who `ends_leases` does not sit out the lease of what is in doubt: it ends when the kills do.
    """

    kills: int
    queued: int
    people_per_restock: int
    pace: float
    pauses: tuple[float, float] = (0.2, 2.5)
    seconds: float = 3_600.0
    at_once: float = 0.0
    ends_leases: bool = False


@dataclass
class Campaign:
    """What was done and what came of it.

    `at_once` counts the kills that did not wait until mails leave; `loads` are the machine's averages of a minute.
    """

    kinds: str
    seed: int
    killed: Counter[str] = field(default_factory=Counter)
    at_once: int = 0
    loads: list[float] = field(default_factory=list)
    fewest_queued: int = 10**9
    longest_stall: float = 0.0
    settle_seconds: float = 0.0
    in_doubt: int = 0
    verdict: Verdict | None = None
    states: dict[str, int] = field(default_factory=dict)
    stalled: str = ""
    settles_within: float = LEASE.total_seconds() + SLACK_SECONDS

    @property
    def kills(self) -> int:
        return self.killed.total()

    def figures(self) -> dict[str, Any]:
        return {**asdict(self), "killed": dict(self.killed), "kills": self.kills}

    def failures(self) -> list[str]:
        """Which promises were broken."""
        verdict = self.verdict
        assert verdict is not None
        promises = {
            "nobody is lost": verdict.lost == 0,
            "nobody is told who is owed nothing": verdict.strangers == 0,
            "nobody is told by two messages": verdict.told_by_two_messages == 0,
            "at most one message is repeated per connection and kill": verdict.repeated
            <= self.kills * CONNECTIONS,
            "the order holds but for what lanes had in hand": verdict.overtaken
            <= self.kills * CONNECTIONS * IN_HAND,
            "everything settles within the lease": self.settle_seconds <= self.settles_within,
            "every message is sent and every request is notified": set(self.states)
            == {"message sent", "request notified", "request cancelled", "request waiting"},
        }
        broken = [promise for promise, is_kept in promises.items() if not is_kept]
        return broken + ([self.stalled] if self.stalled else [])


class Siege:
    """Kills on one stack, with enough in the queue."""

    def __init__(
        self, besieged: Besieged, plan: Plan, variants: Iterator[str], seed: int, say: Callable[[str], None]
    ) -> None:
        self._besieged = besieged
        self._plan = plan
        self._variants = variants
        self._chance = random.Random(seed)
        self._say = say
        self._silent_since: float | None = None

    def fill(self) -> None:
        """Let things come back into stock until enough messages are queued."""
        self._besieged.set_pace(self._plan.pace)
        self._besieged.ask(SOLD_OUT, self._plan.people_per_restock)
        while self._expected_queue() < self._plan.queued * 1.2:
            self._restock()
        self._wait_until_queued()

    def kill(self, kinds: Sequence[str], campaign: Campaign) -> float:
        """Kill these in turns, each as often as planned, or as time allows; the moment of the last kill."""
        began_at = killed_at = time.monotonic()
        for kind in [*kinds] * self._plan.kills:
            if time.monotonic() - began_at > self._plan.seconds:
                break
            try:
                if self._chance.random() < self._plan.at_once:
                    campaign.at_once += 1
                else:
                    self._wait_until_mails_leave(campaign)
                campaign.fewest_queued = min(campaign.fewest_queued, self._wait_until_queued())
                label = self._kill_at_random_moment(kind)
            except AssertionError as stalled:
                campaign.stalled = str(stalled)
                break
            killed_at = time.monotonic()
            self._silent_since = self._silent_since or killed_at
            campaign.killed[label] += 1
            campaign.loads.append(round(os.getloadavg()[0], 1))
            self._say(f"kill {campaign.kills}: {label}")
            time.sleep(self._chance.uniform(0.0, 1.0))
            self._besieged.revive()
        return killed_at

    def conclude(self, campaign: Campaign, killed_at: float) -> None:
        """Let everything settle and count."""
        besieged = self._besieged
        besieged.set_pace(0.0)
        try:
            besieged.wait_for("everything to settle", self._is_settled, SETTLE_SECONDS)
        except AssertionError as stalled:
            campaign.stalled = str(stalled)
        campaign.settle_seconds = time.monotonic() - killed_at
        campaign.verdict = judge(read_mails(besieged.mailbox), besieged.owed, IN_HAND)
        campaign.in_doubt = (
            besieged.count("SELECT count(*) FROM delivery_attempt WHERE outcome = 'in_doubt'") or 0
        )
        rows = besieged.query(
            "SELECT 'message ' || state AS state, count(*) FROM message GROUP BY state UNION ALL "
            "SELECT 'request ' || state, count(*) FROM subscription GROUP BY state ORDER BY 1"
        )
        campaign.states = {row[0]: row[1] for row in rows}

    def _is_settled(self) -> bool:
        if self._plan.ends_leases:
            self._besieged.end_leases_of_doubts()
        return self._besieged.unsettled() == 0

    def _kill_at_random_moment(self, kind: str) -> str:
        time.sleep(self._chance.uniform(*self._plan.pauses))
        age = self._chance.uniform(0.0, OLDEST[kind])
        victim = self._besieged.wait_for(
            f"a living {kind}", lambda: find_victim(self._besieged, kind, age, self._chance)
        )
        victim.kill()
        return str(victim.label)

    def _wait_until_mails_leave(self, campaign: Campaign) -> None:
        """And note how long none may have left since the kills before."""
        before = self._besieged.mail_count()
        self._besieged.wait_for("mails to leave", lambda: self._besieged.mail_count() > before + 1)
        if self._silent_since is not None:
            campaign.longest_stall = max(campaign.longest_stall, time.monotonic() - self._silent_since)
        self._silent_since = None

    def _wait_until_queued(self) -> int:
        return int(self._besieged.wait_for("the queue", self._top_up))

    def _top_up(self) -> int | None:
        """What is queued, if that is enough; mails leave meanwhile, so more may have to come back."""
        if self._expected_queue() < self._plan.queued + self._plan.people_per_restock / 2:
            self._restock()
        return self._if_enough(self._besieged.unsent())

    def _if_enough(self, unsent: int | None) -> int | None:
        return unsent if unsent is not None and unsent >= self._plan.queued else None

    def _expected_queue(self) -> int:
        """Who is owed a mail and has none yet: queued, or on the way to the queue."""
        return sum(map(len, self._besieged.owed.values())) - self._besieged.mail_count()

    def _restock(self) -> None:
        self._besieged.wait_for("the database", lambda: self._besieged.unsent() is not None)
        self._besieged.restock(next(self._variants), self._plan.people_per_restock)
