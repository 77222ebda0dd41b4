"""Relative value iteration for the average cost of a Markov chain in continuous time.

The drift of a function of the state is the cost rate there plus the expected change of the
function per minute, least over the decisions. For any function whatever, the average cost of the
best policy lies between the least and the greatest drift (Odoni 1969): the iteration stops when
these two are near, and they certify its answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from sim.errors import InvalidSystem

Values = Float[np.ndarray, "..."]
_SWEEPS = 10
"""Sweeps between two looks at the bounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelativeValues:
    """The average cost, and how much more each state costs than the first one in the long run."""

    average_cost: float
    """Per minute."""
    error: float
    """The average cost of the chain as truncated is no farther away than this."""
    values: Values
    """0 in the first state, such as the empty system."""
    sweeps: int


def relative_value_iteration(
    drift: Callable[[Values], Values],
    start: Values,
    event_rate: float,
    tolerance: float,
    most_sweeps: int,
) -> RelativeValues:
    """Repeat `values + drift / event_rate` until the average cost is known within `tolerance`.

    This is uniformisation: `event_rate` must be at least the rate at which any state is left, in
    events per minute. Raises InvalidSystem when `most_sweeps` leave a wider gap.
    """
    values = start.copy()
    change = drift(values)
    low, high = bounds(change)
    for sweeps in range(0, most_sweeps + 1, _SWEEPS):
        if high - low <= 2 * tolerance:
            return certified(low, high, values, sweeps)
        change = sweep(drift, values, change, event_rate, _SWEEPS)
        low, high = bounds(change)
    raise not_settled(low, high, most_sweeps)


def sweep(
    drift: Callable[[Values], Values],
    values: Values,
    change: Values,
    event_rate: float,
    sweeps: int,
) -> Values:
    """Move `values`, in place, along their drift `change`; returns the drift there."""
    for _ in range(sweeps):
        change -= change.flat[0]
        change /= event_rate
        values += change
        change = drift(values)
    return change


def bounds(drift: Values) -> tuple[float, float]:
    """The least and the greatest drift, between which the average cost lies."""
    return float(drift.min()), float(drift.max())


def certified(low: float, high: float, values: Values, sweeps: int) -> RelativeValues:
    """The average cost between its bounds, with values relative to the first state."""
    return RelativeValues(
        average_cost=(low + high) / 2,
        error=(high - low) / 2,
        values=values - values.flat[0],
        sweeps=sweeps,
    )


def not_settled(low: float, high: float, sweeps: int) -> InvalidSystem:
    """The error of an iteration that ended before its bounds met."""
    return InvalidSystem(
        f"after {sweeps} sweeps the average cost is only known between {low:.6g} and {high:.6g}: "
        "raise most_sweeps or the tolerance, or lower the load or the levels"
    )
