"""What the demo prints: acts with a heading, sentences below it, and what it waits for at this moment."""

import contextlib
import time
from collections.abc import Callable, Iterator
from textwrap import fill

from rich.console import Console
from rich.markup import escape
from rich.table import Table

LINE_WIDTH = 110
INDENT = " " * 8


class Show:
    """Colours and a moving line on a terminal, plain lines anywhere else."""

    def __init__(self, console: Console, acts: int) -> None:
        self.console = console
        self._acts = acts
        self._act = 0
        self._began = time.monotonic()

    def open_act(self, title: str, story: str) -> None:
        """A heading with its number, and what happens in the shop."""
        self._act += 1
        clock = time.monotonic() - self._began
        place = f"{self._act}/{self._acts}"
        self._print(f"\n[bold]{place:>5}  {escape(title)}[/]  [dim]{clock:.0f} s[/]")
        self._print(f"[italic]{escape(self._indented(story))}[/]")

    def say(self, text: str) -> None:
        """A sentence about what happened and why."""
        self._print(escape(self._indented(text)))

    @contextlib.contextmanager
    def waiting(self, text: str) -> Iterator[Callable[[str], None]]:
        """What is waited for; the call that is given tells how far it is."""
        if not self.console.is_terminal:
            self._print(f"{INDENT}… waiting for {escape(text)}")
            yield lambda progress: None
            return
        with self.console.status(f"waiting for {escape(text)}") as status:
            yield lambda progress: status.update(f"waiting for {escape(text)}: {escape(progress)}")

    def table(self, rows: dict[str, str]) -> None:
        """Names and figures."""
        table = Table(show_header=False, box=None, padding=(0, 2), pad_edge=False)
        table.add_column(justify="left")
        table.add_column(justify="left", style="bold")
        for name, figure in rows.items():
            table.add_row(INDENT + name, escape(figure))
        self.console.print(table)

    def _indented(self, text: str) -> str:
        width = min(LINE_WIDTH, self.console.width) if self.console.is_terminal else LINE_WIDTH
        options = {"initial_indent": INDENT, "subsequent_indent": INDENT, "break_long_words": False}
        return fill(text, width, break_on_hyphens=False, **options)  # type: ignore[arg-type]

    def _print(self, text: str) -> None:
        self.console.print(text, highlight=False, soft_wrap=True)
