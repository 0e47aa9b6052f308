"""Each kind of process is killed at a random moment while messages leave, on one stack (SEMANTICS 6.2, 6.3).

The whole campaign, twenty kills of each kind with 5,000 messages in the queue, is `make kills`.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

import pytest

from tests.e2e.kills.besieged import besieged_stack
from tests.e2e.kills.campaign import Campaign, Plan, Siege
from tests.e2e.kills.victims import KINDS

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

PLAN = Plan(kills=1, queued=300, people_per_restock=200, pace=0.03, pauses=(0.1, 1.5), ends_leases=True)
NAMES = [f"v{number:02}" for number in range(60)]


@pytest.fixture(scope="module")
def campaign() -> Iterator[Campaign]:
    # How long it takes is `make kills`' to say: here the machine may be busy with other tests.
    campaign = Campaign("all", seed=random.randrange(10**6), settles_within=math.inf)
    print(f"\nseed {campaign.seed}")
    with besieged_stack(NAMES) as besieged:
        siege = Siege(besieged, PLAN, iter(NAMES), campaign.seed, print)
        siege.fill()
        siege.conclude(campaign, siege.kill(KINDS, campaign))
        yield campaign


def test_kills_of_every_kind_lose_nobody_and_repeat_one_message_per_connection(campaign: Campaign) -> None:
    print(campaign.figures())
    assert campaign.kills == len(KINDS)
    assert campaign.failures() == []
