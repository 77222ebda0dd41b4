"""Policies that differ, so that a surrogate can be asked which of them is better.

Each decides for a batch of states at once and without chance: then a policy has one value, and
two worlds can be asked for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from sim.description import Description
from sim.streams import stream
from surrogates.design import RoughView


@runtime_checkable
class Decider(Protocol):
    """Anything that decides by the state alone."""

    @property
    def name(self) -> str:
        """What tables call it."""
        ...

    def decide(self, states: Float[np.ndarray, "batch state"]) -> Int[np.ndarray, "batch"]:
        """The number of the joint choice for each state."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """The same joint choice throughout."""

    name: str
    choice: int

    def decide(self, states: Float[np.ndarray, "batch state"]) -> Int[np.ndarray, "batch"]:
        """The choice, whatever the state."""
        return np.full(len(states), self.choice)


class Linear:
    """For each lever a level by a linear rule of the state, its slopes drawn at random."""

    def __init__(self, name: str, description: Description, random: np.random.Generator) -> None:
        self.name = name
        self._view = RoughView(description)
        self._sizes = np.array([len(lever.levels) for lever in description.levers], dtype=int)
        inputs = len(self._view.names)
        self._slopes = random.normal(size=(inputs, len(self._sizes))) / np.sqrt(max(1, inputs))
        self._offsets = random.normal(size=len(self._sizes))

    def decide(self, states: Float[np.ndarray, "batch state"]) -> Int[np.ndarray, "batch"]:
        """The levels that the rule gives, as one joint choice."""
        wanted = self._view(states) @ self._slopes + self._offsets
        shares = 1 / (1 + np.exp(-np.clip(1.5 * wanted, -50.0, 50.0)))
        levels = np.minimum((shares * self._sizes).astype(int), self._sizes - 1)
        # The last lever changes fastest among the joint choices.
        steps = np.append(np.cumprod(self._sizes[:0:-1])[::-1], 1)[: len(self._sizes)]
        return np.asarray(levels @ steps.astype(int))


def varied_policies(description: Description, count: int, seed: int) -> tuple[Decider, ...]:
    """Policies as unlike as the levers allow: half of them constant where there are as many.

    Constants are spread over the joint choices; the rest are linear rules.
    """
    choices = len(description.decisions)
    constants = min(choices, count // 2)
    spread = np.linspace(0, choices - 1, constants).round().astype(int).tolist()
    found: list[Decider] = [Constant(name=f"constant {c}", choice=c) for c in spread]
    for number in range(count - constants):
        random = stream(seed, "linear rule", str(number))
        found.append(Linear(f"linear {number + 1}", description, random))
    return tuple(found)


def decide_each(
    policies: Sequence[Decider],
    which: Int[np.ndarray, "batch"],
    states: Float[np.ndarray, "batch state"],
) -> Int[np.ndarray, "batch"]:
    """Joint choices of a batch whose rows are decided by the numbered policies."""
    choices = np.zeros(len(states), dtype=int)
    for number in np.unique(which):
        rows = which == number
        choices[rows] = policies[number].decide(states[rows])
    return choices
