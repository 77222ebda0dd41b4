"""The time, as one thing that tests can turn by hand."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol, runtime_checkable


@runtime_checkable
class Clock(Protocol):
    """Where the time of day and the passing of time are read."""

    def now(self) -> datetime:
        """The time of day in UTC, aware; it may jump either way when somebody sets the clock."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back, from an arbitrary beginning, of this process alone."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The machine's time of day."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """The machine's monotonic clock."""
        return time.monotonic()


class HandClock:
    """A clock that moves only when it is told to."""

    def __init__(self, start: datetime = datetime(2030, 1, 1, tzinfo=UTC)) -> None:
        self._now, self._seconds = start.astimezone(UTC), 0.0

    def now(self) -> datetime:
        """As it was last set."""
        return self._now

    def monotonic(self) -> float:
        """Seconds that were passed; a jump is none of them."""
        return self._seconds

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._seconds += seconds
        self._now += timedelta(seconds=seconds)

    def jump(self, seconds: float) -> None:
        """Set the time of day, ahead or back, while no time passes."""
        self._now += timedelta(seconds=seconds)
