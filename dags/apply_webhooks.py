"""Applies what shops' platforms told by webhook: stock, products, deletions.

The door keeps each webhook and answers at once; Airflow wakes this Dag within a second. All that waits is applied
together: of each level and each variant the newest words count, and what a later pull or webhook has overtaken changes
nothing. XCom says how many deliveries were applied, and what that changed. A webhook that never came is made good by
the shop's next pull (Dag `catalog_sync__<shop>`).
"""

from datetime import UTC, datetime

from airflow.sdk import dag, task

from include.domain.wake import WEBHOOKS
from include.orchestration.assets import due_asset
from include.orchestration.catalog_sync import storeless_shops
from include.orchestration.connections import open_database
from include.orchestration.defaults import dag_defaults


@task
def apply() -> dict[str, int]:
    from include.services.webhooks import apply_all

    with open_database() as engine:
        return apply_all(engine, datetime.now(UTC), storeless_shops())


@dag(schedule=[due_asset(WEBHOOKS)], **dag_defaults("sync", doc=__doc__))
def apply_webhooks() -> None:
    apply()


apply_webhooks()
