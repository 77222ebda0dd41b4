"""Something that theory says of a system, and what a simulation must show of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import hypot

import numpy as np
from jaxtyping import Float

from experiments.truths.recording import Recording
from experiments.truths.setting import Depth, Setting
from sim.output import Estimate, mean_interval

CONFIDENCE = 0.999
"""Of every interval: with a hundred truths one true claim in ten runs is refused by chance."""

Estimator = Callable[[Recording], float]
"""What one replication says of the quantity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """One quantity of one setting, whose value is known without simulating it here."""

    name: str
    quantity: str
    """In words, with its unit."""
    value: float
    source: str
    """Where the value comes from: a formula by name, exact numerics, or others' simulation."""
    uncertainty: float = 0.0
    """Half width of the value's own 99.9% interval, where others simulated it."""
    setting: Setting
    estimate: Estimator
    precision: float
    """The most that a thorough interval's half width may be, relative to the value."""
    quick_precision: float = 0.0
    """The same of a quick one, where there is one."""

    def judge(self, values: Float[np.ndarray, "replication"], depth: Depth) -> Verdict:
        """What the replications say."""
        wanted = self.quick_precision if depth == "quick" else self.precision
        return Verdict(truth=self, measured=mean_interval(values, CONFIDENCE), wanted=wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A truth with what was measured."""

    truth: Truth
    measured: Estimate
    """Mean over replications with its 99.9% interval."""
    wanted: float
    """The relative half width that still tells the value from another."""

    @property
    def half_width(self) -> float:
        """Of the measured interval."""
        return (self.measured.high - self.measured.low) / 2

    @property
    def holds(self) -> bool:
        """Whether value and measurement agree within what both leave open."""
        difference = abs(self.measured.value - self.truth.value)
        return difference <= hypot(self.half_width, self.truth.uncertainty)

    @property
    def is_telling(self) -> bool:
        """Whether the interval is narrow enough to have missed another value."""
        return self.half_width <= self.wanted * abs(self.truth.value)
