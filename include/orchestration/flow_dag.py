"""A flow file as a Dag: its Graph view is the flow, its Grid shows what each step did (SEMANTICS 7.9)."""

from datetime import UTC, datetime

from airflow.sdk import DAG, TriggerRule, task

from include.domain.flow import Flow
from include.domain.wake import flow_target
from include.errors import RestockError
from include.flows.definition import BrokenFlow
from include.orchestration.assets import OUTBOX, RELEASED_PEOPLE, due_asset
from include.orchestration.broken_dag import broken_dag
from include.orchestration.defaults import dag_defaults

FLOW_PAGE = """\
{title}: what happens to a person after *{metric}*.

One task per step. Each moves everyone who is due at its step, as one set, and returns how many; a step with
nobody returns 0 and never skips. The Dag wakes when somebody is due.

To change the flow, edit `dags/flows/{name}.yaml`.
"""


def flow_dag_id(flow_name: str) -> str:
    """The Dag of a flow."""
    return f"flow__{flow_name}"


def compile_flow(flow: Flow | BrokenFlow) -> DAG:
    """The Dag of a flow; a broken flow's Dag has one task, which fails with what is wrong."""
    return _compile_valid(flow) if isinstance(flow, Flow) else _compile_broken(flow)


@task(inlets=[RELEASED_PEOPLE], outlets=[OUTBOX])
def enter(flow_name: str, step_id: str) -> dict[str, int]:
    """Make the database know the flow files as they are now, then move everyone due at the first step."""
    from include.orchestration.connections import open_database
    from include.orchestration.flow_files import valid_flows
    from include.services import flows

    now = datetime.now(UTC)
    with open_database() as engine:
        flows.register_flows(engine, valid_flows(), now)
        return flows.move_step(engine, flow_name, step_id, now)


@task(trigger_rule=TriggerRule.ALL_DONE, outlets=[OUTBOX])
def move(flow_name: str, step_id: str) -> dict[str, int]:
    """Move everyone due at one step."""
    from include.orchestration.connections import open_database
    from include.services import flows

    with open_database() as engine:
        return flows.move_step(engine, flow_name, step_id, now=datetime.now(UTC))


@task(trigger_rule=TriggerRule.ONE_FAILED, retries=0)
def report_failed_step() -> None:
    """Turn the run red: later steps run even when an earlier one failed."""
    raise RestockError("A step of this flow failed; its own log says why. The other steps did their work.")


def _compile_valid(flow: Flow) -> DAG:
    page = FLOW_PAGE.format(title=flow.title, metric=flow.metric, name=flow.name)
    with DAG(
        flow_dag_id(flow.name),
        dag_display_name=flow.title,
        schedule=[due_asset(flow_target(flow.name))],
        **dag_defaults("flow", doc=page),
    ) as dag:
        first = flow.steps[0].id
        bodies = {step.id: enter if step.id == first else move for step in flow.steps}
        steps = {
            step_id: body.override(task_id=step_id)(flow.name, step_id) for step_id, body in bodies.items()
        }
        for here, there in flow.links:
            steps[here] >> steps[there]
        list(steps.values()) >> report_failed_step()
    return dag


def _compile_broken(flow: BrokenFlow) -> DAG:
    return broken_dag(flow_dag_id(flow.name), str(flow), [due_asset(flow_target(flow.name))])
