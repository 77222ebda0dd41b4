"""Live progress on the terminal; on standard error, so that standard output stays for results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

_BLOCKS = "▁▂▃▄▅▆▇█"


class Reporter:
    """Says what happens: a line a fact, a bar a task."""

    def __init__(self, *, is_quiet: bool = False) -> None:
        self._console = Console(stderr=True, quiet=is_quiet, highlight=False)

    def say(self, text: str) -> None:
        """One line."""
        self._console.print(text, markup=False)

    def skip(self, why: str) -> dict[str, str]:
        """Say why a stage has nothing to do; returns its summary."""
        self.say(why)
        return {"skipped": why}

    def heading(self, text: str) -> None:
        """The title of a stage."""
        self._console.rule(f"[bold]{text}", align="left")

    @contextmanager
    def task(self, title: str, total: float) -> Iterator[Callable[[float, str], None]]:
        """A bar; the function it yields takes the amount done and a note."""
        progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
            console=self._console,
            disable=self._console.quiet,
        )
        with progress:
            identity = progress.add_task(title, total=total, note="")

            def advance(done: float, note: str = "") -> None:
                progress.update(identity, completed=min(done, total), note=note)

            yield advance


def sparkline(values: list[float], width: int = 24) -> str:
    """The last values as a line of blocks."""
    shown = values[-width:]
    if not shown:
        return ""
    low, high = min(shown), max(shown)
    span = (high - low) or 1.0
    return "".join(_BLOCKS[round((v - low) / span * (len(_BLOCKS) - 1))] for v in shown)
