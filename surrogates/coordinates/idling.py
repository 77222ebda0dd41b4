"""On which scale the idle agents of a team spread evenly.

Where nearly all of a team are busy, few idle or many, by ratios: two or six, not four less or more.
Where many idle, how many are busy follows from the work, whatever the size of the team: even steps.
The scale has both, even ratios up to a bend and even steps beyond it:

    x = arsinh(b sinh(v / b)),    v = b arsinh(sinh(x) / b)

for v idle agents and a bend b. With b = 1 it is the number itself, without a bend (b infinite) an
inverse hyperbolic sine. As the parameters of such transformations are, the bend is chosen by
likelihood (Box and Cox 1964; Burbidge, Magee and Robb 1988).
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float

from surrogates.ridge import ridge

UNBENT = math.inf
_BENDS = (1.0, 3.0, 10.0, 30.0, 100.0, UNBENT)
_FEWEST = 100
"""Rows that tell of a scale; with fewer there is no bend."""
_LEAST_LEFT = 1e-6
"""Deviation of what is left where a regression tells all: then every scale is as good."""
_FAR = 20.0
"""Beyond it a hyperbolic sine is half the exponential."""
MOST_IDLE = 12.0
"""Inverse hyperbolic sine of some 80,000 agents, beyond which nobody is believed to be idle where
there is no bend."""


def evened(idle: Float[np.ndarray, "..."], bend: float) -> Float[np.ndarray, "..."]:
    """From agents that idle to the scale."""
    if bend == UNBENT:
        return np.asarray(np.arcsinh(idle))
    return _bent(np.asarray(idle) / bend, bend)


def unevened(scaled: Float[np.ndarray, "..."], bend: float) -> Float[np.ndarray, "..."]:
    """From the scale back to agents that idle."""
    if bend == UNBENT:
        return np.asarray(np.sinh(np.clip(scaled, -MOST_IDLE, MOST_IDLE)))
    return np.asarray(bend * _bent(np.asarray(scaled), 1.0 / bend))


def _bent(values: Float[np.ndarray, "..."], factor: float) -> Float[np.ndarray, "..."]:
    """arsinh(factor sinh(values)), also where the hyperbolic sine is beyond all numbers."""
    near = np.arcsinh(factor * np.sinh(np.clip(values, -_FAR, _FAR)))
    far = np.copysign(np.abs(values) + math.log(factor), values)
    return np.asarray(np.where(np.abs(values) < _FAR, near, far))


def likeliest_bend(inputs: Float[np.ndarray, "row input"], idle: Float[np.ndarray, "row"]) -> float:
    """The bend with whose scale a linear regression tells new rows best.

    `inputs` need no scale of their own; `idle` are the agents that idle, of rows in which neither
    nobody does nor everybody.
    """
    if len(idle) < _FEWEST or np.ptp(idle) == 0.0:
        return UNBENT
    scaled = np.column_stack([evened(idle, bend) for bend in _BENDS])
    slope = np.column_stack([_slope(idle, bend) for bend in _BENDS])
    spread = inputs.std(axis=0)
    standard = (inputs - inputs.mean(axis=0)) / np.where(spread > 0.0, spread, 1.0)
    _, left = ridge(standard, scaled - scaled.mean(axis=0))
    # Log density of a normal law on the scale, brought back to agents by the slope of the scale.
    deviation = np.maximum(left.std(axis=0), _LEAST_LEFT)
    return _BENDS[int(np.argmax(np.log(slope).mean(axis=0) - np.log(deviation)))]


def _slope(idle: Float[np.ndarray, "row"], bend: float) -> Float[np.ndarray, "row"]:
    """How fast the scale grows: the cosine of what is agents over that of what is scale."""
    if bend == UNBENT:
        return np.asarray(1.0 / np.sqrt(1.0 + np.square(idle)))
    agents = np.minimum(np.abs(idle) / bend, _FAR)
    return np.asarray(np.cosh(agents) / np.sqrt(1.0 + np.square(bend * np.sinh(agents))))
