"""What one row of this study holds: a point of a learning curve."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One arm with one seed, fitted to so many episodes."""

    scenario: str
    family: str
    arm: str
    seed: int
    digest: str
    """Of the setting; rows of a setting that has changed do not count."""
    episodes: int
    epochs: int
    """Simulator epochs, all that the surrogate has seen."""
    crps: float
    """Standardised CRPS on epochs that good and varied policies meet; less is better."""
    crps_usual: float
    """The same on epochs of the baseline's own distribution."""
    tau: float
    """Kendall's tau between the surrogate's and the true ranking of the policies."""
    seconds: float
    """Processor seconds of the round, scoring included."""
    commit: str
    date: str
    machine: str

    @property
    def curve(self) -> tuple[str, str, int, str]:
        """What it is a point of: scenario, arm, seed and digest."""
        return self.scenario, self.arm, self.seed, self.digest
