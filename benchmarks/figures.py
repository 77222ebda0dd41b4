"""Figures: the median of what was measured, with an interval, a unit and a goal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import binom

from benchmarks.errors import InvalidMeasurement

INFORMATION = "information"
"""In place of a goal: kept to be known, nothing is asked of it."""

_COMPARES = {"<=": np.less_equal, ">=": np.greater_equal}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure that the project keeps."""

    name: str
    value: float
    low: float
    high: float
    n: int
    unit: str
    goal: str

    @property
    def meets_goal(self) -> bool | None:
        """Whether the value is where it should be; None where nothing is asked."""
        if self.goal == INFORMATION:
            return None
        sign, bound = self.goal.split()
        return bool(_COMPARES[sign](self.value, float(bound)))

    def to_record(self) -> dict[str, Any]:
        """The figure as JSON, numbers to six digits."""
        return {
            key: float(f"{value:.6g}") if isinstance(value, float) else value
            for key, value in asdict(self).items()
        }


def median_figure(name: str, values: Sequence[float], *, unit: str, goal: str) -> Figure:
    """The median with its distribution-free 95% interval, from one value to another.

    With fewer than six values no such interval exists, and the whole range stands for it.
    """
    if not values:
        raise InvalidMeasurement(f"figure {name!r} has no rows: run its benchmark first")
    ordered = sorted(values)
    n = len(ordered)
    # The k-th least and k-th greatest miss the median only if fewer than k values lie on one side.
    k = max(1, int(binom.ppf(0.025, n, 0.5)))
    return Figure(
        name=name,
        value=float(np.median(ordered)),
        low=ordered[k - 1],
        high=ordered[n - k],
        n=n,
        unit=unit,
        goal=goal,
    )


def weakest(name: str, figures: Sequence[Figure], goal: str) -> Figure:
    """The least of several ratios, under a name of its own: a goal for each is one for it."""
    least = min(figures, key=lambda figure: figure.value)
    return Figure(
        name=name, value=least.value, low=least.low, high=least.high, n=least.n, unit=least.unit,
        goal=goal,
    )  # fmt: skip
