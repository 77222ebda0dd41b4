"""How the networks of the flow surrogate are trained."""

from __future__ import annotations

from dataclasses import dataclass

from surrogates.errors import InvalidDataset


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowSettings:
    """How a network is trained, from the start or further."""

    hidden: int = 96
    """Width of the two hidden layers."""
    regimes: int = 3
    """Ways in which an interval's numbers may depend on each other, mixed by the state."""
    learning_rate: float = 8e-3
    """Peak of a one-cycle schedule."""
    batch_size: int = 512
    """Transitions per step, at most."""
    steps: int = 24
    """At least so many in a pass, in smaller batches where data are few."""
    passes: int = 36
    """Passes over the data; the best by held-out likelihood is kept."""
    update_share: float = 0.25
    """Share of the passes when a fitted surrogate learns on."""
    held_out: float = 0.1
    """Share of episodes kept aside to choose the best pass."""
    prior_rows: float = 2000.0
    """Transitions with which the decoupled decay of the weights is 1; with twice as many it is
    half as strong, as a prior weighs against data."""

    def __post_init__(self) -> None:
        for name in ("hidden", "batch_size", "steps", "passes"):
            if getattr(self, name) < 1:
                raise InvalidDataset(f"{name} {getattr(self, name)}: at least 1")

    def batch(self, rows: int) -> int:
        """Transitions per step where there are so many to learn from."""
        return min(self.batch_size, max(1, rows // self.steps))

    def weight_decay(self, rows: int) -> float:
        """Decay of the weights where there are so many transitions to learn from."""
        return self.prior_rows / rows

    @property
    def update_passes(self) -> int:
        """Passes over the data when a fitted surrogate learns on."""
        return max(1, round(self.update_share * self.passes))
