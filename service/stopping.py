"""The end of a service: when it was asked for, and how long is left of it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterable


class Stopping(asyncio.Event):
    """Set when the service is told to stop; from then on its seconds run."""

    def __init__(self, seconds: float) -> None:
        """`seconds` are what all that is to be laid down has together."""
        super().__init__()
        self._seconds = seconds
        self._ends: float | None = None

    def set(self) -> None:
        """Tell all who wait; the seconds run from the first time."""
        if self._ends is None:
            self._ends = time.monotonic() + self._seconds
        super().set()

    @property
    def seconds_left(self) -> float:
        """Until the service is to be gone, never less than none."""
        if self._ends is None:
            return self._seconds
        return max(0.0, self._ends - time.monotonic())


def join_all(threads: Iterable[threading.Thread], seconds: float) -> None:
    """Wait for threads to end, for so long altogether."""
    ends = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, ends - time.monotonic()))
