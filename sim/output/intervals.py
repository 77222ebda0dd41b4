"""A figure with the interval that should hold its truth."""

from __future__ import annotations

from dataclasses import dataclass

from scipy.special import stdtrit

from sim.output.samples import Sample, checked


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A figure, the interval that should hold its truth, and how many numbers it is made of."""

    value: float
    low: float
    high: float
    count: int

    @property
    def half_width(self) -> float:
        """Half of the interval's length."""
        return (self.high - self.low) / 2


def mean_interval(values: Sample, confidence: float = 0.95) -> Estimate:
    """Mean of independent numbers with its Student t interval.

    Exact for normal numbers, and good for means over long days. Raises InvalidSample for fewer
    than two values or one that is not finite.
    """
    numbers = checked(values, confidence)
    count = len(numbers)
    mean = float(numbers.mean())
    error = float(numbers.std(ddof=1)) / count**0.5
    half_width = float(stdtrit(count - 1, (1 + confidence) / 2)) * error
    return Estimate(value=mean, low=mean - half_width, high=mean + half_width, count=count)
