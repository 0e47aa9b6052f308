"""Assets: what wakes a Dag, and what people can follow from feed to mailbox.

Only the due assets schedule anything. The others are lineage: they show in Airflow's asset graph what a task
wrote, and start nothing, so nothing starts twice.
"""

from collections.abc import Iterable

from airflow.sdk import Asset, AssetAlias, AssetWatcher

from include.domain.flow import Flow
from include.domain.wake import DISPATCH, RELEASE, WEBHOOKS, flow_target
from include.flows.definition import BrokenFlow
from include.orchestration.wake import DueTrigger

RELEASED_PEOPLE = Asset("restock/released_people")
OUTBOX = Asset("restock/outbox")
SENT_MESSAGES = Asset("restock/sent_messages")
REPORT_FILES = Asset("restock/report_files")
REPORT_TABLES = AssetAlias("restock/report_tables")

# Through an alias a task emits events only for the targets that it adds, not for all on every success.
MISSED_WAKE_UPS = AssetAlias("restock_due/missed")


def due_asset(target: str) -> Asset:
    """What a woken Dag is scheduled on; an event reaches every asset of its trigger, so each has its own."""
    watcher = AssetWatcher(target, trigger=DueTrigger(target))
    return Asset(f"restock_due/{target.replace(':', '/')}", watchers=[watcher])


def stock_asset(shop_id: str) -> Asset:
    """The current stock of a shop, as of its newest pull."""
    return Asset(f"restock/stock/{shop_id}")


def report_asset(name: str) -> Asset:
    """One report's table; a run that built it adds an event through REPORT_TABLES."""
    return Asset(f"restock/report/{name}")


def due_assets(flows: Iterable[Flow | BrokenFlow]) -> dict[str, Asset]:
    """The due asset of every target that has a Dag."""
    targets = [RELEASE, DISPATCH, WEBHOOKS, *(flow_target(flow.name) for flow in flows)]
    return {target: due_asset(target) for target in targets}
