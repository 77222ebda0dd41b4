"""What a job's process says, in a file that only grows; the service makes events of it.

The process needs no database for that, so it knows no password, waits for no lock, and an event is
made of each line once: how far the file was read is kept in the transaction that keeps the events.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

_CHUNK = 1 << 20
_LONGEST_LINE = 1 << 16
STEP, PROGRESS, POINT, NOTE = "step", "progress", "point", "note"
KINDS = (STEP, PROGRESS, POINT, NOTE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One line."""

    kind: str
    at: datetime
    payload: dict[str, Any]


class Notes:
    """The writing side, in the job's process."""

    def __init__(self, path: Path, every_seconds: float = 0.5) -> None:
        self._file: TextIO = path.open("a")
        self._every, self._last = every_seconds, dict[str, float]()

    def say(self, kind: str, **payload: Any) -> None:
        """Say something at once."""
        line = {"kind": kind, "at": time.time(), "payload": _finite(payload)}
        self._file.write(json.dumps(line, allow_nan=False) + "\n")
        self._file.flush()

    def say_seldom(self, kind: str, **payload: Any) -> None:
        """Say something unless the same kind was said only just now."""
        now = time.monotonic()
        if now - self._last.get(kind, -self._every) >= self._every:
            self._last[kind] = now
            self.say(kind, **payload)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_notes(path: Path, offset: int) -> tuple[list[Said], int]:
    """The whole lines from an offset on, and the offset behind them.

    A line that is not ours is passed over: a simulator of somebody's may write where it likes.
    """
    try:
        with path.open("rb") as file:
            file.seek(offset)
            content = file.read(_CHUNK)
    except FileNotFoundError:
        return [], offset
    whole, newline, _ = content.rpartition(b"\n")
    if not newline:
        return [], offset + (len(content) if len(content) == _CHUNK else 0)
    # PostgreSQL keeps no NUL in JSON.
    lines = (n for n in whole.split(b"\n") if len(n) <= _LONGEST_LINE and b"\\u0000" not in n)
    found = map(_parsed, lines)
    return [said for said in found if said is not None], offset + len(whole) + 1


def _finite(payload: dict[str, Any]) -> dict[str, Any]:
    """JSON has no word for infinity, and a mean of nothing is none."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in payload.items()
    }


def _parsed(line: bytes) -> Said | None:
    try:
        told = json.loads(line, parse_constant=_refuse)
        if told["kind"] not in KINDS or not isinstance(told["payload"], dict):
            return None
        at = datetime.fromtimestamp(float(told["at"]), UTC)
        return Said(kind=told["kind"], at=at, payload=told["payload"])
    except (ValueError, KeyError, TypeError, OverflowError, OSError):
        return None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
