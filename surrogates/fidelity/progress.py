"""How far an examination has come, by kind of work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Hear = Callable[[str, float, float], None]
"""Told what is being done, how much of it is done, and how much there is."""


@dataclass(slots=True, kw_only=True)
class Counter:
    """Adds up what is done of one kind of work, whose total is known beforehand."""

    title: str
    total: int
    hear: Hear | None
    done: int = 0

    def add(self, count: int) -> None:
        """So many more are done."""
        self.done += count
        if self.hear is not None:
            self.hear(self.title, self.done, self.total)

    def finish(self) -> None:
        """All is done."""
        self.add(self.total - self.done)
