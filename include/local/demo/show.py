"""What the demo prints: acts with a heading, sentences below it, and what it waits for at this moment."""

import contextlib
import time
from collections.abc import Iterator, Mapping
from textwrap import fill
from typing import IO, cast

from rich.console import Console
from rich.markup import escape

LINE_WIDTH = 110
INDENT = " " * 7


class Show:
    """Colours and a moving line on a terminal, plain lines anywhere else."""

    def __init__(self, console: Console, acts: int) -> None:
        self._console = console
        self._acts = acts
        self._act = 0
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the show began."""
        return time.monotonic() - self._began

    def open_act(self, title: str, story: str) -> None:
        """A heading with its number and the time, and what happens in the shop."""
        self._act += 1
        place = f"{self._act}/{self._acts}"
        self._print(f"\n[bold]{place:>5}  {escape(title)}[/]  [dim]{self.seconds:.0f} s[/]")
        self._print(f"[italic]{escape(self._indented(story))}[/]")

    def say(self, text: str) -> None:
        """A sentence about what happened and why."""
        self._print(escape(self._indented(text)))

    def list_figures(self, figures: Mapping[str, str]) -> None:
        """Names and figures, a line each."""
        width = max(map(len, figures)) + 2
        for name, figure in figures.items():
            self._print(f"{INDENT}{name:<{width}}[bold]{escape(figure)}[/]")

    @contextlib.contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """Say what is waited for, as long as it is."""
        if self._console.is_terminal:
            with self._console.status(f"waiting for {escape(what)}"):
                yield
        else:
            self._print(f"{INDENT}… waiting for {escape(what)}")
            yield

    def console(self) -> Console:
        """A console for others, whose lines become sentences of this show."""
        return Console(file=cast("IO[str]", _Sentences(self)), width=10_000)

    def _indented(self, text: str) -> str:
        width = min(LINE_WIDTH, self._console.width) if self._console.is_terminal else LINE_WIDTH
        return fill(
            text,
            width,
            initial_indent=INDENT,
            subsequent_indent=INDENT,
            break_long_words=False,
            break_on_hyphens=False,
        )

    def _print(self, text: str) -> None:
        self._console.print(text, highlight=False, soft_wrap=True)


class _Sentences:
    """A file that a show reads aloud."""

    def __init__(self, show: Show) -> None:
        self._show = show

    def write(self, text: str) -> int:
        for line in filter(None, map(str.strip, text.splitlines())):
            self._show.say(line)
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""
