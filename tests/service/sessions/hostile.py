"""A simulator of a user's own: random, and on some decisions evil; for worker processes."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable

import numpy as np

from sim.description import Description, Lever
from sim.epoch import Epoch, Quantity

NOTHING, SOMETHING, SEGFAULT, LOOP, RAISE, NAN, EXIT, HOG, KILL = range(9)
"""What each decision does."""
EPOCHS = 6

DESCRIPTION = Description(
    name="hostile",
    components=(Quantity(name="level", unit="turns"), Quantity(name="ticks", unit="ticks")),
    outputs=(Quantity(name="turns", unit="turns"),),
    levers=(Lever(name="wind", levels=tuple(map(float, range(9))), decides="value"),),
    parameters=(),
    epochs=EPOCHS,
)
SCENARIO = """
name = "hostile"
summary = "A simulator of a user's own."
simulator = "tests.service.sessions.hostile:Hostile"

[costs.outputs]
turns = 1.0
"""


class Hostile:
    """Behaves under the seed 0, with which it is looked at once before it is played."""

    def describe(self) -> Description:
        return DESCRIPTION

    def reset(self, seed: int, parameters: dict[str, float] | None = None) -> np.ndarray:
        self._random, self._is_evil = np.random.default_rng(seed), seed != 0
        self._state = np.zeros(2)
        return self._state.copy()

    def advance(self, decision: np.ndarray) -> Epoch:
        what, turns = int(decision[0]), float(self._random.random())
        if self._is_evil:
            _EVIL.get(what, lambda: None)()
            turns = float("nan") if what == NAN else turns
        self._state = self._state + np.array([turns * (1 + (what == SOMETHING)), 1.0])
        return Epoch(
            state=self._state.copy(),
            outputs=np.array([turns]),
            duration=1.0,
            is_last=bool(self._state[1] >= EPOCHS),
        )


def _loop() -> None:
    while True:
        time.sleep(1.0)


def _raise() -> None:
    raise OSError("no such calendar")


_EVIL: dict[int, Callable[[], object]] = {
    SEGFAULT: lambda: ctypes.string_at(0),
    LOOP: _loop,
    RAISE: _raise,
    EXIT: lambda: os._exit(3),
    HOG: lambda: bytearray(64 << 30),
    KILL: lambda: os.kill(os.getpid(), signal.SIGKILL),
}
