"""What an examination is doing, and how long that will take."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from experiments.main_job.reporter import Reporter

_FEWEST_SECONDS = 2.0
"""Seconds of work before a guess at the rest is worth anything."""


class Steps:
    """Parts of a long job, one after another, each a bar with the time that is left of it."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._open = ExitStack()
        self._title = ""
        self._began = 0.0
        self._advance: Callable[[float, str], None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()

    def say(self, text: str) -> None:
        """One line, between parts."""
        self._finish()
        self._reporter.say(text)

    def hear(self, title: str, done: float, total: float) -> None:
        """So much of a part is done; another title begins another part."""
        if title != self._title:
            self._finish()
            self._title, self._began = title, time.monotonic()
            self._advance = self._open.enter_context(self._reporter.task(title, total))
        if self._advance is None:
            return
        self._advance(done, time_left(time.monotonic() - self._began, done, total))
        if done >= total:
            self._finish()

    def _finish(self) -> None:
        self._open.close()
        self._advance = None


def time_left(passed: float, done: float, total: float) -> str:
    """In words, how many seconds or minutes more at the pace so far; nothing yet, or at the end."""
    if passed < _FEWEST_SECONDS or not 0 < done < total:
        return ""
    left = passed * (total - done) / done
    return f"about {left:.0f} s left" if left < 90 else f"about {left / 60:.0f} min left"
