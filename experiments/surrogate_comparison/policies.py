"""Policies whose values are to be ranked: fixed choices and random rules of what is seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from sim.description import Description
from surrogates.design import RoughView

Decide = Callable[[Float[np.ndarray, "batch state"]], Float[np.ndarray, "batch lever"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed:
    """One choice, whatever is seen."""

    levels: Float[np.ndarray, "lever"]

    def __call__(
        self, states: Float[np.ndarray, "batch state"]
    ) -> Float[np.ndarray, "batch lever"]:
        """The same levels in every row."""
        return np.tile(self.levels, (len(states), 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear:
    """Each lever by a linear score of what is seen; the higher the score, the higher its level."""

    description: Description
    slopes: Float[np.ndarray, "lever input"]
    offsets: Float[np.ndarray, "lever"]

    def __call__(
        self, states: Float[np.ndarray, "batch state"]
    ) -> Float[np.ndarray, "batch lever"]:
        """Levels for each row."""
        seen = RoughView(self.description)(states)
        share = 1.0 / (1.0 + np.exp(-(seen @ self.slopes.T + self.offsets)))
        columns = []
        for lever, part in zip(self.description.levers, share.T, strict=True):
            place = np.minimum((part * len(lever.levels)).astype(int), len(lever.levels) - 1)
            columns.append(np.array(lever.levels)[place])
        return np.stack(columns, axis=1)


def varied_policies(
    description: Description, count: int, random: np.random.Generator
) -> tuple[Decide, ...]:
    """Different fixed choices for up to half of them, and random linear rules."""
    choices = description.decisions
    fixed = random.permutation(len(choices))[: count // 2]
    inputs, levers = len(RoughView(description).names), len(description.levers)
    return (
        *(Fixed(levels=choices[number]) for number in fixed),
        *(
            Linear(
                description=description,
                slopes=random.normal(size=(levers, inputs)) * 1.5 / np.sqrt(inputs),
                offsets=random.normal(size=levers),
            )
            for _ in range(count - len(fixed))
        ),
    )
