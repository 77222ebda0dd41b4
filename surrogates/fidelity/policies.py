"""Policies that differ, so that a surrogate can be asked which of them is better.

Each decides for a batch of states at once and without chance: then a policy has one value, and
two worlds can be asked for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from sim.description import Description
from sim.errors import InvalidSystem
from sim.streams import stream
from surrogates.design import RoughView
from surrogates.pilot import Decides, seated

SMALLEST_DIFFERENCE = 0.05
"""Share of states in which two policies must decide differently: the values of policies that
differ more rarely are ordered by noise."""
_DRAWN_APART = 2 * SMALLEST_DIFFERENCE
"""The same when they are chosen: the states they then meet are not those they were chosen by."""
_SMALLEST_SPREAD = 0.1
"""Spread below which an input is not stretched further: it hardly ever changes."""
_TRIES = 40
"""Rules that are drawn for each policy wanted before it is held that there are no more."""
_MOST_CHOICES = 2**63 - 1
"""Joint choices that a policy can tell apart by their numbers."""


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
    """For each lever a level by a linear rule of the state, its slopes drawn at random.

    What is seen is measured from where it lies in some states that occur, in its spread over
    them: on a scale that suits another system's size the rule would hardly ever change its mind.
    """

    def __init__(
        self,
        name: str,
        description: Description,
        states: Float[np.ndarray, "seen state"],
        random: np.random.Generator,
    ) -> None:
        self.name = name
        self._view = RoughView(description)
        seen = self._view(states)
        self._centre = seen.mean(axis=0)
        self._spread = np.maximum(seen.std(axis=0), _SMALLEST_SPREAD)
        self._sizes = np.array([len(lever.levels) for lever in description.levers], dtype=int)
        inputs = len(self._view.names)
        self._slopes = random.normal(size=(inputs, len(self._sizes))) / np.sqrt(max(1, inputs))
        self._offsets = random.normal(size=len(self._sizes))

    def decide(self, states: Float[np.ndarray, "batch state"]) -> Int[np.ndarray, "batch"]:
        """The levels that the rule gives, as one joint choice."""
        seen = (self._view(states) - self._centre) / self._spread
        wanted = seen @ self._slopes + self._offsets
        shares = 1 / (1 + np.exp(-np.clip(1.5 * wanted, -50.0, 50.0)))
        levels = np.minimum((shares * self._sizes).astype(int), self._sizes - 1)
        # The last lever changes fastest among the joint choices.
        steps = np.append(np.cumprod(self._sizes[:0:-1])[::-1], 1)[: len(self._sizes)]
        return np.asarray(levels @ steps.astype(int))


def varied_policies(
    description: Description, states: Float[np.ndarray, "seen state"], count: int, seed: int
) -> tuple[Decider, ...]:
    """Policies that decide differently in states that occur; fewer where no more are found.

    Up to half of them are constants spread over the joint choices, the rest random linear rules.
    """
    varied = Varied(states, _DRAWN_APART)
    for choice in constants(description, count // 2):
        varied.consider(choice)
    for number in range(_TRIES * count):
        if len(varied.policies) == count:
            break
        random = stream(seed, "linear rule", str(number))
        name = f"linear {len(varied.policies) + 1}"
        varied.consider(Linear(name, description, states, random))
    return tuple(varied.policies)


def constants(description: Description, most: int) -> tuple[Constant, ...]:
    """Constant policies spread over the joint choices."""
    choices = number_of_choices(description)
    count = min(choices, most)
    # In whole numbers: beyond 2 ** 53 the last choice is no float.
    spread = (round(Fraction((choices - 1) * k, max(1, count - 1))) for k in range(count))
    return tuple(Constant(name=f"constant {choice}", choice=choice) for choice in spread)


def number_of_choices(description: Description) -> int:
    """How many joint choices there are, without listing them where all combinations are offered.

    Raises InvalidSystem where there are more than numbers of 64 bits.
    """
    if type(description).decisions is not Description.decisions:
        return len(description.decisions)
    choices = prod(len(lever.levels) for lever in description.levers)
    if choices > _MOST_CHOICES:
        raise InvalidSystem(
            f"{choices} joint choices of {len(description.levers)} levers, more than there are "
            f"numbers for ({_MOST_CHOICES}): take levers together, or give them fewer levels"
        )
    return choices


def count_distinct(policies: Sequence[Decider], states: Float[np.ndarray, "seen state"]) -> int:
    """How many of the policies decide differently in these states from all that are counted."""
    varied = Varied(states, SMALLEST_DIFFERENCE)
    for policy in policies:
        varied.consider(policy)
    return len(varied.policies)


class Varied:
    """Policies no two of which decide alike in nearly all of some states."""

    def __init__(self, states: Float[np.ndarray, "seen state"], least: float) -> None:
        """`least` is the share of states in which any two must differ."""
        self.policies: list[Decider] = []
        self._states, self._least = states, least
        self._decided: list[Int[np.ndarray, "seen"]] = []

    def consider(self, policy: Decider) -> None:
        """Take the policy in unless it decides as one does that is there."""
        # One that looks back decides as at the beginning of an episode: states stand alone here.
        decided = seated(policy, len(self._states)).decide(self._states)
        if all((decided != one).mean() >= self._least for one in self._decided):
            self.policies.append(policy)
            self._decided.append(decided)


def decide_each(
    policies: Sequence[Decides],
    which: Int[np.ndarray, "batch"],
    states: Float[np.ndarray, "batch state"],
) -> Int[np.ndarray, "batch"]:
    """Joint choices of a batch whose rows are decided by the numbered policies."""
    choices = np.zeros(len(states), dtype=int)
    for number in np.unique(which):
        rows = which == number
        choices[rows] = policies[number].decide(states[rows])
    return choices
