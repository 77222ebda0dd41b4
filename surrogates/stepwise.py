"""Surrogates that draw the free numbers of an epoch one after another, each by a model of its own.

A family says what its model of one number makes of the inputs (see `lessons`); the walk through
the numbers, the settling and the likelihood of a whole epoch are here once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Float32, Int

from surrogates.coordinates import Coordinates
from surrogates.dataset import Transitions
from surrogates.features import features_of
from surrogates.given import GivenArrivals, names_of_arrivals
from surrogates.interface import Epochs
from surrogates.lessons import Scales, View

_CHUNK_ROWS = 16_384
"""Rows whose likelihood is taken at once."""
Rows = Int[np.ndarray, "rows"] | slice
Latent = Callable[[int, Float32[np.ndarray, "rows input"], Rows], Float[np.ndarray, "rows"]]
"""Given a number's position and its inputs in the rows asked for, values on its modelling scale."""


class StepwiseSurrogate(ABC):
    """A chain of models, one for each free number."""

    def __init__(self, coordinates: Coordinates, scales: Scales) -> None:
        self.description, self.openings = coordinates.description, coordinates.openings
        self._coordinates, self._scales = coordinates, scales
        self._features = features_of(self.description)

    @abstractmethod
    def _draw(
        self,
        position: int,
        inputs: Float32[np.ndarray, "batch input"],
        random: np.random.Generator,
    ) -> Float[np.ndarray, "batch"]:
        """Latent values of one number on its modelling scale, before they are settled."""

    def sample(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
        random: np.random.Generator,
    ) -> Epochs:
        """Draw one epoch for each row."""
        return self.walk(
            states,
            decisions,
            parameters,
            lambda position, inputs, _: self._draw(position, inputs, random),
        )

    @property
    def arrivals_from_outside(self) -> tuple[str, ...]:
        """Names of the outputs that count those who come, whatever is decided."""
        return names_of_arrivals(self._coordinates)

    def sample_given_arrivals(
        self, transitions: Transitions, random: np.random.Generator
    ) -> Epochs:
        """Draw one epoch for each transition, its arrivals from outside as they were seen."""
        t = transitions
        return self.walk(
            t.state,
            t.decision,
            t.parameters,
            lambda position, inputs, _: self._draw(position, inputs, random),
            GivenArrivals(self._coordinates, t),
        )

    def walk(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
        latent: Latent,
        coordinates: Coordinates | None = None,
        *,
        everywhere: bool = False,
    ) -> Epochs:
        """The epochs that follow when the free numbers are settled one after another.

        Along other coordinates than its own where some of the numbers are given. A model is asked
        in the rows alone whose bounds leave a choice, unless it is to be asked everywhere.
        """
        view = self._view(states, decisions, parameters)

        def draw(
            position: int, low: Float[np.ndarray, "batch"], high: Float[np.ndarray, "batch"]
        ) -> Float[np.ndarray, "batch"]:
            rows = np.flatnonzero(high > low)
            drawn = np.zeros(len(low))
            if everywhere or len(rows) == len(low):
                drawn = latent(position, view.inputs(position, low, high), slice(None))
            elif len(rows):
                drawn[rows] = latent(position, view.inputs(position, low, high, rows), rows)
            values = self._coordinates.coordinates[position].settle(drawn, low, high)
            view.note(position, values)
            return values

        return (coordinates or self._coordinates).complete(states, decisions, parameters, draw)

    def unscale(
        self, position: int, standard: Float[np.ndarray, "batch"]
    ) -> Float[np.ndarray, "batch"]:
        """From standardised units to the modelling scale of one number."""
        centre, spread = self._scales.coordinate[:, position]
        return np.asarray(centre + spread * standard.astype(float))

    def _view(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
    ) -> View:
        features = self._features.matrix(states, decisions, parameters)
        return View(self._coordinates.coordinates, self._scales, features)


class LikelyStepwiseSurrogate(StepwiseSurrogate):
    """One whose models can say how likely a settled value is."""

    @abstractmethod
    def _settled_log_prob(
        self,
        position: int,
        inputs: Float32[np.ndarray, "batch input"],
        values: Float[np.ndarray, "batch"],
        low: Float[np.ndarray, "batch"],
        high: Float[np.ndarray, "batch"],
    ) -> Float[np.ndarray, "batch"]:
        """Log probability of one number's settled values, in nats."""

    def log_prob(self, transitions: Transitions) -> Float[np.ndarray, "batch"]:
        """Log likelihood of each transition, in nats."""
        rows = np.arange(len(transitions))
        parts = [rows[i : i + _CHUNK_ROWS] for i in range(0, len(rows), _CHUNK_ROWS)]
        return np.concatenate(
            [np.zeros(0), *(self._log_prob(transitions.take(part)) for part in parts)]
        )

    def _log_prob(self, transitions: Transitions) -> Float[np.ndarray, "batch"]:
        values, low, high = self._coordinates.encode(transitions)
        view = self._view(transitions.state, transitions.decision, transitions.parameters)
        total = np.zeros(len(transitions))
        for i, (seen, least, most) in enumerate(zip(values.T, low.T, high.T, strict=True)):
            inputs = view.inputs(i, least, most)
            total += self._settled_log_prob(i, inputs, seen, least, most)
            view.note(i, seen)
        return total
