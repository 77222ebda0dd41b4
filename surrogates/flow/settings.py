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
    learning_rate: float = 4e-3
    """Peak of a one-cycle schedule."""
    batch_size: int = 512
    """Transitions per step."""
    passes: int = 36
    """Passes over the data at least; the best by held-out likelihood is kept."""
    least_steps: int = 1_200
    """Steps at least: few data need more passes to be learnt as well as they allow."""
    update_share: float = 0.25
    """Share of the passes when a fitted surrogate learns on."""
    held_out: float = 0.1
    """Share of episodes kept aside to choose the best pass."""
    weight_decay: float = 1e-4
    """Decoupled decay of all weights."""

    def __post_init__(self) -> None:
        for name in ("hidden", "batch_size", "passes"):
            if getattr(self, name) < 1:
                raise InvalidDataset(f"{name} {getattr(self, name)}: at least 1")

    def passes_over(self, rows: int) -> int:
        """Passes over so many transitions when a surrogate is fitted."""
        return max(self.passes, math.ceil(self.least_steps / math.ceil(rows / self.batch_size)))

    def update_passes_over(self, rows: int) -> int:
        """Passes over so many transitions when a fitted surrogate learns on."""
        return max(1, round(self.update_share * self.passes_over(rows)))
