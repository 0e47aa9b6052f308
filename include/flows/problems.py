"""What is wrong in a flow file, said so that its author can mend it."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from include.domain.flow import STEP_KINDS, BaseStep, Flow, FlowPart, Trigger
from include.flows.located_yaml import LocatedYaml, Path

NAME_RULE = "a-z, 0-9 and _, beginning with a letter, at most 64 characters"


@dataclass(frozen=True)
class FlowProblem:
    """Where, what is wrong, what is allowed."""

    file: str
    line: int
    step: str | None
    text: str
    allowed: str = ""
    meant: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" + (f", step {self.step}" if self.step else "")
        meant = f" Did you mean '{self.meant}'?" if self.meant else ""
        return f"{where}: {self.text}.{meant}" + (f" Allowed: {self.allowed}." if self.allowed else "")


def closest(word: Any, allowed: Collection[str]) -> str:
    """The allowed word that was probably meant; empty where none is close."""
    return next(iter(get_close_matches(str(word), allowed, n=1)), "")


def step_label(document: LocatedYaml, index: int) -> str:
    """How a step is called in a problem: its id, else its place."""
    step_id = document.value_at(("steps", index, "id"))
    return step_id if isinstance(step_id, str) and step_id else str(index + 1)


def describe_error(detail: Mapping[str, Any], document: LocatedYaml, label: str) -> FlowProblem:
    """A pydantic error in words of the flow file."""
    path = _plain_path(detail, document)
    step = step_label(document, int(path[1])) if _is_in_step(path) else None
    return FlowProblem(label, document.line_of(path), step, *_say(detail, path, document))


def _say(detail: Mapping[str, Any], path: Path, document: LocatedYaml) -> tuple[str, str, str]:
    field, seen = str(path[-1]) if path else "flow", detail["input"]
    match detail["type"]:
        case "missing":
            return f"{field} is missing", _allowed_for(field), ""
        case "extra_forbidden":
            known = _fields_at(path[:-1], document)
            return f"{field} is not known here", ", ".join(known), closest(field, known)
        case "union_tag_not_found":
            return "kind is missing", ", ".join(STEP_KINDS), ""
        case "union_tag_invalid":
            kind = detail["ctx"]["tag"]
            return f"kind is '{kind}'", ", ".join(STEP_KINDS), closest(kind, STEP_KINDS)
        case "literal_error":
            expected = re.findall(r"'([^']*)'", detail["ctx"]["expected"])
            return f"{field} is '{seen}'", ", ".join(expected), closest(seen, expected)
        case "string_pattern_mismatch":
            return f"{field} is '{seen}'", NAME_RULE, ""
        case "model_type" | "model_attributes_type" | "dict_type":
            known = _fields_at(path, document)
            return f"{_short(seen)} stands where a part of the flow belongs", ", ".join(known), ""
        case _:
            return f"{field} is {_short(seen)}: {detail['msg']}", "", ""


def _plain_path(detail: Mapping[str, Any], document: LocatedYaml) -> Path:
    location: Path = detail["loc"]
    if detail["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return (*location, "kind")
    # Pydantic puts the kind of a step between its index and its field.
    if (
        len(location) > 2
        and location[0] == "steps"
        and location[2] == document.value_at((*location[:2], "kind"))
    ):
        return (*location[:2], *location[3:])
    return location


def _is_in_step(path: Path) -> bool:
    return len(path) > 1 and path[0] == "steps"


def _fields_at(path: Path, document: LocatedYaml) -> list[str]:
    part: type[FlowPart] = Flow
    if path[:1] == ("trigger",):
        part = Trigger
    elif _is_in_step(path):
        part = STEP_KINDS.get(document.value_at((*path[:2], "kind")), BaseStep)
    return list(part.model_fields)


def _allowed_for(field: str) -> str:
    return NAME_RULE if field in ("name", "id", "template") else ""


def _short(seen: Any) -> str:
    text = repr(seen)
    return text if len(text) <= 60 else f"{text[:57]}..."
