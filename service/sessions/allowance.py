"""What one key may ask on streams: as much as over REST, counted where the commands are done."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from service.json_limits import check_json
from service.problems import Problem

_SMALL = 1 << 10
"""Bytes of a command that can be neither too deep nor too long to be read."""
_MINUTE = 60.0


class Allowance(NamedTuple):
    """Of one key."""

    key_id: str
    per_minute: int
    """Commands."""
    json_depth: int
    json_nodes: int
    body_bytes: int
    """Of a request over HTTP."""


class Pace:
    """Commands of one key, by the minute; the clock is only asked when a minute's are used up."""

    def __init__(self, allowance: Allowance, clock: Callable[[], float] = time.monotonic) -> None:
        self._allowance, self._clock = allowance, clock
        self._began, self._left = clock(), allowance.per_minute

    def against(self, content: bytes, *, is_json: bool) -> Problem | None:
        """What speaks against a command that came; None where nothing does."""
        if not self._left and not self._has_begun_anew():
            return Problem("rate_limited", "wait for the next minute")
        self._left -= 1
        if is_json and len(content) > _SMALL:
            try:
                check_json(content, self._allowance.json_depth, self._allowance.json_nodes)
            except Problem as problem:
                return problem
        return None

    def _has_begun_anew(self) -> bool:
        now = self._clock()
        if now - self._began < _MINUTE:
            return False
        self._began, self._left = now, self._allowance.per_minute
        return True
