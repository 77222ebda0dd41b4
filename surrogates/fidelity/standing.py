"""Whether a policy was trained at all: where it stands among others in the surrogate itself.

Training is cut off by the clock. A policy that is worse there than rules that anybody could draw
has not found what pays in the surrogate, so that its small gap speaks for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from surrogates.fidelity.gap import optimism


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A trained policy among the varied ones, by imagined costs under the same parameters."""

    rank: int
    """1 is the cheapest."""
    policies: int
    """How many are ranked, the trained one among them."""
    best: str
    """The cheapest of the varied ones."""
    lead: float
    """What the trained one saves of the cost of that; below 0 it costs more."""
    low: float
    high: float
    """95% interval of the lead, episodes of both resampled."""


def standing_of(
    trained: Float[np.ndarray, "episode"],
    names: Sequence[str],
    means: Float[np.ndarray, "policy"],
    best: Float[np.ndarray, "episode"],
    random: np.random.Generator,
) -> Standing:
    """From the costs of the trained policy, the varied ones' means and the cheapest's costs.

    `best` are costs of other episodes than those it was found the cheapest on: of many it is partly
    luck which is, and a rule made better than it is would make trained policies look untrained.
    """
    lead = optimism(best, trained, random)
    return Standing(
        rank=1 + int((means < trained.mean()).sum()),
        policies=1 + len(means),
        best=names[int(means.argmin())],
        lead=lead.value,
        low=lead.low,
        high=lead.high,
    )
