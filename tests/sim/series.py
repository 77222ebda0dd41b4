"""Series with known means, to test what is estimated from runs."""

import numpy as np


def autoregression(
    random: np.random.Generator, count: int, *, persistence: float, mean: float, start: float
) -> np.ndarray:
    """First-order autoregression with unit innovations."""
    values = np.empty(count)
    deviation = start - mean
    for i, innovation in enumerate(random.normal(0.0, 1.0, count)):
        deviation = persistence * deviation + innovation
        values[i] = mean + deviation
    return values


def stationary_start(random: np.random.Generator, *, persistence: float, mean: float) -> float:
    """A first value from the steady state of `autoregression`."""
    return float(random.normal(mean, (1 - persistence**2) ** -0.5))
