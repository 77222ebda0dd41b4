"""The page that a worker shares with the service: which session is played, and since when.

The service reads while the worker writes, so that each word is stored at once, the time before the
session: nobody sees a session with the time of the one before. Where a machine's cores may see
stores in another order, a look that is the same twice is a true one.
"""

from __future__ import annotations

import time
from mmap import mmap

SIZE = 24
"""Bytes: a session's handle, the nanoseconds of the machine's monotonic clock, a connection."""
_HANDLE, _SINCE, _ANSWERED = 0, 1, 2


class Page:
    """One worker's."""

    def __init__(self, memory: mmap) -> None:
        self._memory = memory
        self._words = memoryview(memory).cast("Q")

    def begin(self, handle: int) -> int:
        """A command of a session begins; when."""
        now = time.monotonic_ns()
        self._words[_SINCE] = now
        self._words[_HANDLE] = handle
        return now

    def end(self) -> None:
        """Nothing is played."""
        self._words[_HANDLE] = 0

    def answer(self, number: int) -> None:
        """A connection is being answered; 0 when that is done."""
        self._words[_ANSWERED] = number

    @property
    def answered(self) -> int:
        """The connection that is being answered, 0 for none."""
        return self._words[_ANSWERED]

    def look(self) -> tuple[int, int]:
        """The handle of the session that is being played, 0 for none, and since when."""
        return self._words[_HANDLE], self._words[_SINCE]

    def close(self) -> None:
        """Give the memory back."""
        self._words.release()
        self._memory.close()
