"""YAML whose every value knows the line on which it stands."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

Path = tuple[str | int, ...]


@dataclass
class LocatedYaml:
    """A parsed document; `lines` holds the line of every value by its path, `flaws` what YAML lets pass."""

    data: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    flaws: list[tuple[int, str]] = field(default_factory=list)

    def line_of(self, path: Path) -> int:
        """The line of the value at `path`, or of the nearest value around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def value_at(self, path: Path) -> Any:
        """The value at `path`; None where there is none."""
        value = self.data
        for part in path:
            if isinstance(value, Mapping):
                value = value.get(part)
            elif isinstance(value, list) and isinstance(part, int) and part < len(value):
                value = value[part]
            else:
                return None
        return value


def parse_yaml(text: str) -> LocatedYaml:
    """Parse one document; what can't be parsed leaves `data` None and one flaw."""
    document = LocatedYaml()
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
            document.flaws.append((1, "aliases (*name) are not read here; write the value out"))
            return document
        root = yaml.compose(text, yaml.SafeLoader)
        document.data = _read_node(root, (), document) if root else None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        document.data = None
        document.flaws.append((mark.line + 1 if mark else 1, f"not valid YAML: {_describe(error)}"))
    return document


def _read_node(node: yaml.Node, path: Path, document: LocatedYaml) -> Any:
    document.lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        return _read_mapping(node, path, document)
    if isinstance(node, yaml.SequenceNode):
        return [_read_node(item, (*path, index), document) for index, item in enumerate(node.value)]
    return _read_scalar(node)


def _read_mapping(node: yaml.MappingNode, path: Path, document: LocatedYaml) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key, line = str(_read_scalar(key_node)), key_node.start_mark.line + 1
        if key in found:
            document.flaws.append((line, f"'{key}' is given twice; YAML would silently keep the last one"))
        document.lines[(*path, key)] = line
        found[key] = _read_node(value_node, (*path, key), document)
    return found


def _read_scalar(node: yaml.Node) -> Any:
    if node.tag == "tag:yaml.org,2002:timestamp":
        return node.value
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node, deep=True)
    except (ValueError, TypeError) as error:
        raise yaml.constructor.ConstructorError(None, None, str(error), node.start_mark) from error
    finally:
        loader.dispose()


def _describe(error: yaml.YAMLError) -> str:
    return str(getattr(error, "problem", None) or error).splitlines()[0]
