"""How the networks of the flow surrogate are trained."""

from __future__ import annotations

import math
from dataclasses import dataclass

from surrogates.errors import InvalidDataset


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowSettings:
    """How a network is trained, from the start or further."""

    hidden: int = 64
    """Width of the two hidden layers."""
    regimes: int = 3
    """Ways in which an interval's numbers may depend on each other, mixed by the state."""
    learning_rate: float = 8e-3
    """Peak of a one-cycle schedule."""
    batch_size: int = 512
    """Transitions per step at most."""
    steps: int = 24
    """Steps of a pass at least, in smaller batches where data are few."""
    passes: int = 36
    """Passes over the data at least; the best by held-out likelihood is kept."""
    least_steps: int = 1_200
    """Steps in all at least: few data need more passes to be learnt as well as they allow."""
    update_share: float = 0.25
    """Share of the passes when a fitted surrogate learns on."""
    held_out: float = 0.1
    """Share of episodes kept aside to choose the best pass."""
    prior_rows: float = 2_000.0
    """Transitions at which the decoupled decay of the weights is 1; with twice as many it is half
    as strong, as a prior weighs against data."""

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

    def passes_over(self, rows: int) -> int:
        """Passes over so many transitions when a surrogate is fitted."""
        return max(self.passes, math.ceil(self.least_steps / math.ceil(rows / self.batch(rows))))

    def update_passes_over(self, rows: int) -> int:
        """Passes over so many transitions when a fitted surrogate learns on."""
        return max(1, round(self.update_share * self.passes_over(rows)))
