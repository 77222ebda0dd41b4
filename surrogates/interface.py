"""What a surrogate is: a cheap, stochastic answer to the simulator's question, in batches.

A surrogate is reward-free and conditioned on parameters: it samples the next state and the
outputs of an epoch from the state, the decision and the parameters. One Protocol per capability.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from sim.description import Description
from surrogates.dataset import Transitions


@dataclass(frozen=True, slots=True, kw_only=True)
class Epochs:
    """A batch of answers, in the order of the description's names."""

    state: Float[np.ndarray, "batch state"]
    outputs: Float[np.ndarray, "batch output"]
    duration: Float[np.ndarray, "batch"]
    """Minutes."""


@runtime_checkable
class Surrogate(Protocol):
    """A fitted one-epoch model that can be sampled in batches."""

    @property
    def name(self) -> str:
        """The family's name."""
        ...

    @property
    def description(self) -> Description:
        """The system it stands in for."""
        ...

    @property
    def openings(self) -> Float[np.ndarray, "opening state"]:
        """States in which episodes begin, each as likely as another."""
        ...

    def sample(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
        random: np.random.Generator,
    ) -> Epochs:
        """Draw one epoch for each row.

        Raises InvalidQuestion for what the simulator would refuse.
        """
        ...


@runtime_checkable
class SupportsLikelihood(Protocol):
    """A surrogate that can say how likely an observed epoch was."""

    def log_prob(self, transitions: Transitions) -> Float[np.ndarray, "batch"]:
        """Log likelihood of each transition, in nats.

        Raises InvalidQuestion as `Surrogate.sample`.
        """
        ...


@runtime_checkable
class SupportsUpdate(Protocol):
    """A surrogate that learns on from where it stands, cheaper than from the start."""

    def update(
        self,
        transitions: Transitions,
        random: np.random.Generator,
        on_progress: Callable[[float], None] | None = None,
    ) -> Surrogate:
        """A new surrogate fitted to all these transitions, old and new; this one stays as it is."""
        ...


@runtime_checkable
class SupportsDoubt(Protocol):
    """A surrogate that can tell what it does not know from what nobody can know."""

    def doubt(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
    ) -> Float[np.ndarray, "batch"]:
        """How far off the epoch's free numbers may be for lack of data.

        Root mean square of their epistemic deviations, each over its number's spread in the data.
        """
        ...


@runtime_checkable
class SupportsFunctionDraws(Protocol):
    """A surrogate that is one of many possible worlds, and can be asked to stay in one of them."""

    def draw_functions(self, count: int, random: np.random.Generator) -> FunctionDraws:
        """So many worlds, each as likely as another given the data."""
        ...


@runtime_checkable
class FunctionDraws(Protocol):
    """Worlds drawn from what a surrogate believes; what remains random in them is chance."""

    @property
    def count(self) -> int:
        """How many."""
        ...

    def sample(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
        which: Int[np.ndarray, "batch"],
        random: np.random.Generator,
    ) -> Epochs:
        """Draw one epoch for each row, in the world with the row's number."""
        ...
