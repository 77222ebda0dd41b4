"""How likely a settled value is: what every model of latent normals needs.

A model says where a normal lies on the modelling scale of a coordinate; a value is what that
normal becomes when it is rounded and kept within its bounds.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.special import log_ndtr

from surrogates.coordinates import Coordinate


def settled_log_prob(
    coordinate: Coordinate,
    values: Float[np.ndarray, "batch"],
    low: Float[np.ndarray, "batch"],
    high: Float[np.ndarray, "batch"],
    mean: Float[np.ndarray, "batch"],
    deviation: Float[np.ndarray, "batch"],
) -> Float[np.ndarray, "batch"]:
    """Log probability that a latent normal settles at `values`, in nats.

    For whole numbers the mass of the rounding cell, where a cell at a bound holds all that is
    clipped to it; for measures a mass at 0 and a density above; for other numbers a density.
    """
    if coordinate.is_whole:
        lower = (coordinate.scale(values - 0.5) - mean) / deviation
        upper = (coordinate.scale(values + 0.5) - mean) / deviation
        return _log_mass(
            np.where(values <= low, -np.inf, lower), np.where(values >= high, np.inf, upper)
        )
    score = (coordinate.scale(values) - mean) / deviation
    normal = -0.5 * score**2 - np.log(deviation) - 0.5 * np.log(2 * np.pi)
    if coordinate.kind == "real":
        return np.asarray(normal)
    with np.errstate(divide="ignore"):
        # d sqrt(v) / dv = 1 / (2 sqrt(v)); the row of a value at 0 is replaced by its mass.
        steepness = -np.log(2.0) - 0.5 * np.log(values)
    return np.asarray(np.where(values > 0.0, normal + steepness, log_ndtr(score)))


def _log_mass(
    lower: Float[np.ndarray, "batch"], upper: Float[np.ndarray, "batch"]
) -> Float[np.ndarray, "batch"]:
    """Log of the standard normal's mass between two points, exact in both tails."""
    # Beyond 0 the mirror image is taken: there differences of the distribution lose all digits.
    mirrored = lower > 0
    near, far = np.where(mirrored, -lower, upper), np.where(mirrored, -upper, lower)
    above, below = log_ndtr(near), log_ndtr(far)
    with np.errstate(divide="ignore"):
        mass: Float[np.ndarray, "batch"] = above + np.log(-np.expm1(below - above))
    return mass
