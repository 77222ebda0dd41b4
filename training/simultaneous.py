"""How far several estimates may stray at once, looked at several times, when nothing has changed.

An interval of 1.96 standard errors leaves out the truth one time in twenty, where it is the only
one and its days were chosen without looking at them. Of several parameters one is outside more
often, and days that were chosen because they look changed stray further than others.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import scipy

CONFIDENCE = 0.95
"""Probability that all intervals together hold what they are of."""
_LEAST, _MOST = 1.0, 6.0
"""Standard errors between which the answer lies."""
_NODES, _NODES_PER_ERROR = 32, 4


@lru_cache
def simultaneous_quantile(parameters: int, looks: int) -> float:
    """Half-width, in standard errors, of intervals that together hold all parameters.

    The estimates are normal. They are of the last 1, 2, ... or `looks` of equally telling days,
    however it was chosen which: no choice may do worse than the worst of them. That many looks at
    growing sums are the repeated significance tests of Armitage, McPherson and Rowe (1969), whose
    levels are exact here (2.41 for five looks at one parameter, as Pocock 1977 has it). Parameters
    are allowed for by Sidak's (1967) level, which is safe however they correlate: the estimates of
    one after the other stay within symmetric bounds no less often than if they were independent
    (Royen 2014).
    """
    if parameters < 1 or looks < 1:
        raise ValueError(f"{parameters} parameters and {looks} looks: at least one of each")
    each = CONFIDENCE ** (1.0 / parameters)
    return float(
        scipy.optimize.brentq(lambda bound: _stays_within(bound, looks) - each, _LEAST, _MOST)
    )


def _stays_within(bound: float, looks: int) -> float:
    """Probability that sums of 1 to `looks` normal values all keep to `bound` standard deviations.

    By the density of those sums that have kept to it so far, from day to day.
    """
    sums, weights = _grid(bound)
    density = scipy.stats.norm.pdf(sums)
    for days in range(2, looks + 1):
        after, after_weights = _grid(bound * np.sqrt(days))
        density = scipy.stats.norm.pdf(after[:, None] - sums) @ (weights * density)
        sums, weights = after, after_weights
    return float(weights @ density)


def _grid(bound: float) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre nodes from -bound to bound, and their weights."""
    nodes, weights = _nodes(_NODES + _NODES_PER_ERROR * int(np.ceil(bound)))
    return bound * nodes, bound * weights


_nodes = lru_cache(np.polynomial.legendre.leggauss)
