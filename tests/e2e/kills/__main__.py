"""`python -m tests.e2e.kills [KIND …]`: the whole campaign, each kind on a fresh stack.

Kinds that are joined, as in `triggerer+api-server`, are killed in turns on one stack.
What happened goes to `var/kills/KIND.json`, a line of docs/reliability.md's table to the terminal.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import sys
import time
from pathlib import Path

from include.settings import PROJECT_HOME
from tests.e2e.kills.besieged import besieged_stack
from tests.e2e.kills.campaign import Campaign, Plan, Siege
from tests.e2e.kills.victims import KINDS

VARIANTS = 120
FOLDER = PROJECT_HOME / "var" / "kills"
HEADER = "| killed | kills | fewest queued | owed | lost | repeated | strangers | overtaken | settled after | load |"


def main() -> int:
    """0 when every promise was kept."""
    given = _arguments()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    print(f"{HEADER}\n{'| --- ' * HEADER.count(' |')}|", flush=True)
    campaigns = [run(kinds, _plan(given), given.seed) for kinds in given.kinds or KINDS]
    broken = [f"{campaign.kinds}: {failure}" for campaign in campaigns for failure in campaign.failures()]
    print("\n".join(broken) or "Every promise was kept.")
    return 1 if broken else 0


def run(kinds: str, plan: Plan, seed: int) -> Campaign:
    """One kind, or several in turns, on a stack of their own."""
    names = [f"v{number:03}" for number in range(VARIANTS)]
    campaign, began = Campaign(kinds, seed), time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {text}", file=sys.stderr, flush=True)

    with besieged_stack(names) as besieged:
        siege = Siege(besieged, plan, iter(names), seed, say)
        siege.fill()
        say("the queue is full")
        siege.conclude(campaign, siege.kill(kinds.split("+"), campaign))
        if campaign.failures():
            keep_logs(besieged.settings.var_folder / "logs", kinds)
    keep(campaign, FOLDER)
    print(line_of(campaign), flush=True)
    return campaign


def keep_logs(logs: Path, kinds: str) -> None:
    shutil.copytree(logs, FOLDER / f"{kinds}-logs", dirs_exist_ok=True)


def keep(campaign: Campaign, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{campaign.kinds}.json").write_text(json.dumps(campaign.figures(), indent=1) + "\n")


def line_of(campaign: Campaign) -> str:
    """A row of the table."""
    verdict = campaign.verdict
    assert verdict is not None
    cells = [
        campaign.kinds,
        campaign.kills,
        f"{campaign.fewest_queued:,}",
        f"{verdict.owed:,}",
        verdict.lost,
        verdict.repeated,
        verdict.strangers,
        verdict.overtaken,
        f"{campaign.settle_seconds:.0f} s",
        f"{min(campaign.loads):.0f} to {max(campaign.loads):.0f}" if campaign.loads else "",
    ]
    return f"| {' | '.join(map(str, cells))} |"


def _plan(given: argparse.Namespace) -> Plan:
    return Plan(
        given.kills,
        given.queued,
        people_per_restock=1_000,
        pace=given.pace,
        seconds=60 * given.minutes,
        at_once=0.7,
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.kills", description=__doc__)
    parser.add_argument(
        "kinds",
        nargs="*",
        metavar="KIND",
        help=f"of {', '.join(KINDS)}, joined by + for one stack; default: all",
    )
    parser.add_argument("--kills", type=int, default=20, help="per kind (20)")
    parser.add_argument("--queued", type=int, default=5_000, help="messages that wait at every kill (5000)")
    parser.add_argument("--pace", type=float, default=0.03, help="seconds that each mail takes (0.03)")
    parser.add_argument("--minutes", type=float, default=60, help="then a kind is not killed any more (60)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the random moments")
    given = parser.parse_args()
    unknown = {kind for kinds in given.kinds for kind in kinds.split("+")} - set(KINDS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; allowed are {', '.join(KINDS)}")
    return given


if __name__ == "__main__":
    sys.exit(main())
