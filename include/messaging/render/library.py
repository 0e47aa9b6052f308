"""Templates on disk: `<locale>/NAME.subject.txt`, `NAME.txt` and `NAME.html`."""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Template, TemplateNotFound, TemplateSyntaxError
from jinja2.exceptions import SecurityError, UndefinedError

from include.errors import ConfigurationError
from include.messaging.render.environment import TemplateEnvironment
from include.messaging.senders.replies import redact

BUILT_IN_TEMPLATES = Path(__file__).resolve().parent.parent / "templates"
FALLBACK_LOCALE = "en"

_SUBJECT = ".subject.txt"
_PARTS = (_SUBJECT, ".txt", ".html")
_LOCALE_FOLDER = re.compile(r"[a-z]{2,3}(-[A-Z][A-Za-z]+)?")
_MOST_COMPILED = 1000
_BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class TemplateError(ConfigurationError):
    """A template is missing or wrong; the text names template, line and problem."""


@dataclass(frozen=True, slots=True)
class RenderedEmail:
    """What one person will read; `subject` is one line."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class _CompiledEmail:
    locale: str
    parts: tuple[Template, ...]


class TemplateLibrary:
    """The e-mail templates of some folders, earlier folders first; each is compiled once."""

    def __init__(self, folders: Sequence[Path] = (BUILT_IN_TEMPLATES,)) -> None:
        self.folders = tuple(folders)
        self._environment = TemplateEnvironment(self.folders)
        self._compiled: dict[tuple[str, str], _CompiledEmail] = {}

    def render_email(self, template: str, locale: str, context: Mapping[str, Any]) -> RenderedEmail:
        """Subject, text and HTML of `template` in `locale`, else its language, else English.

        Raises TemplateError. The name `locale` in the context is the locale of the mail.
        """
        email = self._compiled.get((template, locale)) or self._compile(template, locale)
        variables = {**self._environment.globals, **context, "locale": email.locale}
        try:
            subject, text, html = [_fill(part, variables) for part in email.parts]
        except Exception:
            # The original error is left behind: its text may hold a value, and that somebody's address.
            raise self._failure_while_rendering(template) from None
        return RenderedEmail(one_line(subject), text, html)

    def list_templates(self) -> dict[str, tuple[str, ...]]:
        """The name of each template with its locales."""
        found: dict[str, set[str]] = {}
        for folder in self.folders:
            for path in folder.glob(f"*/*{_SUBJECT}"):
                if _LOCALE_FOLDER.fullmatch(path.parent.name):
                    found.setdefault(path.name.removesuffix(_SUBJECT), set()).add(path.parent.name)
        return {name: tuple(sorted(found[name])) for name in sorted(found)}

    def require(self, template: str) -> None:
        """Compile `template` in all its locales; raises TemplateError for the first that is wrong."""
        for locale in self.list_templates().get(template, (FALLBACK_LOCALE,)):
            self._compile(template, locale)

    def _compile(self, template: str, locale: str) -> _CompiledEmail:
        folder = self._folder_for(template, locale)
        mail_locale = locale.replace("_", "-") if _language(locale) == folder else folder
        parts = tuple(self._load(f"{folder}/{template}{part}") for part in _PARTS)
        if (
            len(self._compiled) >= _MOST_COMPILED
        ):  # locales come from people's profiles: anything may stand there
            self._compiled.clear()
        email = self._compiled[template, locale] = _CompiledEmail(mail_locale, parts)
        return email

    def _folder_for(self, template: str, locale: str) -> str:
        known = self.list_templates()
        if template not in known:
            raise TemplateError(_unknown(template, tuple(known), self.folders))
        candidates = (locale.replace("_", "-"), _language(locale), FALLBACK_LOCALE)
        for candidate in candidates:
            if candidate in known[template]:
                return candidate
        raise TemplateError(
            f"Template '{template}' exists in {', '.join(known[template])}, but neither in '{locale}' nor in "
            f"'{FALLBACK_LOCALE}', to which every other language falls back. Add "
            f"{FALLBACK_LOCALE}/{template}{_SUBJECT}, {template}.txt and {template}.html."
        )

    def _load(self, name: str) -> Template:
        try:
            return self._environment.get_template(name)
        except TemplateSyntaxError as error:
            where = error.name or name
            raise TemplateError(f"Template {where}, line {error.lineno}: {error.message}") from error
        except TemplateNotFound as error:
            raise TemplateError(
                f"Template {name} is missing; an e-mail needs {', '.join('NAME' + part for part in _PARTS)}."
            ) from error

    def _failure_while_rendering(self, template: str) -> TemplateError:
        try:
            self._environment.handle_exception()  # puts the template's lines into the traceback
        except Exception as error:
            return self._failure(template, error)

    def _failure(self, template: str, error: Exception) -> TemplateError:
        """Where and what, without values: those may be somebody's address."""
        if isinstance(error, TemplateError):
            return error
        if isinstance(error, TemplateSyntaxError):
            return TemplateError(f"Template {error.name or template}, line {error.lineno}: {error.message}")
        if isinstance(error, TemplateNotFound):
            return TemplateError(
                f"Template '{template}' includes '{redact(str(error.name))}', which does not exist."
            )
        path, line = self._place(error)
        named = isinstance(error, (UndefinedError, SecurityError))
        # The name of what is missing can be a value: {{ item[first_name] }}.
        problem = f"{type(error).__name__}: {redact(str(error))}" if named else type(error).__name__
        if path is None:
            return TemplateError(f"Template '{template}': {problem}")
        source = path.read_text(encoding="utf-8").splitlines()[line - 1].strip()
        return TemplateError(f"Template {path.parent.name}/{path.name}, line {line}: {problem} in `{source}`")

    def _place(self, error: Exception) -> tuple[Path | None, int]:
        """The innermost template line of the traceback (Jinja2 puts the templates' lines into it)."""
        path, line, trace = None, 0, error.__traceback__
        while trace is not None:
            frame_path = Path(trace.tb_frame.f_code.co_filename)
            if any(frame_path.is_relative_to(folder) for folder in self.folders):
                path, line = frame_path, trace.tb_lineno
            trace = trace.tb_next
        return path, line


def _fill(part: Template, variables: dict[str, Any]) -> str:
    """Like part.render, but without a copy of the variables, and of the globals' names, for each part."""
    environment = part.environment
    context = environment.context_class(environment, variables, part.name, part.blocks)
    return "".join(part.root_render_func(context))


@cache
def built_in_library() -> TemplateLibrary:
    """The templates that come with Restock."""
    return TemplateLibrary()


def render_email(template: str, locale: str, context: Mapping[str, Any]) -> RenderedEmail:
    """`template` of the built-in library; see TemplateLibrary.render_email."""
    return built_in_library().render_email(template, locale, context)


def one_line(text: str) -> str:
    """The text without line breaks and control characters, blanks folded: fit for a header."""
    return " ".join(_BREAKS.sub(" ", text).split())


def _language(locale: str) -> str:
    return locale.replace("_", "-").partition("-")[0].lower()


def _unknown(template: str, known: Sequence[str], folders: Sequence[Path]) -> str:
    where = ", ".join(str(folder) for folder in folders)
    close = difflib.get_close_matches(template, known, n=1)
    hint = f"Did you mean '{close[0]}'?" if close else f"There are: {', '.join(known) or 'none'}."
    return f"Template '{template}' does not exist in {where}. {hint}"
