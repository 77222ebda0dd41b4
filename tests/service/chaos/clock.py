"""A clock that somebody else sets while the service runs, as NTP and operators do."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path


class SetClock:
    """The machine's, but its time of day is off by as many seconds as a file says."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def now(self) -> datetime:
        """The time of day as it was set."""
        return datetime.now(UTC) + timedelta(seconds=self._seconds())

    def monotonic(self) -> float:
        """The machine's: nobody sets it."""
        return time.monotonic()

    def jump(self, seconds: float) -> None:
        """Set it ahead, or back, for whoever reads the same file."""
        partial = self._path.with_suffix(".partial")
        partial.write_text(str(self._seconds() + seconds))
        partial.rename(self._path)

    def _seconds(self) -> float:
        return float(self._path.read_text()) if self._path.exists() else 0.0
