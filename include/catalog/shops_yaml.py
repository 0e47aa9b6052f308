"""YAML as plain text values that remember their lines, so that a problem can say where it is."""

from dataclasses import dataclass, field
from typing import Any

import yaml

from include.errors import ConfigurationError

Place = tuple[str | int, ...]
DEEPEST = 20


@dataclass
class LocatedYaml:
    """The document, the line of each of its members, and members that were written twice.

    Scalars stay text: `no`, `010` and `1:30` mean what they look like. An empty member is left out.
    """

    document: Any = None
    lines: dict[Place, int] = field(default_factory=dict)
    repeated: list[Place] = field(default_factory=list)

    def line_of(self, place: Place) -> int:
        """The line of a member, or of the nearest one around it that exists."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)


def read_yaml(text: str, name: str) -> LocatedYaml:
    """Parse `text`; raises ConfigurationError with the line and column of a syntax error."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigurationError(
            f"{name}{where}: not valid YAML: {error.problem or error.context}."
        ) from None
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{name}: not valid YAML: {str(error).splitlines()[0]}.") from None
    located = LocatedYaml()
    if root is not None:
        located.document = _plain(root, (), located)
    return located


def _plain(node: yaml.Node, place: Place, located: LocatedYaml) -> Any:
    located.lines.setdefault(place, node.start_mark.line + 1)
    if len(place) > DEEPEST:
        raise ConfigurationError(f"line {node.start_mark.line + 1}: nested deeper than {DEEPEST} levels.")
    if isinstance(node, yaml.MappingNode):
        return _plain_mapping(node, place, located)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*place, number), located) for number, item in enumerate(node.value)]
    is_empty = node.style is None and node.value in ("", "~", "null")  # type: ignore[attr-defined]
    return None if is_empty else node.value


def _plain_mapping(node: yaml.MappingNode, place: Place, located: LocatedYaml) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = str(key_node.value)
        below = (*place, key)
        located.lines[below] = key_node.start_mark.line + 1
        if key in members:
            located.repeated.append(below)
        members[key] = _plain(value_node, below, located)
    return {key: value for key, value in members.items() if value is not None}
