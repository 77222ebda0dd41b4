"""What the data say of a process whose shape is known, in closed form (Titsias 2009)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.linalg import solve_triangular

from surrogates.gaussian_process.kernel import Shape, matern
from surrogates.gaussian_process.line import Line, fit_line
from surrogates.gaussian_process.noise import SMALLEST_NOISE, Noise, fit_noise, spreads_of
from surrogates.lessons import Lessons

_JITTER = 1e-3
"""Share of its variance added to each inducing point, so that single precision can draw."""
_LEAST_EXPLAINED = 0.02
"""Share of a direction's prior variance below which what the data say of it is left out: doubt is
then overstated by at most this."""

_MOST_LEVERAGE = 1.0 - 1e-6
"""Beyond it what the other rows tell of a row is lost in rounding."""


def solve(
    lessons: Lessons, position: int, rows: Int[np.ndarray, "point"], shape: Shape
) -> dict[str, np.ndarray]:
    """The posterior of one process: with even noise first, then with the noise its misses show.

    Misses are those of each row by what the others tell: a process follows the rows it has learnt
    from, the closer the fewer they are. Part of such a miss is the doubt that the process owns up
    to at the row, which must not be counted as noise once more. What of the process no inducing
    point could explain varies by itself in every row beside the noise, as in the fully independent
    approximation (Snelson and Ghahramani 2006): noise alone would let rows that are nearly free of
    it draw the process to where the points cannot follow.

    Exact, but for the jitter, where `rows` are all rows.
    """
    free = lessons.free_rows(position)
    inputs = lessons.inputs(position, free).astype(float)
    points = lessons.inputs(position, rows).astype(float) / shape.length_scale
    kernel = matern(inputs / shape.length_scale, points, shape.output_scale)
    root = np.linalg.cholesky(prior_at(points, shape.output_scale))
    whitened = solve_triangular(root, kernel.T, lower=True)
    unexplained = np.maximum(shape.output_scale - np.square(whitened).sum(axis=0), 0.0)
    targets = lessons.targets[position, free].astype(float)
    data = _Data(
        root=root,
        whitened=whitened,
        design=np.column_stack([inputs, np.ones(len(inputs))]),
        is_seen=np.append(lessons.is_seen(position), 1.0),
        targets=targets,
    )

    def fit(noise: Float[np.ndarray, "row"]) -> tuple[_Posterior, Noise]:
        variance = noise + unexplained
        found = _posterior(data, variance)
        mean = data.design @ found.line.weights + kernel @ found.readout[:, 0]
        missed = (targets - mean) / (1.0 - found.leverage)
        doubt = variance * found.leverage / (1.0 - found.leverage) + unexplained
        spreads = spreads_of(inputs, targets, missed, doubt)
        return found, fit_noise(np.column_stack([inputs, mean]), spreads)

    _, first = fit(np.full(len(free), max(shape.noise, SMALLEST_NOISE**2)))
    found, noise = fit(first.fitted)
    return {
        "slope": found.line.weights[:-1],
        "intercept": found.line.weights[-1],
        "spread": found.line.spread,
        "length_scale": shape.length_scale,
        "output_scale": np.array(shape.output_scale),
        "inducing": points,
        "readout": found.readout,
        "give": found.give,
        "noise_slope": noise.line[:-1],
        "noise_intercept": noise.line[-1],
        "noise_range": noise.range,
    }


def prior_at(
    points: Float[np.ndarray, "point input"], output_scale: float
) -> Float[np.ndarray, "point point"]:
    """Prior covariance at inducing points, with its jitter."""
    prior = matern(points, points, output_scale)
    prior[np.diag_indices_from(prior)] *= 1.0 + _JITTER
    return prior


@dataclass(frozen=True, slots=True, kw_only=True)
class _Data:
    """What a process learns from."""

    root: Float[np.ndarray, "point point"]
    """Cholesky factor L of the prior at the inducing points."""
    whitened: Float[np.ndarray, "point row"]
    """L^-1 k of every row."""
    design: Float[np.ndarray, "row weight"]
    """Inputs and 1."""
    is_seen: Float[np.ndarray, "weight"]
    """0 for inputs that are hidden from this process."""
    targets: Float[np.ndarray, "row"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Posterior:
    """What the data say of a process, and how each row takes part in it."""

    line: Line
    readout: Float[np.ndarray, "point readout"]
    give: Float[np.ndarray, "point direction"]
    """What the deviation gives way by where the line turns in each direction."""
    leverage: Float[np.ndarray, "row"]
    """How much of a row's own deviation the mean there follows."""


def _posterior(data: _Data, variance: Float[np.ndarray, "row"]) -> _Posterior:
    """Weights of the mean, and lower triangular factors whose squared sum is what data explain.

    With prior = L L' and what the data say, in whitened coordinates, U diag(b) U', the explained
    variance is k' L^-T U diag(b / (1 + b)) U' L^-1 k (Titsias 2009, with variances by row) for a
    given line. The line comes first, by the same rows with the deviation integrated out, and the
    deviation about any line in doubt bends towards the data.
    """
    strengths, axes = np.linalg.eigh((data.whitened / variance) @ data.whitened.T)
    strengths = np.maximum(strengths, 0.0)
    toward, left = axes.T @ data.whitened, 1.0 / (1.0 + strengths)
    outward = solve_triangular(data.root, axes, lower=True, trans="T")

    # V^-1 of the rows is 1/D - 1/D toward' diag(left) toward 1/D.
    design, targets = data.design / variance[:, None], data.targets / variance
    follows = left[:, None] * (toward @ design)
    line = fit_line(
        data.design.T @ design - (toward @ design).T @ follows,
        data.design.T @ targets - follows.T @ (toward @ targets),
        data.is_seen,
    )
    give = -follows @ line.spread
    turned = data.design @ line.spread + toward.T @ give
    residual = (data.targets - data.design @ line.weights) / variance
    weights = outward @ (left * (toward @ residual))
    explained = strengths * left
    factors = (outward * np.sqrt(explained))[:, explained > _LEAST_EXPLAINED]
    # Any factors with the same products will do; those with zeros above cost less to apply.
    readout = np.column_stack([weights, np.asarray(np.linalg.qr(factors.T, mode="r")).T])
    leverage = (left @ np.square(toward) + np.square(turned).sum(axis=1)) / variance
    return _Posterior(
        line=line,
        readout=readout,
        give=outward @ give,
        leverage=np.minimum(leverage, _MOST_LEVERAGE),
    )


def remaining_root(
    points: Float[np.ndarray, "point input"],
    output_scale: float,
    factors: Float[np.ndarray, "point factor"],
) -> Float[np.ndarray, "point point"]:
    """A matrix that turns standard normals into draws of K^-1 (u - E u), u at the points.

    With K = L L' the posterior covariance of u is L (1 - E) L', E = (L'F)(L'F)' being explained.
    """
    root = np.linalg.cholesky(prior_at(points, output_scale))
    seen = root.T @ factors
    left, axes = np.linalg.eigh(np.eye(len(root)) - seen @ seen.T)
    spread = axes * np.sqrt(np.clip(left, 0.0, 1.0))
    return np.asarray(solve_triangular(root, spread, lower=True, trans="T"))
