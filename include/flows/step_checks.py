"""Checks between the parts of a flow file; they read what was written, however wrong the rest may be."""

from collections.abc import Collection, Iterator
from typing import Any

from include.domain.flow import BACK_IN_STOCK_METRIC
from include.flows.located_yaml import LocatedYaml
from include.flows.problems import FlowProblem, closest, step_label

Finding = tuple[int, str, str, str, str]


def check_steps(
    document: LocatedYaml, label: str, templates: Collection[str], sms_templates: Collection[str]
) -> list[FlowProblem]:
    """Problems of ids, links, templates and the place of the back-in-stock delay."""
    steps = document.value_at(("steps",))
    if not isinstance(steps, list):
        return []
    findings = [
        *_check_ids(steps),
        *_check_links(steps),
        *_check_delay(steps, document.value_at(("trigger", "metric"))),
        *_check_templates(steps, templates, sms_templates),
    ]
    return [
        FlowProblem(label, document.line_of(("steps", index, field)), step_label(document, index), *said)
        for index, field, *said in findings
    ]


def _check_ids(steps: list[Any]) -> Iterator[Finding]:
    ids = [_field(step, "id") for step in steps]
    for index, step_id in enumerate(ids):
        if step_id and step_id in ids[:index]:
            yield index, "id", f"id '{step_id}' is used by an earlier step too", "an id of its own", ""


def _check_links(steps: list[Any]) -> Iterator[Finding]:
    ids = [_field(step, "id") for step in steps]
    for index, step in enumerate(steps):
        target, later = _field(step, "next"), [step_id for step_id in ids[index + 1 :] if step_id]
        if target and target not in later:
            said = "is not a later step" if target in ids else "does not exist"
            allowed = ", ".join(later) or "nothing: this is the last step"
            yield index, "next", f"next '{target}' {said}", allowed, closest(target, later)


def _check_delay(steps: list[Any], metric: Any) -> Iterator[Finding]:
    for index, step in enumerate(steps):
        if _field(step, "kind") != "back_in_stock_delay":
            continue
        if index:
            yield index, "kind", "back_in_stock_delay is not the first step", "the first step only", ""
        if metric != BACK_IN_STOCK_METRIC:
            text = f"back_in_stock_delay can't follow the metric '{metric}'"
            yield index, "kind", text, f"trigger metric '{BACK_IN_STOCK_METRIC}'", ""


def _check_templates(
    steps: list[Any], templates: Collection[str], sms_templates: Collection[str]
) -> Iterator[Finding]:
    for index, step in enumerate(steps):
        template, is_sms = _field(step, "template"), _field(step, "kind") == "send_sms"
        known = sms_templates if is_sms else templates
        if template and template not in known:
            text = f"template '{template}{'.sms.txt' if is_sms else ''}' does not exist"
            allowed = ", ".join(sorted(known)) or "none: there are no templates"
            yield index, "template", text, allowed, closest(template, known)


def _field(step: Any, name: str) -> str | None:
    value = step.get(name) if isinstance(step, dict) else None
    return value if isinstance(value, str) else None
