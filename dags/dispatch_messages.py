"""Sends what waits in the outbox: the only way out of Restock.

A fixed number of *lanes* per channel, each with a connection of its own. A lane claims messages, checks them
once more (consent, suppression, stock), renders, sends and marks them, until none is due or five minutes are
over; what is left wakes the Dag again. A temporary error is tried again later, a wrong address is suppressed,
and a refusing server pauses the channel without losing a message. A lane that fell is started again soon,
however often it fell before: what waits for it waits no longer.

Airflow wakes this Dag when a message is due. The accounts are the Connections `restock_smtp` and, where SMS
are sent, `restock_sms`. Airflow's configuration may set the number of lanes, `[restock] email_lanes` (4) and
`sms_lanes` (1), and pools that exist, `[restock] email_pool` and `sms_pool`.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import dag, task

from include.domain.wake import DISPATCH
from include.orchestration.assets import OUTBOX, SENT_MESSAGES, due_asset
from include.orchestration.defaults import channel_lanes, channel_pool, dag_defaults
from include.orchestration.lanes import open_email_lane, open_sms_lane

EMAIL_LANES = channel_lanes("email")
SMS_LANES = channel_lanes("sms")
LANE_TIME = timedelta(minutes=5)
LANE: dict[str, Any] = {
    "map_index_template": "lane {{ task.op_kwargs['lane'] }}",
    "inlets": [OUTBOX],
    "outlets": [SENT_MESSAGES],
    "retry_delay": timedelta(seconds=5),
    "retry_exponential_backoff": 0,
}


@task(pool=channel_pool("email"), max_active_tis_per_dag=EMAIL_LANES, **LANE)
def send_email(lane: int) -> dict[str, int]:
    from include.services.dispatch import dispatch_lane

    with open_email_lane(lane) as parts:
        return dispatch_lane(parts, stop_at=datetime.now(UTC) + LANE_TIME)


@task(pool=channel_pool("sms"), max_active_tis_per_dag=SMS_LANES, **LANE)
def send_sms(lane: int) -> dict[str, int]:
    from include.services.dispatch import dispatch_lane

    with open_sms_lane(lane) as parts:
        return dispatch_lane(parts, stop_at=datetime.now(UTC) + LANE_TIME) if parts else {}


@dag(schedule=[due_asset(DISPATCH)], **dag_defaults("dispatch", doc=__doc__))
def dispatch_messages() -> None:
    send_email.expand(lane=list(range(1, EMAIL_LANES + 1)))
    send_sms.expand(lane=list(range(1, SMS_LANES + 1)))


dispatch_messages()
