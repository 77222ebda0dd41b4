"""How much of a run's beginning to drop before it is taken for the steady state."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.errors import InvalidSample
from sim.output.samples import Sample, checked_values

_LEAST_BATCHES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmUp:
    """Where a run's beginning ends, and whether the run was long enough to tell."""

    observations: int
    """To be dropped from the front: `values[warm_up.observations:]` is the rest."""
    mser: float
    """Variance of the rest's mean, as if its batches were independent; the least of all."""
    is_settled: bool
    """False when the least is at the last place allowed: the run had hardly settled, so lengthen
    it rather than trust the rest."""


def mser_warm_up(values: Sample, batch_length: int = 5) -> WarmUp:
    """The warm-up that leaves the mean most precise (MSER-5; White 1997).

    The values, in order of time, are averaged in batches; the warm-up is the number of batches, at
    most half of them, without which the mean of the rest has the least estimated error. A last
    batch that is not full is left out of the search, not of the rest. One run may fool it: judge
    by several runs and drop the longest. Raises InvalidSample for fewer than ten batches.
    """
    numbers = checked_values(values)
    if batch_length < 1:
        raise InvalidSample(f"batch length {batch_length}: at least 1")
    batches = len(numbers) // batch_length
    if batches < _LEAST_BATCHES:
        raise InvalidSample(
            f"{len(numbers)} values are {batches} batches of {batch_length}: "
            f"give at least {_LEAST_BATCHES * batch_length} values"
        )
    means = numbers[: batches * batch_length].reshape(batches, batch_length).mean(axis=1)
    errors = np.array([means[start:].var() for start in range(batches // 2 + 1)])
    errors /= batches - np.arange(batches // 2 + 1)
    best = int(np.argmin(errors))
    return WarmUp(
        observations=best * batch_length, mser=float(errors[best]), is_settled=best < batches // 2
    )
