"""The task as a user of a regression library would put it.

Inputs are state, decision and parameters; targets are the numbers of the next state and of the
outputs, and the duration where nobody knows it beforehand. Both are standardised. What a user can
work out without a model (the clock, running counts, agents assigned) is filled in for every peer,
and drawn counts are rounded and never negative, so that no peer is blamed for fractions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Float, Int

from sim.description import Description
from surrogates.coordinates.ledger import ledger_of
from surrogates.coordinates.plain import PlainCoordinates
from surrogates.dataset import Transitions
from surrogates.interface import Epochs

Normal = tuple[Float[np.ndarray, "batch target"], Float[np.ndarray, "batch target"]]
"""Means and deviations."""


class Predictor(Protocol):
    """A fitted regression that can be drawn from, in standardised units."""

    def draw(
        self, inputs: Float[np.ndarray, "batch input"], random: np.random.Generator
    ) -> Float[np.ndarray, "batch target"]:
        """One draw of every target for each row."""
        ...


class Framing:
    """Transitions as standardised inputs and targets, and the way back."""

    def __init__(
        self, transitions: Transitions, description: Description, *, learns_changes: bool = False
    ) -> None:
        """`learns_changes`: the targets of the state are its changes, not where it ends."""
        self.description = description
        self.coordinates = PlainCoordinates.learn(description, transitions)
        known = ledger_of(description).names
        self._components = [i for i, q in enumerate(description.components) if q.name not in known]
        self._learns_changes = learns_changes
        raw = _raw(transitions.state, transitions.decision, transitions.parameters)
        self._varies: Bool[np.ndarray, "input"] = raw.std(axis=0) > 1e-9
        self._input = _measure(raw[:, self._varies])
        natural, _, _ = self.coordinates.encode(transitions)
        targets = natural - self._starts(transitions.state)
        self._target = _measure(targets)
        self.inputs = self.view(transitions.state, transitions.decision, transitions.parameters)
        self.targets: Float[np.ndarray, "row target"] = (targets - self._target[0]) / self._target[
            1
        ]

    def _starts(
        self, states: Float[np.ndarray, "batch state"]
    ) -> Float[np.ndarray, "batch target"]:
        starts = np.zeros((len(states), len(self.coordinates.coordinates)))
        if self._learns_changes:
            starts[:, len(starts.T) - len(self._components) :] = states[:, self._components]
        return starts

    def view(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
    ) -> Float[np.ndarray, "batch input"]:
        """Standardised inputs; what never varied in the data is left out."""
        raw = _raw(states, decisions, parameters)[:, self._varies]
        result: Float[np.ndarray, "batch input"] = (raw - self._input[0]) / self._input[1]
        return result

    def complete(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
        drawn: Float[np.ndarray, "batch target"],
    ) -> Epochs:
        """The epochs that drawn standardised targets stand for."""
        natural = drawn * self._target[1] + self._target[0] + self._starts(states)

        def settle(
            position: int, low: Float[np.ndarray, "batch"], high: Float[np.ndarray, "batch"]
        ) -> Float[np.ndarray, "batch"]:
            values = natural[:, position]
            if self.coordinates.coordinates[position].is_whole:
                values = np.rint(values)
            return np.asarray(np.minimum(np.maximum(values, low), high))

        return self.coordinates.complete(states, decisions, parameters, settle)


def _raw(
    states: Float[np.ndarray, "batch state"],
    decisions: Float[np.ndarray, "batch lever"],
    parameters: Float[np.ndarray, "batch parameter"],
) -> Float[np.ndarray, "batch raw"]:
    return np.concatenate([states, decisions, parameters], axis=1)


def _measure(values: Float[np.ndarray, "row column"]) -> Float[np.ndarray, "2 column"]:
    spread = values.std(axis=0)
    return np.stack([values.mean(axis=0), np.where(spread > 1e-9, spread, 1.0)])


class PeerSurrogate:
    """A peer's regression as a surrogate."""

    def __init__(self, name: str, framing: Framing, predictor: Predictor) -> None:
        self.name, self.description = name, framing.description
        self.openings = framing.coordinates.openings
        self._framing, self._predictor = framing, predictor

    def sample(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
        random: np.random.Generator,
    ) -> Epochs:
        """Draw one epoch for each row."""
        inputs = self._framing.view(states, decisions, parameters)
        drawn = self._predictor.draw(inputs, random)
        return self._framing.complete(states, decisions, parameters, drawn)


class Normals:
    """A predictor of independent normals."""

    def __init__(self, predict: Callable[[Float[np.ndarray, "batch input"]], Normal]) -> None:
        self._predict = predict

    def draw(
        self, inputs: Float[np.ndarray, "batch input"], random: np.random.Generator
    ) -> Float[np.ndarray, "batch target"]:
        """One draw of every target for each row."""
        mean, deviation = at_distinct(inputs, self._predict)
        return np.asarray(mean + deviation * random.standard_normal(mean.shape))


def at_distinct(
    inputs: Float[np.ndarray, "batch input"],
    predict: Callable[[Float[np.ndarray, "batch input"]], Normal],
) -> Normal:
    """Predict once for neighbouring rows that are the same, as the rows of a score are."""
    is_new = np.append(True, (inputs[1:] != inputs[:-1]).any(axis=1))
    mean, deviation = predict(inputs[is_new])
    which = np.cumsum(is_new) - 1
    return mean[which], deviation[which]


def some_rows(count: int, wanted: int, random: np.random.Generator) -> Int[np.ndarray, "chosen"]:
    """As many rows as a method can afford, at random; all where there are fewer."""
    chosen: Int[np.ndarray, "chosen"] = random.permutation(count)[:wanted]
    return chosen
