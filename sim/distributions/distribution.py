"""What every distribution of durations can say and do."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float


@runtime_checkable
class Distribution(Protocol):
    """A non-negative duration with a known mean, in minutes.

    Draws do not depend on the sizes of the blocks in which they are asked for: 1000 and then 1000
    are the same durations as 2000, so that customers keep theirs however they are fetched.
    """

    @property
    def mean(self) -> float:
        """Mean, in minutes."""
        ...

    @property
    def scv(self) -> float:
        """Variance over the squared mean; infinite only where the variance is."""
        ...

    def sample(self, random: np.random.Generator, size: int) -> Float[np.ndarray, "size"]:
        """Draw `size` independent durations, in minutes."""
        ...
