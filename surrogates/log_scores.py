"""The log score of a law of which there are only draws: how probable it holds what came.

The draws are smoothed by a normal kernel (Krüger et al. 2021, who find that this estimate
converges to the score of the law itself). A count is judged by the probability of its cell, of one
unit, a measure by its density.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import log_ndtr, logsumexp, ndtr

_NARROWEST = 0.05
"""Kernel of a count, in units: draws that all agree are an atom."""
_NARROWEST_SHARE = 1e-3
"""Kernel of a measure, in deviations of the outcomes."""


def log_scores_of_draws(
    drawn: Float[np.ndarray, "row draw quantity"],
    seen: Float[np.ndarray, "row quantity"],
    is_count: Bool[np.ndarray, "quantity"],
) -> Float[np.ndarray, "quantity"]:
    """Mean negative log score of each quantity in nats, of which less is better.

    One draw in so many and one is taken to be from anywhere among the outcomes: a law that holds
    for impossible what no draw shows would be infinitely wrong once it comes. So with 64 draws
    nothing scores more than some 4 nats worse than who knows only where outcomes lie.
    """
    count = drawn.shape[1]
    centre = seen.mean(axis=0)
    # What never varied is measured in its own unit.
    spread = np.where(seen.std(axis=0) > 1e-9, seen.std(axis=0), 1.0)
    # Silverman's rule.
    width = 1.06 * drawn.std(axis=1, ddof=1) * count**-0.2
    width = np.maximum(width, np.where(is_count, _NARROWEST, _NARROWEST_SHARE * spread))
    near = _log_mass((seen[:, None] - drawn) / width[:, None], width[:, None], is_count)
    far = _log_mass((seen - centre) / spread, spread, is_count)
    both = [logsumexp(near, axis=1) - np.log(count + 1.0), far - np.log(count + 1.0)]
    return np.asarray(-np.logaddexp(*both).mean(axis=0))


def _log_mass(
    offset: Float[np.ndarray, "*batch quantity"],
    width: Float[np.ndarray, "*wide quantity"],
    is_count: Bool[np.ndarray, "quantity"],
) -> Float[np.ndarray, "*batch quantity"]:
    """Log probability of a cell of one unit around an offset in widths, or log density there."""
    density = -0.5 * offset**2 - 0.5 * np.log(2 * np.pi) - np.log(width)
    low, high = np.abs(offset) - 0.5 / width, np.abs(offset) + 0.5 / width
    inside = np.log(np.maximum(ndtr(-low) - ndtr(-high), 1e-300))
    cell = np.where(low > 5.0, log_ndtr(-low), inside)
    return np.asarray(np.where(is_count, cell, density))
