"""The law that a grid of quantiles stands for: straight between levels, exponential beyond.

The density is flat between two levels and falls exponentially outside, beginning with what it was
in the last interval; so the tail beyond the level p is p times the exponential of the distance
over p times the slope of the quantile function there.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

Row = Float[np.ndarray, "batch"]
Grid = Float[np.ndarray, "level"]
Quantiles = Float[np.ndarray, "batch level"]


def draw(levels: Grid, quantiles: Quantiles, uniform: Row) -> Row:
    """The quantile at each row's uniform number from (0, 1)."""
    rows, last = np.arange(len(uniform)), len(levels) - 1
    right = np.clip(np.searchsorted(levels, uniform), 1, last)
    below, above = quantiles[rows, right - 1], quantiles[rows, right]
    slope = (above - below) / (levels[right] - levels[right - 1])
    drawn = below + slope * (uniform - levels[right - 1])
    under, over = uniform < levels[0], uniform > levels[last]
    edge, rest = levels[0], 1.0 - levels[last]
    drawn[under] = below[under] + edge * slope[under] * np.log(uniform[under] / edge)
    drawn[over] = above[over] - rest * slope[over] * np.log((1.0 - uniform[over]) / rest)
    return np.asarray(drawn)


def log_density(levels: Grid, quantiles: Quantiles, values: Row) -> Row:
    """Log density at each row's value."""
    interval = _interval(quantiles, values)
    log_slope = _log_slope(levels, quantiles, interval)
    return np.asarray(
        -log_slope + _beyond(levels, quantiles, values, np.exp(log_slope)).min(axis=0)
    )


def log_tails(levels: Grid, quantiles: Quantiles, values: Row) -> tuple[Row, Row]:
    """Log of the probability below each row's value, and of that above it."""
    rows, last = np.arange(len(values)), len(levels) - 1
    interval = _interval(quantiles, values)
    slope = np.exp(_log_slope(levels, quantiles, interval))
    inside = levels[interval] + (values - quantiles[rows, interval]) / slope
    inside = np.clip(inside, levels[0], levels[last])
    under, over = _beyond(levels, quantiles, values, slope)
    below = np.where(under < 0, np.log(levels[0]) + under, np.log(inside))
    above = np.where(over < 0, np.log(1.0 - levels[last]) + over, np.log1p(-inside))
    # The other side of a tail is what the tail leaves.
    return (
        np.where(over < 0, np.log1p(-np.exp(above)), below),
        np.where(under < 0, np.log1p(-np.exp(below)), above),
    )


def _beyond(
    levels: Grid, quantiles: Quantiles, values: Row, slope: Row
) -> Float[np.ndarray, "2 batch"]:
    """Log of what an exponential tail has lost at each value, below the grid and above it."""
    under = np.minimum(values - quantiles[:, 0], 0.0) / (levels[0] * slope)
    over = np.minimum(quantiles[:, -1] - values, 0.0) / ((1.0 - levels[-1]) * slope)
    return np.stack([under, over])


def _interval(quantiles: Quantiles, values: Row) -> Int[np.ndarray, "batch"]:
    passed = (quantiles <= values[:, None]).sum(axis=1) - 1
    return np.asarray(np.clip(passed, 0, quantiles.shape[1] - 2))


def _log_slope(levels: Grid, quantiles: Quantiles, interval: Int[np.ndarray, "batch"]) -> Row:
    rows = np.arange(len(interval))
    rise = quantiles[rows, interval + 1] - quantiles[rows, interval]
    return np.asarray(np.log(rise) - np.log(np.diff(levels)[interval]))
