"""Comparisons of two systems or policies under common random numbers."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from sim.errors import InvalidSample
from sim.output.intervals import Estimate, mean_interval
from sim.output.samples import Sample, checked


def paired_interval(first: Sample, second: Sample, confidence: float = 0.95) -> Estimate:
    """Mean of `first - second` over pairs, such as two policies on the same days.

    What a pair shares cancels, so the interval is narrower than that of either mean. Raises
    InvalidSample as `mean_interval` does, and for lists of unequal length.
    """
    left, right = _checked_pair(first, second, confidence)
    return mean_interval(left - right, confidence)


def paired_ratio(
    first: Sample,
    second: Sample,
    random: np.random.Generator,
    confidence: float = 0.95,
    resamples: int = 2000,
) -> Estimate:
    """Relative difference of two paired means, `mean(first) / mean(second) - 1`.

    The interval is the percentile bootstrap over pairs; with fewer than about twenty pairs it is
    somewhat narrow. Raises InvalidSample for lists of unequal length, fewer than two pairs, a
    number that is not finite, or a mean of `second` that some resample takes to 0 or over it.
    """
    left, right = _checked_pair(first, second, confidence)
    if resamples < 100:
        raise InvalidSample(f"{resamples} resamples: at least 100")
    count = len(left)
    pairs = random.integers(count, size=(resamples, count))
    divisors = np.append(right[pairs].mean(axis=1), right.mean())
    if divisors.min() <= 0 <= divisors.max():
        raise InvalidSample(
            f"the second mean {right.mean():g} may as well be 0: compare by difference instead"
        )
    ratios = left[pairs].mean(axis=1) / divisors[:-1] - 1.0
    tail = (1 - confidence) / 2
    low, high = np.quantile(ratios, [tail, 1 - tail])
    value = float(left.mean() / right.mean() - 1.0)
    return Estimate(value=value, low=float(low), high=float(high), count=count)


def _checked_pair(
    first: Sample, second: Sample, confidence: float
) -> tuple[Float[np.ndarray, "count"], Float[np.ndarray, "count"]]:
    left, right = checked(first, confidence), checked(second, confidence)
    if len(left) != len(right):
        raise InvalidSample(f"{len(left)} and {len(right)} values: pairs need as many of each")
    return left, right
