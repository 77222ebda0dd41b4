"""On which scale the idle agents of a team spread evenly.

How many of a large team idle depends on how many are busy, whose spread has nothing to do with the
size of the team: even steps. Where a team is kept close to its work, few idle or many, by ratios.
The inverse hyperbolic sine has both, even steps up to a unit and even ratios beyond, and the unit
is chosen by likelihood, as Burbidge, Magee and Robb (1988) do.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from surrogates.ridge import ridge

ONE_UNIT = 1.0
_UNITS = (ONE_UNIT, 3.0, 10.0, 30.0, 100.0, 300.0)
_FEWEST = 100
"""Rows that tell of a scale; with fewer the first is kept."""
_LEAST_LEFT = 1e-6
"""Deviation of what is left where a regression tells all: then every scale is as good."""


def likeliest_unit(inputs: Float[np.ndarray, "row input"], idle: Float[np.ndarray, "row"]) -> float:
    """The unit on whose scale a linear regression tells new rows best.

    `inputs` need no scale of their own; `idle` are the agents that idle, of rows in which neither
    nobody does nor everybody.
    """
    if len(idle) < _FEWEST or np.ptp(idle) == 0.0:
        return ONE_UNIT
    units = np.array(_UNITS)
    steps = idle[:, None] / units
    scaled = units * np.arcsinh(steps)
    spread = inputs.std(axis=0)
    standard = (inputs - inputs.mean(axis=0)) / np.where(spread > 0.0, spread, 1.0)
    _, left = ridge(standard, scaled - scaled.mean(axis=0))
    # Log density of a normal law on the scale, brought back to agents by the slope of the scale.
    density = -np.log(np.maximum(left.std(axis=0), _LEAST_LEFT)) - 0.5 * np.log1p(
        np.square(steps)
    ).mean(axis=0)
    return float(units[np.argmax(density)])
