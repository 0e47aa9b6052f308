"""The sandbox in which templates run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import ChainableUndefined, FileSystemLoader
from jinja2.sandbox import ImmutableSandboxedEnvironment

from include.messaging.render.price import price
from include.messaging.render.web_link import web_link


class TemplateEnvironment(ImmutableSandboxedEnvironment):
    """Jinja2 in a sandbox: HTML is escaped, what is missing renders empty (SEMANTICS 8)."""

    def __init__(self, folders: Sequence[Path]) -> None:
        super().__init__(
            loader=FileSystemLoader([str(folder) for folder in folders]),
            autoescape=lambda name: name is not None and name.endswith(".html"),
            undefined=ChainableUndefined,
            finalize=_empty_for_none,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            cache_size=-1,
        )
        self.filters.update(price=price, web_link=web_link)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """A dict's keys win over its methods: `event.items` is the list (SEMANTICS 8)."""
        if isinstance(obj, dict) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)


def _empty_for_none(value: Any) -> Any:
    return "" if value is None else value
