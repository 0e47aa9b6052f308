"""Flow files: one YAML each, checked whole, so that all problems are told at once (SEMANTICS 7.9)."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from include.domain.flow import Flow
from include.flows.located_yaml import LocatedYaml, parse_yaml
from include.flows.problems import FlowProblem, describe_error
from include.flows.step_checks import check_steps


@dataclass(frozen=True)
class BrokenFlow:
    """A flow file that can't be used; `name` is made from the file's, so that its Dag stays the same one."""

    name: str
    problems: tuple[FlowProblem, ...]

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


def load_flows(
    folder: Path, templates: Collection[str], sms_templates: Collection[str] = ()
) -> tuple[Flow | BrokenFlow, ...]:
    """Every flow file of `folder` by name; a broken one stands in its place and removes no other."""
    files = (
        sorted(file for file in folder.iterdir() if file.suffix in (".yaml", ".yml"))
        if folder.is_dir()
        else []
    )
    return tuple(read_flow(file, templates, sms_templates) for file in files)


def read_flow(
    file: Path, templates: Collection[str], sms_templates: Collection[str] = ()
) -> Flow | BrokenFlow:
    """The flow of one file, or everything that is wrong with it."""
    label = f"{file.parent.name}/{file.name}"
    if file.suffix != ".yaml":
        problem = FlowProblem(
            label, 1, None, f"the file is named {file.name}", allowed=f"rename it to {file.stem}.yaml"
        )
        return BrokenFlow(_safe_name(file.name), (problem,))
    try:
        document = parse_yaml(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        problem = FlowProblem(label, 1, None, f"the file can't be read: {error}", allowed="text in UTF-8")
        return BrokenFlow(_safe_name(file.stem), (problem,))
    flow, problems = _check(document, label, file.stem, templates, sms_templates)
    return flow if flow and not problems else BrokenFlow(_safe_name(file.stem), problems)


def _check(
    document: LocatedYaml,
    label: str,
    stem: str,
    templates: Collection[str],
    sms_templates: Collection[str],
) -> tuple[Flow | None, tuple[FlowProblem, ...]]:
    problems = [FlowProblem(label, line, None, text) for line, text in document.flaws]
    flow = None
    if isinstance(document.data, dict):
        try:
            flow = Flow.model_validate(document.data)
        except ValidationError as error:
            problems += [describe_error(detail, document, label) for detail in _own_errors(error)]
        problems += _check_name(document, label, stem)
        problems += check_steps(document, label, templates, sms_templates)
    elif not problems:
        problems.append(
            FlowProblem(label, 1, None, "the file holds no flow", allowed="name, title, trigger, steps")
        )
    return flow, tuple(sorted(set(problems), key=lambda problem: (problem.line, problem.text)))


def _own_errors(error: ValidationError) -> list[ErrorDetails]:
    # Steps that are wrong themselves leave an empty tuple behind, which says nothing new.
    details = error.errors(include_url=False)
    return [detail for detail in details if not (detail["type"] == "too_short" and detail["input"])]


def _check_name(document: LocatedYaml, label: str, stem: str) -> Iterator[FlowProblem]:
    name = document.data.get("name")
    if isinstance(name, str) and name != stem:
        line = document.line_of(("name",))
        yield FlowProblem(label, line, None, f"name '{name}' is not the file's name", allowed=f"'{stem}'")


def _safe_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]", "_", text)
