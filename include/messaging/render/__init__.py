"""Templates to mails: render_email fills a template, build_message makes the bytes that leave."""

from include.messaging.render.library import (
    RenderedEmail,
    TemplateError,
    TemplateLibrary,
    built_in_library,
    render_email,
)
from include.messaging.render.mime import build_message

__all__ = [
    "RenderedEmail",
    "TemplateError",
    "TemplateLibrary",
    "build_message",
    "built_in_library",
    "render_email",
]
