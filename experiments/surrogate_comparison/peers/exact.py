"""Exact Gaussian processes: what they can afford, and their posterior with a known kernel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.linalg import cho_factor, cho_solve, solve_triangular

from experiments.surrogate_comparison.peers.framing import Normal

Kernel = Callable[
    [Float[np.ndarray, "batch input"], Float[np.ndarray, "point input"]],
    Float[np.ndarray, "batch point"],
]
Predict = Callable[
    [Float[np.ndarray, "batch input"]],
    tuple[Float[np.ndarray, "batch"], Float[np.ndarray, "batch"]],
]
"""Means and deviations of one target."""
_CHUNK_ROWS = 4096
_SMALLEST_SPREAD = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class ExactSettings:
    """What a method whose work grows with the cube of its rows is given."""

    rows: int
    """Rows to learn from, drawn at random from all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Posterior:
    """One exact process with a fitted kernel; predicts what is observed, noise included."""

    kernel: Kernel
    variance: float
    """Of the process alone, before any data."""
    noise: float
    mean: float
    points: Float[np.ndarray, "point input"]
    weights: Float[np.ndarray, "point"]
    whitening: Float[np.ndarray, "point point"]
    """Inverse of the Cholesky factor of the points' covariance."""

    @classmethod
    def of(
        cls,
        kernel: Kernel,
        noise: float,
        mean: float,
        points: Float[np.ndarray, "point input"],
        targets: Float[np.ndarray, "point"],
    ) -> Posterior:
        """Condition a process on observations."""
        covariance = kernel(points, points)
        variance = float(covariance[0, 0])
        covariance[np.diag_indices_from(covariance)] += noise
        factor = cho_factor(covariance, lower=True)
        return cls(
            kernel=kernel,
            variance=variance,
            noise=noise,
            mean=mean,
            points=points,
            weights=cho_solve(factor, targets - mean),
            whitening=solve_triangular(factor[0], np.eye(len(points)), lower=True),
        )

    def predict(
        self, inputs: Float[np.ndarray, "batch input"]
    ) -> tuple[Float[np.ndarray, "batch"], Float[np.ndarray, "batch"]]:
        """Means and deviations."""
        means, deviations = [np.zeros(0)], [np.zeros(0)]
        for first in range(0, len(inputs), _CHUNK_ROWS):
            cross = self.kernel(inputs[first : first + _CHUNK_ROWS], self.points)
            explained = np.square(cross @ self.whitening.T).sum(axis=1)
            means.append(self.mean + cross @ self.weights)
            deviations.append(np.sqrt(np.maximum(self.variance - explained, 0.0) + self.noise))
        return np.concatenate(means), np.concatenate(deviations)


def squared_exponential(length_scale: Float[np.ndarray, "input"]) -> Kernel:
    """The kernel exp(-d²/2) of inputs over their length scales."""

    def kernel(
        rows: Float[np.ndarray, "batch input"], points: Float[np.ndarray, "point input"]
    ) -> Float[np.ndarray, "batch point"]:
        left, right = rows / length_scale, points / length_scale
        squared = np.square(left).sum(axis=1)[:, None] + np.square(right).sum(axis=1)
        squared = np.maximum(squared - 2.0 * left @ right.T, 0.0)
        return np.asarray(np.exp(-0.5 * squared))

    return kernel


def scaled(kernel: Kernel, factor: float) -> Kernel:
    """The kernel times a variance."""
    return lambda rows, points: factor * kernel(rows, points)


def each_target(
    inputs: Float[np.ndarray, "row input"],
    targets: Float[np.ndarray, "row target"],
    fit: Callable[[Float[np.ndarray, "row input"], Float[np.ndarray, "row"]], Predict],
) -> Callable[[Float[np.ndarray, "batch input"]], Normal]:
    """Fit every target on its own; one that never varied in these rows is always the same."""
    fitted = [
        fit(inputs, column) if column.std() > _SMALLEST_SPREAD else _constant(float(column[0]))
        for column in targets.T
    ]

    def predict(asked: Float[np.ndarray, "batch input"]) -> Normal:
        means, deviations = zip(*(one(asked) for one in fitted), strict=True)
        return np.stack(means, axis=1), np.stack(deviations, axis=1)

    return predict


def _constant(value: float) -> Predict:
    return lambda asked: (np.full(len(asked), value), np.zeros(len(asked)))
