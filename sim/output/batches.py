"""An interval from one long run, whose successive numbers are not independent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import ndtri

from sim.errors import InvalidSample
from sim.output.intervals import Estimate, mean_interval
from sim.output.samples import Sample, checked

_LEAST_BATCHES = 5
_LEAST_LENGTH = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchMeans:
    """The mean of a run with its interval, and whether its batches look independent."""

    estimate: Estimate
    """Of the mean; its count is the number of batches."""
    batch_length: int
    """Values in each batch."""
    lag_one_correlation: float
    """Between successive batch means."""
    looks_independent: bool
    """Whether that correlation could be chance, one time in twenty; if not, the interval is too
    narrow and the run should be longer."""


def batch_means(values: Sample, batches: int = 20, confidence: float = 0.95) -> BatchMeans:
    """Mean of a stationary run with a Student t interval over batch means.

    The run is cut into batches of equal length, long enough for their means to be nearly
    independent and normal; what does not fill the last batch is dropped from the front, where a
    rest of the warm-up would be. Ten to thirty batches are usual (Schmeiser 1982). Raises
    InvalidSample for fewer than five batches or values for less than two in each.
    """
    numbers = checked(values, confidence)
    if batches < _LEAST_BATCHES:
        raise InvalidSample(f"{batches} batches: at least {_LEAST_BATCHES}, such as 20")
    length = len(numbers) // batches
    if length < _LEAST_LENGTH:
        raise InvalidSample(
            f"{len(numbers)} values for {batches} batches: "
            f"give at least {_LEAST_LENGTH * batches} values, or fewer batches"
        )
    means = numbers[len(numbers) - batches * length :].reshape(batches, length).mean(axis=1)
    correlation = lag_one_correlation(means)
    return BatchMeans(
        estimate=mean_interval(means, confidence),
        batch_length=length,
        lag_one_correlation=correlation,
        looks_independent=correlation <= _chance_correlation(batches),
    )


def lag_one_correlation(values: Float[np.ndarray, "count"]) -> float:
    """Estimated correlation between one number and the next; 0 when they are all the same."""
    centred = values - values.mean()
    total = float(centred @ centred)
    return float(centred[:-1] @ centred[1:]) / total if total > 0 else 0.0


def _chance_correlation(count: int) -> float:
    """What the estimate between independent normal numbers exceeds one time in twenty.

    By a normal law with the mean and variance that the estimate has for white noise (Kendall
    1954 and Moran 1948).
    """
    mean = -1.0 / count
    deviation = (count - 2) / (count * (count - 1) ** 0.5)
    return float(mean + ndtri(0.95) * deviation)
