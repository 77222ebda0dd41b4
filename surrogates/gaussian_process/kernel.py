"""The covariance of a process: Matérn-5/2 with a length scale for each input."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Length scales, output scale and even noise variance of one process."""

    length_scale: Float[np.ndarray, "input"]
    output_scale: float
    noise: float


def matern(
    rows: Float[np.ndarray, "batch input"], points: Float[np.ndarray, "point input"], scale: float
) -> Float[np.ndarray, "batch point"]:
    """Matérn-5/2 covariance of inputs already divided by their length scales."""
    squared: Float[np.ndarray, "batch point"] = np.square(rows).sum(axis=1)[:, None] + np.square(
        points
    ).sum(axis=1)
    squared -= 2.0 * rows @ points.T
    squared *= 5.0
    correlate(squared, np.empty_like(squared))
    squared *= scale
    return squared


def correlate(
    squared: Float[np.ndarray, "batch point"], scratch: Float[np.ndarray, "batch point"]
) -> None:
    """Turn five times the squared distances into Matérn-5/2 correlations, in place."""
    # Rounding may leave a little less than 0.
    np.abs(squared, out=squared)
    np.sqrt(squared, out=scratch)
    squared *= 1.0 / 3.0
    squared += scratch
    squared += 1.0
    np.negative(scratch, out=scratch)
    np.exp(scratch, out=scratch)
    squared *= scratch
