"""Flows: what their files say, and moving the people who stand at a step."""

import json
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, Engine

from include.db.queries import run_query
from include.domain.delivery import priority_of
from include.domain.flow import BackInStockDelay, BaseMessage, Flow
from include.domain.wake import DISPATCH, RELEASE, flow_target
from include.errors import NotFound
from include.services.due import wake
from include.services.settling import settle_requests


def register_flows(engine: Engine, flows: Sequence[Flow], now: datetime) -> dict[str, int]:
    """Make the database know the flows as their files say; a change gives waiting variants a new look."""
    with engine.begin() as connection:
        return learn_flows(connection, flows, now)


def learn_flows(connection: Connection, flows: Sequence[Flow], now: datetime) -> dict[str, int]:
    """The same within a transaction."""
    run_query(connection, "flow.lock_flows")
    changed = sum(_register(connection, flow, now) for flow in flows)
    names = [flow.name for flow in flows]
    gone = len(run_query(connection, "flow.unregister_missing", flow_names=names).all())
    if changed or gone:
        run_query(connection, "release.wake_held", now=now)
        wake(connection, RELEASE)
    return {"flows": len(flows), "changed": changed, "gone": gone}


def move_step(engine: Engine, flow_name: str, step_id: str, now: datetime) -> dict[str, int]:
    """Move everyone due at a step as one set; a message step queues their messages (SEMANTICS 7)."""
    with engine.begin() as connection:
        step = run_query(connection, "flow.find_step", flow_name=flow_name, step_id=step_id).one_or_none()
        if step is None:
            raise NotFound(
                f"Flow '{flow_name}' has no registered step '{step_id}'. Dag restock_release "
                "makes the flow files known: trigger it, then clear this task."
            )
        if step.channel is None:
            return {"moved": 0, "messages": 0}
        moved = run_query(
            connection,
            "flow.move_message_step",
            flow_name=flow_name,
            step_id=step_id,
            channel=step.channel,
            is_choice=step.offered_channels not in ([], ["EMAIL"]),
            offered_channels=step.offered_channels,
            template=step.template,
            status=step.status,
            next_step_id=step.next_step_id,
            purpose=step.purpose,
            priority=priority_of(step.purpose),
            now=now,
        ).one()
        settle_requests(connection, moved.passed_shop_ids, moved.passed_ids, now)
        if moved.moved_count:
            wake(connection, DISPATCH)
            wake(connection, flow_target(flow_name))
        return {"moved": moved.moved_count, "messages": moved.message_count}


def _register(connection: Connection, flow: Flow, now: datetime) -> int:
    changed = run_query(
        connection,
        "flow.upsert_flow",
        flow_name=flow.name,
        title=flow.title,
        metric=flow.metric,
        purpose=flow.purpose,
        first_step_id=_first_step_id(flow),
        definition=json.dumps(flow.model_dump(mode="json")),
        is_telling=any(step.status in ("live", "manual") for step in flow.messages),
        now=now,
    ).one_or_none()
    if changed is not None:
        _register_steps(connection, flow)
    return int(changed is not None)


def _register_steps(connection: Connection, flow: Flow) -> None:
    for position, step in enumerate(flow.steps):
        message = step if isinstance(step, BaseMessage) else None
        run_query(
            connection,
            "flow.upsert_step",
            flow_name=flow.name,
            step_id=step.id,
            position=position,
            kind=step.kind,
            channel=step.message_channel,
            template=message and message.template,
            status=message and message.status,
            next_step_id=flow.next_step_id(step.id),
            uses_smart_sending=message is not None and flow.uses_smart_sending(message),
            requires_stock=message is not None and flow.requires_stock(message),
            without_stock=message.without_stock if message else "hold",
        )
    step_ids = [step.id for step in flow.steps]
    run_query(connection, "flow.delete_steps", flow_name=flow.name, step_ids=step_ids)


def _first_step_id(flow: Flow) -> str | None:
    first = flow.steps[0]
    return flow.next_step_id(first.id) if isinstance(first, BackInStockDelay) else first.id
