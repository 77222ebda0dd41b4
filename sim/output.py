"""From numbers of several days to a figure with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.stats import t as student_t

from sim.errors import InvalidSample

Sample = Sequence[float] | Float[np.ndarray, "count"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A figure, the interval that should hold its truth, and how many numbers it is made of."""

    value: float
    low: float
    high: float
    count: int


def mean_interval(values: Sample, confidence: float = 0.95) -> Estimate:
    """Mean of independent numbers with its Student t interval.

    Exact for normal numbers, and good for means over long days. Raises InvalidSample for fewer
    than two values or one that is not finite.
    """
    checked = _checked(values, confidence)
    count = len(checked)
    mean = float(checked.mean())
    error = float(checked.std(ddof=1)) / count**0.5
    half_width = float(student_t.ppf((1 + confidence) / 2, count - 1)) * error
    return Estimate(value=mean, low=mean - half_width, high=mean + half_width, count=count)


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
    left, right = _checked(first, confidence), _checked(second, confidence)
    if len(left) != len(right):
        raise InvalidSample(f"{len(left)} and {len(right)} values: pairs need as many of each")
    return left, right


def _checked(values: Sample, confidence: float) -> Float[np.ndarray, "count"]:
    if not 0 < confidence < 1:
        raise InvalidSample(f"confidence {confidence}: between 0 and 1, such as 0.95")
    checked = np.asarray(values, dtype=float)
    if checked.ndim != 1 or len(checked) < 2:
        raise InvalidSample(f"{checked.size} values: an interval needs a list of at least 2")
    if not np.isfinite(checked).all():
        position = int(np.argmin(np.isfinite(checked)))
        raise InvalidSample(f"value {position + 1} is {checked[position]}: drop it or repair it")
    return checked
