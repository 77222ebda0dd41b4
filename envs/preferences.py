"""A range of objectives, so that one policy can serve every objective in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from envs.objective import Objective
from sim.errors import InvalidSystem, suggestion


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """An objective some of whose numbers are drawn for each episode, each evenly from a range.

    A policy that sees them (`envs.conditioning`) learns what to do under any.
    """

    objective: Objective
    ranges: dict[str, tuple[float, float]]
    """By one of `objective.number_names`: the least and the most."""

    def __post_init__(self) -> None:
        known = self.objective.number_names
        for name, (low, high) in self.ranges.items():
            if name not in known:
                raise InvalidSystem(f"no number {name!r} to vary{suggestion(name, known)}")
            if not (np.isfinite([low, high]).all() and low <= high):
                raise InvalidSystem(f"{name!r} from {low} to {high}: least first, both finite")
        # Nobody draws lower, and an objective refuses a price below 0.
        least = self.objective.numbers
        least[self.positions] = [low for low, _ in self.ranges.values()]
        self.objective.with_numbers(least)

    @property
    def positions(self) -> list[int]:
        """Which of the objective's numbers vary."""
        return [self.objective.number_names.index(name) for name in self.ranges]

    def draw(self, count: int, random: np.random.Generator) -> Float[np.ndarray, "count number"]:
        """All numbers of the objectives of so many episodes."""
        drawn = np.tile(self.objective.numbers, (count, 1))
        for position, (low, high) in zip(self.positions, self.ranges.values(), strict=True):
            drawn[:, position] = random.uniform(low, high, count)
        return drawn
