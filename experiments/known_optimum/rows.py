"""What one row of this study holds: a controller of one network, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass

LEARNT = "PPO on surrogate"
TUNED = "rule tuned on surrogate"
SURROGATE_OPTIMUM = "optimum of surrogate"
"""Arms that are no rule of the network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A rule, or what was learnt with one seed."""

    network: str
    arm: str
    """A rule's name, or one of the arms above."""
    seed: int
    digest: str
    """Of the setting; rows of a setting that has changed do not count."""
    cost: float
    """Average cost per minute on the true network."""
    low: float
    high: float
    """95% interval of the cost, a point where it was computed exactly."""
    how: str
    """`exact` on the grid, or `walk` on the chain."""
    true_transitions: int
    """Epochs of the true simulator that it took, data collection included; 0 for rules."""
    surrogate_transitions: int
    """Epochs of the surrogate that PPO learnt from."""
    seconds: float
    """Wall time of collecting, fitting and training; the machine was shared."""
    simulated: tuple[float, float, float] | None
    """By the event simulator, paired with the best rule: relative difference and its interval."""
    commit: str
    date: str
    machine: str

    @property
    def key(self) -> tuple[str, str, int, str]:
        """What it is a measurement of."""
        return self.network, self.arm, self.seed, self.digest
