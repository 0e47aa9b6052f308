"""Links from feeds and contexts."""

from typing import Any


def web_link(value: Any) -> str:
    """The link if it opens a web page, else nothing: a feed must not smuggle in `javascript:`."""
    link = str(value or "").strip()
    return link if link.lower().startswith(("https://", "http://")) else ""
