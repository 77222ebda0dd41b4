"""The stationary law of a chain that moves one step up or down."""

from __future__ import annotations

from collections.abc import Callable
from math import log

import numpy as np
from jaxtyping import Float

_NEGLIGIBLE = 37.0
"""Logarithm of about 1e16, where a double no longer feels an addend."""


def birth_and_death(
    birth_rate: Callable[[int], float],
    death_rate: Callable[[int], float],
    *,
    least: int,
    most: int | None = None,
) -> Float[np.ndarray, "state"]:
    """Probability of each number in system; `death_rate(n)` is that of leaving n for n - 1.

    Ends at `most`, at a birth rate of 0, or above `least` where a state is 1e-16 times as likely
    as the likeliest. Without `most` the rates must give one peak and a tail that vanishes. Works
    in logarithms, so that a thousand agents neither overflow nor underflow.
    """
    logs, greatest = [0.0], 0.0
    while len(logs) <= least or logs[-1] > greatest - _NEGLIGIBLE:
        state = len(logs)
        coming = birth_rate(state - 1)
        if coming == 0 or state - 1 == most:
            break
        logs.append(logs[-1] + log(coming / death_rate(state)))
        greatest = max(greatest, logs[-1])
    weights = np.exp(np.array(logs) - greatest)
    return np.asarray(weights / weights.sum())
