"""How fast a machine is: absolute speeds of two machines compare only beside it."""

from __future__ import annotations

from time import perf_counter

_ADDITIONS, _TRIES = 500_000, 4


def plain_python_seconds() -> float:
    """Seconds that ten million additions take in plain Python; the fastest of a few loops."""
    return min(_seconds() for _ in range(_TRIES)) * 10_000_000 / _ADDITIONS


def _seconds() -> float:
    began, total = perf_counter(), 0
    for each in range(_ADDITIONS):
        total += each
    return perf_counter() - began
