"""The demo shop's script, as data: what happens to its stock, stage by stage.

Each stage sets the stock of some variants and leaves the others as they were. `told` says how many people
Restock must have told in this stage; an independent test works out who they are, from the rules here, the
stock and the waiting list.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from include.local.demo.assortment import Split

MIN_INVENTORY = 3
CUSTOMERS_PER_UNIT = 5

RUNNER = "fjell-wool-runner-moss-42"
BOOT = "kaya-hiking-boot-rust-41"
BACKPACK = "rolltop-backpack-moss"
BLANKET = "wool-blanket-rust"
COAT = "mira-rain-coat-slate-l"
SWEATER = "aran-wool-sweater-chalk-m"
DISCONTINUED = "harbour-parka-navy-l"
"""Asked for by people of the waiting list, known to no feed."""

UNSUBSCRIBER = "mathilda.unterberger@example.org"

Fault = Literal["none", "sold_out_reads_999", "maintenance_page"]


@dataclass(frozen=True)
class Stage:
    """One state of the shop.

    `outlasts_wait`: the shop stays like this until the wait after the first batches is over, so that variants
    with people left get their next batch from this stage's stock.
    """

    title: str
    story: str
    stock: Mapping[str, Split] = field(default_factory=dict)
    fault: Fault = "none"
    told: Mapping[str, int] = field(default_factory=dict)
    outlasts_wait: bool = False
    unsubscribes: tuple[str, ...] = ()


NOTHING = Split(0, 0)

STAGES = (
    Stage(
        title="Baseline",
        story="The first pull of the shop. More than half of it is sold out.",
        stock={
            RUNNER: NOTHING,
            BOOT: NOTHING,
            BACKPACK: NOTHING,
            BLANKET: NOTHING,
            COAT: Split(26, 13),
            SWEATER: NOTHING,
        },
    ),
    Stage(
        title="Restock",
        story="20 units of the most wanted shoe arrive: 14 in the warehouse, 6 in the store.",
        stock={RUNNER: Split(14, 6)},
        told={RUNNER: 100},
        unsubscribes=(UNSUBSCRIBER,),
    ),
    Stage(
        title="Part of it sells",
        story=(
            "During the wait 12 of the 20 shoes sell. A boot and a backpack come back, of a blanket only 2 units, "
            "and a rain coat sells out."
        ),
        stock={
            RUNNER: Split(5, 3),
            BOOT: Split(5, 0),
            BACKPACK: Split(6, 4),
            BLANKET: Split(1, 1),
            COAT: NOTHING,
        },
        told={BOOT: 20, BACKPACK: 15, RUNNER: 40},
        outlasts_wait=True,
    ),
    Stage(
        title="Below the minimum",
        story="Only 2 of the shoes are left. 4 units of the rain coat come back.",
        stock={RUNNER: Split(1, 1), COAT: Split(4, 0)},
        told={COAT: 13},
    ),
    Stage(
        title="A bad feed",
        story="A fault in the shop's export: every sold-out variant reads 999.",
        fault="sold_out_reads_999",
    ),
    Stage(
        title="A good feed again",
        story="The export is mended. Since then 6 units of a sweater came back, and nothing else.",
        stock={SWEATER: Split(4, 2)},
        told={SWEATER: 8},
    ),
)
