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
    view: RoughView
    centre: Float[np.ndarray, "input"]
    spread: Float[np.ndarray, "input"]
    slopes: Float[np.ndarray, "lever input"]
    offsets: Float[np.ndarray, "lever"]

    def __call__(
        self, states: Float[np.ndarray, "batch state"]
    ) -> Float[np.ndarray, "batch lever"]:
        """Levels for each row."""
        seen = (self.view(states) - self.centre) / self.spread
        share = 1.0 / (1.0 + np.exp(-(seen @ self.slopes.T + self.offsets)))
        columns = []
        for lever, part in zip(self.description.levers, share.T, strict=True):
            place = np.minimum((part * len(lever.levels)).astype(int), len(lever.levels) - 1)
            columns.append(np.array(lever.levels)[place])
        return np.stack(columns, axis=1)


def varied_policies(
    description: Description,
    states: Float[np.ndarray, "seen state"],
    count: int,
    random: np.random.Generator,
) -> tuple[Decide, ...]:
    """Fixed choices for up to half of them, and random linear rules that decide differently.

    `states` are such as occur: rules weigh what is seen by its spread over them, and no two
    policies decide alike in all of them, for their ties would tell nothing.
    """
    choices = description.decisions
    fixed = random.permutation(len(choices))[: count // 2]
    found: dict[bytes, Decide] = {}
    for number in fixed:
        constant = Fixed(levels=choices[number])
        found[constant(states).tobytes()] = constant
    while len(found) < count:
        rule = _linear(description, states, random)
        found.setdefault(rule(states).tobytes(), rule)
    return tuple(found.values())


def _linear(
    description: Description, states: Float[np.ndarray, "seen state"], random: np.random.Generator
) -> Linear:
    view = RoughView(description)
    seen, shape = view(states), (len(description.levers), len(view.names))
    return Linear(
        description=description,
        view=view,
        centre=seen.mean(axis=0),
        spread=np.maximum(seen.std(axis=0), 0.1),
        slopes=random.normal(size=shape) * 1.5 / np.sqrt(shape[1]),
        offsets=random.normal(size=shape[0]),
    )
