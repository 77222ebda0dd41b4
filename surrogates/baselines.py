"""Two surrogates that any other must beat: the marginal distribution, and real epochs nearby."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from sklearn.neighbors import NearestNeighbors

from sim.description import Description
from surrogates.coordinates import Coordinates, learn_coordinates, restore_coordinates
from surrogates.dataset import Transitions, refuse_unusable
from surrogates.errors import InvalidDataset
from surrogates.features import features_of
from surrogates.interface import Epochs
from surrogates.settled import settled_log_prob


class MeanSurrogate:
    """The null surrogate: every free number from its marginal normal, whatever is asked.

    The normal is on the modelling scale, fitted over all rows of the training data.
    """

    name = "mean"

    def __init__(
        self,
        coordinates: Coordinates,
        mean: Float[np.ndarray, "coordinate"],
        deviation: Float[np.ndarray, "coordinate"],
    ) -> None:
        self.description, self.openings = coordinates.description, coordinates.openings
        self._coordinates = coordinates
        self._mean, self._deviation = mean, deviation

    def sample(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
        random: np.random.Generator,
    ) -> Epochs:
        """Draw one epoch for each row."""

        def draw(
            position: int, low: Float[np.ndarray, "batch"], high: Float[np.ndarray, "batch"]
        ) -> Float[np.ndarray, "batch"]:
            latent = random.normal(self._mean[position], self._deviation[position], len(low))
            return self._coordinates.coordinates[position].settle(latent, low, high)

        return self._coordinates.complete(states, decisions, parameters, draw)

    def log_prob(self, transitions: Transitions) -> Float[np.ndarray, "batch"]:
        """Log likelihood of each transition, in nats."""
        values, low, high = self._coordinates.encode(transitions)
        total = np.zeros(len(transitions))
        for i, coordinate in enumerate(self._coordinates.coordinates):
            mean, deviation = (np.full(len(total), a[i]) for a in (self._mean, self._deviation))
            total += settled_log_prob(
                coordinate, values[:, i], low[:, i], high[:, i], mean, deviation
            )
        return total

    def update(
        self,
        transitions: Transitions,
        random: np.random.Generator,
        on_progress: Callable[[float], None] | None = None,
    ) -> MeanSurrogate:
        """The marginals of all these transitions."""
        return fit_mean(transitions, self.description, None, random, on_progress)

    def to_tensors(self) -> dict[str, np.ndarray]:
        """Everything needed to stand in again."""
        own = {"mean": self._mean, "deviation": self._deviation}
        return {**own, **self._coordinates.to_tensors()}

    @classmethod
    def from_tensors(
        cls, tensors: dict[str, np.ndarray], description: Description
    ) -> MeanSurrogate:
        """The surrogate that `to_tensors` was asked of."""
        coordinates = restore_coordinates(description, tensors)
        return cls(coordinates, tensors["mean"], tensors["deviation"])


def fit_mean(
    transitions: Transitions,
    description: Description,
    settings: None,  # noqa: ARG001 - every family is fitted by the same call
    random: np.random.Generator,  # noqa: ARG001
    on_progress: Callable[[float], None] | None = None,
) -> MeanSurrogate:
    """Take the marginal mean and deviation of every free number; nothing to set."""
    refuse_unusable(transitions, description)
    free = learn_coordinates(description, transitions)
    values, _, _ = free.encode(transitions)
    scaled = np.column_stack(
        [c.scale(column) for c, column in zip(free.coordinates, values.T, strict=True)]
    )
    if on_progress is not None:
        on_progress(1.0)
    return MeanSurrogate(free, scaled.mean(axis=0), np.maximum(scaled.std(axis=0), 1e-3))


@dataclass(frozen=True, slots=True, kw_only=True)
class NearestNeighbourSettings:
    """How near a real epoch must be to answer."""

    neighbours: int = 10
    """One of this many nearest epochs is drawn; more blurs, fewer repeats the data."""

    def __post_init__(self) -> None:
        if self.neighbours < 1:
            raise InvalidDataset(f"neighbours {self.neighbours}: at least 1")


class NearestNeighbourSurrogate:
    """Answers with a real epoch drawn from those that began most alike, within the bounds.

    A draw is one epoch as a whole, so that its free numbers keep their dependence.
    """

    name = "bootstrap"

    def __init__(self, description: Description, tensors: dict[str, np.ndarray]) -> None:
        self._coordinates = restore_coordinates(description, tensors)
        self.description, self.openings = description, self._coordinates.openings
        self._features = features_of(description)
        self._tensors = tensors
        self._neighbours = int(tensors["neighbours"][0])
        self._index = NearestNeighbors(n_neighbors=self._neighbours).fit(tensors["features"])

    def sample(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
        random: np.random.Generator,
    ) -> Epochs:
        """Draw one epoch for each row."""
        raw = self._features.matrix(states, decisions, parameters)
        near = self._index.kneighbors(
            (raw - self._tensors["centre"]) / self._tensors["spread"], return_distance=False
        )
        drawn = near[np.arange(len(near)), random.integers(self._neighbours, size=len(near))]
        values = self._tensors["values"][drawn]

        def draw(
            position: int, low: Float[np.ndarray, "batch"], high: Float[np.ndarray, "batch"]
        ) -> Float[np.ndarray, "batch"]:
            return np.asarray(np.minimum(np.maximum(values[:, position], low), high))

        return self._coordinates.complete(states, decisions, parameters, draw)

    def update(
        self,
        transitions: Transitions,
        random: np.random.Generator,
        on_progress: Callable[[float], None] | None = None,
    ) -> NearestNeighbourSurrogate:
        """Keep all these transitions; as many neighbours as before answer."""
        settings = NearestNeighbourSettings(neighbours=self._neighbours)
        return fit_nearest_neighbours(transitions, self.description, settings, random, on_progress)

    def to_tensors(self) -> dict[str, np.ndarray]:
        """Everything needed to stand in again: the epochs themselves."""
        return dict(self._tensors)

    @classmethod
    def from_tensors(
        cls, tensors: dict[str, np.ndarray], description: Description
    ) -> NearestNeighbourSurrogate:
        """The surrogate that `to_tensors` was asked of."""
        return cls(description, tensors)


def fit_nearest_neighbours(
    transitions: Transitions,
    description: Description,
    settings: NearestNeighbourSettings,
    random: np.random.Generator,  # noqa: ARG001 - every family is fitted by the same call
    on_progress: Callable[[float], None] | None = None,
) -> NearestNeighbourSurrogate:
    """Keep every epoch, indexed by its standardised features."""
    refuse_unusable(transitions, description)
    free = learn_coordinates(description, transitions)
    values, _, _ = free.encode(transitions)
    raw = features_of(description).matrix(
        transitions.state, transitions.decision, transitions.parameters
    )
    centre, spread = raw.mean(axis=0), np.maximum(raw.std(axis=0), 1e-6)
    if on_progress is not None:
        on_progress(1.0)
    return NearestNeighbourSurrogate(
        description,
        {
            "features": (raw - centre) / spread,
            "values": values,
            "centre": centre,
            "spread": spread,
            "neighbours": np.array([min(settings.neighbours, len(values))]),
            **free.to_tensors(),
        },
    )
