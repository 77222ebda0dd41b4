"""How often each event happens where, as rules of routing have it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from surrogates.dataset import Transitions
from surrogates.flow.branches import Branches
from surrogates.flow.patterns import Patterns
from surrogates.flow.questions import Asked, SharpInputs

SHORTEST = 1e-9
"""Minutes; events at the same moment have a density of their own."""
_BRANCHES, _LOGARITHMS = "rates", "rates.logarithms"


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """The rates of a system's events: what parameters and the description tell, and trees."""

    patterns: Patterns
    sharp: SharpInputs
    branches: Branches
    logarithms: Float[np.ndarray, "leaf"]

    @classmethod
    def learn(cls, transitions: Transitions, patterns: Patterns) -> Routing:
        """Grow a tree for each event from observed epochs, all of known patterns."""
        # Not before it is wanted: scikit-learn takes a second, and most processes only draw.
        from surrogates.flow.growth import grow_rates

        sharp, asked = SharpInputs(patterns.description), patterns.ask_again(transitions)
        inputs, at_work = sharp(asked)
        possible = patterns.members @ patterns.feasible(asked.states) > 0.0
        minutes = np.maximum(transitions.duration, SHORTEST)
        exposure = possible * np.exp(patterns.known_rates(asked.parameters, at_work)) * minutes
        event = patterns.events[patterns.find(transitions)]
        grown = [
            grow_rates(inputs.T, (event == number).astype(float), mine, transitions.episode)
            for number, mine in enumerate(exposure)
        ]
        return cls(
            patterns=patterns,
            sharp=sharp,
            branches=Branches.of([tree for tree, _ in grown]),
            logarithms=np.concatenate([found for _, found in grown]).astype(np.float32),
        )

    def rates(self, asked: Asked) -> Float[np.ndarray, "event batch"]:
        """Logarithms of how often events happen per minute, where they can."""
        inputs, at_work = self.sharp(asked)
        leaves = self.branches.find(inputs)
        known = self.patterns.known_rates(asked.parameters, at_work)
        return np.asarray(self.logarithms[leaves] + known, dtype=np.float32)

    def to_tensors(self) -> dict[str, np.ndarray]:
        """Everything that was learnt."""
        return {**self.branches.to_tensors(_BRANCHES), _LOGARITHMS: self.logarithms}

    @classmethod
    def from_tensors(cls, tensors: dict[str, np.ndarray], patterns: Patterns) -> Routing:
        """What `to_tensors` gave."""
        return cls(
            patterns=patterns,
            sharp=SharpInputs(patterns.description),
            branches=Branches.from_tensors(tensors, _BRANCHES),
            logarithms=tensors[_LOGARITHMS],
        )
