"""Reads one shop's stock and finds what came back.

*pull* asks the shop and keeps what it answered in the archive; a retry, a cleared task and a backfill use the
archive again. Platforms with increments are asked for what changed, and once in a while for the whole shop, which
`full_sweep` asks for at once; while the platform prepares it, the task waits without a worker. *load* turns the answer
into a snapshot, or refuses the whole of it: then nothing changes, the task is red and its log names the observed and
the allowed number; a run by hand with an `accept_reason` lets its own pull pass all the same. *detect* finds what
changed and what is back.

Each run answers for its data interval. Unless its feed is dated, a shop knows only its present stock: a past
interval that was never pulled says so and skips. A run started by hand is an observation of its own. Backfill
(Trigger > Backfill) in any order: a late interval takes its place in the history, and *detect* returns what that
changed. Shops, their schedules and feeds are in `dags/config/shops.yaml`.
"""

from datetime import UTC, datetime
from typing import Any

from airflow.sdk import DAG, task

from include.orchestration.assets import stock_asset
from include.orchestration.broken_dag import broken_dag
from include.orchestration.catalog_sync import (
    ACCEPT_REASON,
    accepted_reason,
    open_shop,
    read_shops,
    shop_timetable,
)
from include.orchestration.defaults import dag_defaults
from include.orchestration.pulling import FULL_SWEEP, PullShop


@task
def load(shop_id: str) -> dict[str, Any]:
    from include.services import catalog

    with open_shop(shop_id) as parts:
        return catalog.load_snapshot(*parts, now=datetime.now(UTC), accepted_reason=accepted_reason())


@task
def detect(shop_id: str, loaded: dict[str, Any]) -> dict[str, Any]:
    from include.services import catalog

    with open_shop(shop_id) as parts:
        return catalog.detect_changes(*parts, snapshot_id=loaded["snapshot_id"], now=datetime.now(UTC))


shops, problems = read_shops()
for shop in shops:
    params = {"full_sweep": FULL_SWEEP, "accept_reason": ACCEPT_REASON}
    options = {"params": params, **dag_defaults("sync", shop.id, doc=__doc__)}
    with DAG(f"catalog_sync__{shop.id}", schedule=shop_timetable(shop), **options):
        loaded = load(shop.id)
        PullShop(task_id="pull", shop_id=shop.id) >> loaded
        detect.override(outlets=[stock_asset(shop.id)])(shop.id, loaded)
if problems:
    broken_dag("catalog_sync", problems)
