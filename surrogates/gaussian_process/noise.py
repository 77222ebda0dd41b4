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
_RIDGES = (256.0, 64.0, 16.0, 4.0, 1.0)
"""Prior precisions of a slope of the line of log noise variance: the likeliest is taken."""
_TELLING_ROWS = 2000
"""By so many rows at most: with more of them it hardly matters."""
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
    """Fit by maximum likelihood: squares of normal misses, of noise and doubt, are gamma laws.

    How far slopes may go is chosen by Laplace's approximation of the evidence: on few rows a line
    of many inputs would find noise to be small where misses happen to be.
    """
    squared, weight = spreads.squared + SMALLEST_NOISE**2, spreads.weight
    total, known = (np.average(values, weights=weight) for values in (squared, spreads.doubt))
    level = np.log(max(total - known, _LEAST_START * total))
    design = np.column_stack([seen, np.ones(len(seen))])
    told = _Misses(design=design, squared=squared, doubt=spreads.doubt, weight=weight, level=level)
    some = told.thinned(_TELLING_ROWS)
    start, choices = np.zeros(design.shape[1]), []
    for ridge in _RIDGES:
        start = some.most_likely(ridge, start)
        choices.append((some.evidence(ridge, start), ridge, start))
    _, ridge, start = max(choices, key=lambda choice: choice[0])
    line = told.most_likely(ridge, start) if some is not told else start
    line = np.append(line[:-1], line[-1] + level)
    fitted = design @ line
    # Where a number is nearly sure, the line may rise without end: nothing varies more than it
    # does when nothing is known of it, which is 1 in standardised units.
    ends = np.clip(np.quantile(fitted, [0.005, 0.995]), 2.0 * np.log(SMALLEST_NOISE), 0.0)
    return Noise(line=line, range=ends, fitted=np.exp(np.clip(fitted, *ends)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Misses:
    """What a line of log noise variance is fitted to."""

    design: Float[np.ndarray, "row weight"]
    squared: Float[np.ndarray, "row"]
    doubt: Float[np.ndarray, "row"]
    weight: Float[np.ndarray, "row"]
    level: float
    """From which the line counts."""

    def thinned(self, most: int) -> _Misses:
        """The same by so many rows at most, evenly among them."""
        if len(self.squared) <= most:
            return self
        rows = np.linspace(0, len(self.squared) - 1, most).astype(int)
        return _Misses(
            design=self.design[rows],
            squared=self.squared[rows],
            doubt=self.doubt[rows],
            weight=self.weight[rows],
            level=self.level,
        )

    def most_likely(
        self, ridge: float, start: Float[np.ndarray, "weight"]
    ) -> Float[np.ndarray, "weight"]:
        """The line for a prior precision of its slopes, sought from a given one on."""
        found = minimize(
            self._cost, start, (ridge,), jac=True, method="L-BFGS-B", options={"maxiter": 100}
        )
        return np.asarray(found.x)

    def evidence(self, ridge: float, line: Float[np.ndarray, "weight"]) -> float:
        """Logarithm, but for what is the same for all precisions."""
        share = np.square(1.0 - self.doubt / (self._noise(line) + self.doubt))
        curvature = 0.5 * (self.design.T * (self.weight * share)) @ self.design
        slopes = len(line) - 1
        curvature[np.arange(slopes), np.arange(slopes)] += ridge
        _, size = np.linalg.slogdet(curvature)
        return float(0.5 * slopes * np.log(ridge) - self._cost(line, ridge)[0] - 0.5 * size)

    def _noise(self, line: Float[np.ndarray, "weight"]) -> Float[np.ndarray, "row"]:
        # Trial steps may go far: a log variance out of bounds must not overflow.
        log_ratio = np.clip(self.design @ line, -_WIDEST_NOISE, _WIDEST_NOISE)
        return np.asarray(np.exp(log_ratio + self.level))

    def _cost(
        self, line: Float[np.ndarray, "weight"], ridge: float
    ) -> tuple[float, Float[np.ndarray, "weight"]]:
        noise = self._noise(line)
        expected = noise + self.doubt
        ratio = self.squared / expected
        slopes = np.append(line[:-1], 0.0)
        value = 0.5 * self.weight @ (np.log(expected) + ratio) + 0.5 * ridge * slopes @ slopes
        steepness = self.weight * (1.0 - ratio) * noise / expected
        return float(value), 0.5 * self.design.T @ steepness + ridge * slopes
