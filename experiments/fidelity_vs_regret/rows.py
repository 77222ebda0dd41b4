"""What one row of this study holds: a surrogate, its scores, and what its policy is worth."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One family fitted to so many days with one seed, and the policy that PPO found on it."""

    ground: str
    digest: str
    """Of the setting; rows of a setting that has changed do not count."""
    family: str
    episodes: int
    seed: int
    scores: dict[str, float | None]
    """By name, the smaller the better; None for what the family cannot be asked."""
    use: str
    """The verdict of the fidelity report."""
    cost: float
    """Mean cost of a true day under the policy, greedy, on the same days as every other."""
    seconds: float
    commit: str
    date: str
    machine: str

    @property
    def key(self) -> tuple[str, str, str, int, int]:
        """What it is a measurement of."""
        return self.ground, self.digest, self.family, self.episodes, self.seed
