"""The straight line of a process: what the data say of its slopes, and how much they leave open.

Slopes have a normal prior, which makes a process one with a larger covariance (Rasmussen and
Williams 2006, 2.7): what is not known of the line is doubt, the more the farther a question lies
from the data. How far slopes may go is
not known either: several variances take part, each by its evidence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

SLOPE_VARIANCES = np.logspace(-4.0, 0.0, 9)
"""Prior variances of a slope, equally likely: of standardised numbers over standardised inputs."""
LEVEL = 3.0
"""Prior deviation of the level at the centre of the data, in those of a slope."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Slopes, then the level: normal, with mean `weights` and covariance `spread @ spread.T`."""

    weights: Float[np.ndarray, "weight"]
    spread: Float[np.ndarray, "weight direction"]


def fit_line(
    gram: Float[np.ndarray, "weight weight"],
    moment: Float[np.ndarray, "weight"],
    is_seen: Float[np.ndarray, "weight"],
) -> Line:
    """The line by the data, whose precision about each other is V^-1.

    `gram` is H'V^-1 H and `moment` H'V^-1 y for a design H of the inputs and 1. Weights that are
    not seen (0 rather than 1) are 0 for sure.
    """
    scale = is_seen * np.append(np.ones(len(gram) - 1), LEVEL)
    strengths, axes = np.linalg.eigh(scale[:, None] * gram * scale)
    strengths, axes = np.maximum(strengths, 0.0), scale[:, None] * axes
    heard = axes.T @ moment
    told = 1.0 + SLOPE_VARIANCES[:, None] * strengths
    left = SLOPE_VARIANCES[:, None] / told
    belief = _normalised(0.5 * (left * np.square(heard) - np.log(told)).sum(axis=1))
    found = left * heard
    weights = belief @ found
    apart = np.sqrt(belief)[:, None] * (found - weights)
    variances, turn = np.linalg.eigh(np.diag(belief @ left) + apart.T @ apart)
    return Line(weights=axes @ weights, spread=axes @ turn * np.sqrt(np.maximum(variances, 0.0)))


def _normalised(evidence: Float[np.ndarray, "choice"]) -> Float[np.ndarray, "choice"]:
    share = np.exp(evidence - evidence.max())
    return np.asarray(share / share.sum())
