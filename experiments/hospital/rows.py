"""What one row of this study holds: a controller of the wards, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One controller on the reported episodes of one seed."""

    arm: str
    """A rule's name, `PPO from the rule`, `PPO from scratch`, or `shipped`."""
    seed: int
    digest: str
    """Of the setting; rows of a setting that has changed do not count."""
    cost: float
    """Mean cost of four weeks on the true simulator, in dollars."""
    low: float
    high: float
    relative: float
    """Difference to the best rule on the same episodes, relative to its cost."""
    relative_low: float
    relative_high: float
    """95% interval."""
    episodes: int
    exceptions: float
    """Share of decisions in which something else is done than the best rule says."""
    is_promoted: bool
    """Whether it passed the gate on other episodes; a rule passes none."""
    true_transitions: int
    """Epochs of the true simulator behind it: data, choice among rules, and gate."""
    surrogate_transitions: int
    """Epochs of the surrogate that PPO learnt from."""
    seconds: float
    """Wall time of training; the machine was shared."""
    commit: str
    date: str
    machine: str

    @property
    def key(self) -> tuple[int, str]:
        """What it is a part of: seed and digest."""
        return self.seed, self.digest
