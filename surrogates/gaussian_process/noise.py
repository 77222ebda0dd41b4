"""The noise of a process: what remains random however much is known.

Its log variance is a line in the inputs and the predicted mean, fitted to the squared misses of
rows by a mean that does not know them, less what of these is doubt about that mean.
Where the same question was simulated again (replications), the spread of the answers about their
own mean tells the noise without any model of the mean: there the sample variance takes the place
of the squared misses, with the weight of its degrees of freedom, as in stochastic kriging
(Ankenman, Nelson and Staum 2010).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import minimize

SMALLEST_NOISE = 1e-3
"""Smallest noise deviation, as a share of the number's own deviation over the data."""
_RIDGE = 1.0
"""Prior precision of each slope of the line of log noise variance."""
_WIDEST_NOISE = 20.0
"""Log variances further than this from their average are cut off while they are fitted."""

_LEAST_START = 0.1
"""Share of the squared misses that is taken for noise at first, however great the doubt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """Log noise variance as a line in the inputs and the predicted mean."""

    line: Float[np.ndarray, "weight"]
    range: Float[np.ndarray, "2"]
    """Least and greatest log variance it may give."""
    fitted: Float[np.ndarray, "row"]
    """Variances of the rows it was fitted on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spreads:
    """What each row tells of the noise there: a squared deviation and its degrees of freedom."""

    squared: Float[np.ndarray, "row"]
    doubt: Float[np.ndarray, "row"]
    """Part of it to be expected without any noise."""
    weight: Float[np.ndarray, "row"]


def spreads_of(
    inputs: Float[np.ndarray, "row input"],
    targets: Float[np.ndarray, "row"],
    misses: Float[np.ndarray, "row"],
    doubt: Float[np.ndarray, "row"],
) -> Spreads:
    """Squared misses, or the sample variance where a question was asked several times.

    `doubt` is the variance of the means that the misses are of; a sample variance needs none.
    """
    _, group = np.unique(inputs, axis=0, return_inverse=True)
    counts = np.bincount(group)
    if counts.max() == 1:
        return Spreads(squared=np.square(misses), doubt=doubt, weight=np.ones(len(misses)))
    return _pooled(group, counts, targets, misses, doubt)


def _pooled(
    group: Int[np.ndarray, "row"],
    counts: Int[np.ndarray, "question"],
    targets: Float[np.ndarray, "row"],
    misses: Float[np.ndarray, "row"],
    doubt: Float[np.ndarray, "row"],
) -> Spreads:
    own_mean = np.bincount(group, targets) / counts
    within = np.bincount(group, np.square(targets - own_mean[group])) / np.maximum(counts - 1, 1)
    is_repeated = counts[group] > 1
    share = (counts - 1) / counts
    return Spreads(
        squared=np.where(is_repeated, within[group], np.square(misses)),
        doubt=np.where(is_repeated, 0.0, doubt),
        weight=np.where(is_repeated, share[group], 1.0),
    )


def fit_noise(seen: Float[np.ndarray, "row column"], spreads: Spreads) -> Noise:
    """Fit by maximum likelihood: squares of normal misses, of noise and doubt, are gamma laws."""
    squared, weight = spreads.squared + SMALLEST_NOISE**2, spreads.weight
    total, known = (np.average(values, weights=weight) for values in (squared, spreads.doubt))
    level = np.log(max(total - known, _LEAST_START * total))
    design = np.column_stack([seen, np.ones(len(seen))])

    def cost(line: Float[np.ndarray, "weight"]) -> tuple[float, Float[np.ndarray, "weight"]]:
        # Trial steps may go far: a log variance out of bounds must not overflow.
        log_ratio = np.clip(design @ line, -_WIDEST_NOISE, _WIDEST_NOISE)
        noise = np.exp(log_ratio + level)
        expected = noise + spreads.doubt
        ratio = squared / expected
        slopes = np.append(line[:-1], 0.0)
        value = 0.5 * weight @ (np.log(expected) + ratio) + 0.5 * _RIDGE * slopes @ slopes
        steepness = weight * (1.0 - ratio) * noise / expected
        return float(value), 0.5 * design.T @ steepness + _RIDGE * slopes

    found = minimize(
        cost, np.zeros(design.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 100}
    )
    line = np.append(found.x[:-1], found.x[-1] + level)
    fitted = design @ line
    # Where a number is nearly sure, the line may rise without end: nothing varies more than it
    # does when nothing is known of it, which is 1 in standardised units.
    ends = np.clip(np.quantile(fitted, [0.005, 0.995]), 2.0 * np.log(SMALLEST_NOISE), 0.0)
    return Noise(line=line, range=ends, fitted=np.exp(np.clip(fitted, *ends)))
