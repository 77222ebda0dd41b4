"""Where a surrogate has been: how far a question lies from those it was fitted on.

The distance to the nearest of some anchors among the training questions, on whitened features, is
compared with the distances of training questions that were kept aside. The share of these at
least as far is the score: spread evenly over 0 to 1 for questions like the training data's, 0 for
those farther than any. It says nothing of how good a surrogate is where it has been.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int

from sim.description import Description
from surrogates.dataset import Transitions, refuse_unusable
from surrogates.errors import TamperedArtefact
from surrogates.features import Features, features_of

_HELD_OUT = 0.2
"""Share of the episodes whose distances the score is calibrated by."""
_MOST_CANDIDATES, _MOST_DISTANCES = 20_000, 2_000
"""Rows among which anchors are chosen, and held-out rows that are measured, drawn at random."""
_SMALLEST_VARIANCE = 0.05
"""Variance below which a direction is not stretched further: the data says little about it."""
_FARTHEST = 100.0
"""Deviations beyond which a feature counts as this far, so that single precision can tell."""
_CHUNK_ROWS = 256
"""Rows whose distances to all anchors fit the cache together."""


@dataclass(frozen=True, kw_only=True)
class Support:
    """How familiar a question is to a surrogate fitted on the same data."""

    description: Description
    centre: Float[np.ndarray, "feature"]
    spread: Float[np.ndarray, "feature"]
    whitening: Float32[np.ndarray, "feature direction"]
    """From standardised features to directions of about even variance."""
    anchors: Float32[np.ndarray, "anchor direction"]
    distances: Float[np.ndarray, "held"]
    """From held-out questions to their nearest anchors, rising."""

    @classmethod
    def learn(
        cls,
        transitions: Transitions,
        description: Description,
        random: np.random.Generator,
        anchors: int = 1024,
    ) -> Support:
        """Learn from the transitions that a surrogate is fitted on.

        Whole episodes are kept aside, because epochs of one episode resemble each other. Raises
        InvalidDataset for no rows or a non-finite number.
        """
        refuse_unusable(transitions, description)
        kept, held = _split(transitions, random)
        raw = _matrix(features_of(description), kept)
        centre, spread = raw.mean(axis=0), np.maximum(raw.std(axis=0), 1e-6)
        whitening = _whitening((raw - centre) / spread)
        unmeasured = cls(
            description=description,
            centre=centre,
            spread=spread,
            whitening=whitening,
            anchors=np.zeros((1, whitening.shape[1]), np.float32),
            distances=np.zeros(0),
        )
        placed = unmeasured._place(raw[_some(len(raw), _MOST_CANDIDATES, random)])
        chosen = cls(**{**_fields(unmeasured), "anchors": _spread_out(placed, anchors, random)})
        seen = held.take(_some(len(held), _MOST_DISTANCES, random))
        far = chosen.distance(seen.state, seen.decision, seen.parameters)
        return cls(**{**_fields(chosen), "distances": np.sort(far)})

    def score(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
    ) -> Float[np.ndarray, "batch"]:
        """Share of held-out training questions at least as far out: 0 is unknown ground."""
        far = self.distance(states, decisions, parameters)
        nearer = np.searchsorted(self.distances, far, side="left")
        return np.asarray(1.0 - nearer / len(self.distances))

    def distance(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
    ) -> Float[np.ndarray, "batch"]:
        """Distance to the nearest anchor, in standard deviations of the training data."""
        placed = self._place(self._features.matrix(states, decisions, parameters))
        nearest = [
            (placed[first : first + _CHUNK_ROWS] @ self._doubled + self._squares).min(axis=1)
            for first in range(0, len(placed), _CHUNK_ROWS)
        ]
        squared = np.square(placed).sum(axis=1) + np.concatenate(
            [np.zeros(0, np.float32), *nearest]
        )
        return np.asarray(np.sqrt(np.maximum(squared, 0.0)), dtype=float)

    @cached_property
    def _features(self) -> Features:
        return features_of(self.description)

    @cached_property
    def _doubled(self) -> Float32[np.ndarray, "direction anchor"]:
        return np.ascontiguousarray(-2.0 * self.anchors.T)

    @cached_property
    def _squares(self) -> Float32[np.ndarray, "anchor"]:
        squares: Float32[np.ndarray, "anchor"] = np.square(self.anchors).sum(axis=1)
        return squares

    def _place(
        self, raw: Float[np.ndarray, "batch feature"]
    ) -> Float32[np.ndarray, "batch direction"]:
        standard = np.clip((raw - self.centre) / self.spread, -_FARTHEST, _FARTHEST)
        placed: Float32[np.ndarray, "batch direction"] = (
            standard.astype(np.float32) @ self.whitening
        )
        return placed

    def to_tensors(self) -> dict[str, np.ndarray]:
        """Everything needed to answer again."""
        return {name: value for name, value in _fields(self).items() if name != "description"}

    @classmethod
    def from_tensors(cls, tensors: dict[str, np.ndarray], description: Description) -> Support:
        """The support that `to_tensors` was asked of.

        Raises TamperedArtefact where one is missing, and for another system's arrays.
        """
        names = [field.name for field in fields(cls) if field.name != "description"]
        missing = [name for name in names if name not in tensors]
        if missing:
            raise TamperedArtefact(f"a support without its array {missing[0]!r}: learn it again")
        wanted, found = len(features_of(description).names), len(tensors["centre"])
        if found != wanted:
            raise TamperedArtefact(
                f"a support of {found} features, {description.name!r} has {wanted}: learn it again"
            )
        return cls(description=description, **{name: tensors[name] for name in names})

    def to_record(self) -> dict[str, float]:
        """What manifests say of it; distances are in deviations of the training data."""
        middle, far = np.quantile(self.distances, [0.5, 0.95])
        return {
            "anchors": float(len(self.anchors)),
            "held_out_rows": float(len(self.distances)),
            "median_distance": float(middle),
            "distance_95": float(far),
        }


def _fields(support: Support) -> dict[str, Any]:
    return {field.name: getattr(support, field.name) for field in fields(Support)}


def _matrix(features: Features, rows: Transitions) -> Float[np.ndarray, "row feature"]:
    return features.matrix(rows.state, rows.decision, rows.parameters)


def _split(
    transitions: Transitions, random: np.random.Generator
) -> tuple[Transitions, Transitions]:
    """Episodes to place anchors in, and others; rows of a single episode, where there is one."""
    groups = transitions.episode
    if len(np.unique(groups)) < 2:
        groups = np.arange(len(transitions))
    order = random.permutation(np.unique(groups))
    if len(order) < 2:
        return transitions, transitions
    is_held = np.isin(groups, order[: max(1, round(_HELD_OUT * len(order)))])
    return transitions.take(~is_held), transitions.take(is_held)


def _some(count: int, most: int, random: np.random.Generator) -> Int[np.ndarray, "chosen"]:
    return np.sort(random.permutation(count)[:most])


def _whitening(
    standard: Float[np.ndarray, "row feature"],
) -> Float32[np.ndarray, "feature direction"]:
    """Principal directions, each over its deviation where it has any to speak of."""
    variance, directions = np.linalg.eigh(standard.T @ standard / len(standard))
    scaled = directions / np.sqrt(np.maximum(variance, _SMALLEST_VARIANCE))
    return np.asarray(scaled, dtype=np.float32)


def _spread_out(
    placed: Float32[np.ndarray, "row direction"], count: int, random: np.random.Generator
) -> Float32[np.ndarray, "anchor direction"]:
    """Rows that cover all others: each is the one farthest from those chosen before it."""
    if len(placed) <= count:
        return placed
    squares = np.square(placed).sum(axis=1)
    chosen = [int(random.integers(len(placed)))]
    nearest = np.full(len(placed), np.inf, np.float32)
    while len(chosen) < count:
        newest = chosen[-1]
        squared = squares - 2.0 * placed @ placed[newest] + squares[newest]
        np.minimum(nearest, squared, out=nearest)
        chosen.append(int(nearest.argmax()))
    return placed[chosen]
