"""Doubt for surrogates that have none of their own: several fits that saw different episodes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from sim.description import Description
from surrogates.dataset import Transitions, concatenate
from surrogates.errors import InvalidDataset
from surrogates.interface import Epochs, Surrogate

Fit = Callable[[Transitions, np.random.Generator], Surrogate]
"""Fits one member."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Committee:
    """Members fitted on bootstrap resamples of whole episodes; each answers a share of the rows.

    Fitting costs as much as so many fits. Their disagreement is what other episodes could have
    taught; what all of them get wrong alike it does not show.
    """

    members: tuple[Surrogate, ...]
    spread: Float[np.ndarray, "number"]
    """Deviation of every number of the next state and the outputs in the data; inf where fixed."""
    draws: int = 16
    """Epochs drawn from each member to learn its mean."""
    seed: int = 0
    """Of the draws for doubt, so that the same question gets the same answer."""
    name: str = "committee"

    @property
    def description(self) -> Description:
        """The system it stands in for."""
        return self.members[0].description

    @property
    def openings(self) -> Float[np.ndarray, "opening state"]:
        """States in which episodes begin."""
        return self.members[0].openings

    def sample(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
        random: np.random.Generator,
    ) -> Epochs:
        """Draw one epoch for each row, from a member drawn for each row."""
        who = random.integers(len(self.members), size=len(states))
        parts = {int(number): np.flatnonzero(who == number) for number in np.unique(who)}
        drawn = [
            self.members[number].sample(states[rows], decisions[rows], parameters[rows], random)
            for number, rows in parts.items()
        ]
        return _gathered(drawn, np.argsort(np.concatenate(list(parts.values()))))

    def doubt(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
    ) -> Float[np.ndarray, "batch"]:
        """Deviation between the members' mean epochs, each number over its spread in the data.

        A mean of so many draws varies by chance too; that much is taken off.
        """
        random = np.random.default_rng(self.seed)
        rows = np.repeat(np.arange(len(states)), self.draws)
        asked = states[rows], decisions[rows], parameters[rows]
        drawn = np.array([_numbers(member.sample(*asked, random)) for member in self.members])
        drawn = (drawn / self.spread).reshape(len(self.members), len(states), self.draws, -1)
        between = drawn.mean(axis=2).var(axis=0, ddof=1)
        chance = drawn.var(axis=2, ddof=1).mean(axis=0) / self.draws
        moving = np.isfinite(self.spread)
        beyond_chance = (between - chance)[:, moving].mean(axis=1)
        return np.asarray(np.sqrt(np.maximum(beyond_chance, 0.0)))


def fit_committee(
    fit: Fit, transitions: Transitions, members: int, random: np.random.Generator
) -> Committee:
    """Fit each member on as many episodes as there are, drawn with replacement."""
    if members < 2:
        raise InvalidDataset(f"a committee of {members}: at least 2 to disagree")
    numbers = np.concatenate([transitions.next_state, transitions.outputs], axis=1)
    deviation = numbers.std(axis=0)
    return Committee(
        members=tuple(fit(resample(transitions, random), random) for _ in range(members)),
        spread=np.where(deviation > 1e-9, deviation, np.inf),
    )


def resample(transitions: Transitions, random: np.random.Generator) -> Transitions:
    """As many whole episodes, drawn with replacement; one drawn twice keeps its number."""
    episodes = np.unique(transitions.episode)
    drawn = random.choice(episodes, size=len(episodes))
    return concatenate([transitions.take(np.flatnonzero(transitions.episode == e)) for e in drawn])


def _numbers(epochs: Epochs) -> Float[np.ndarray, "batch number"]:
    return np.concatenate([epochs.state, epochs.outputs], axis=1)


def _gathered(parts: list[Epochs], order: Int[np.ndarray, "batch"]) -> Epochs:
    return Epochs(
        state=np.concatenate([part.state for part in parts])[order],
        outputs=np.concatenate([part.outputs for part in parts])[order],
        duration=np.concatenate([part.duration for part in parts])[order],
    )
